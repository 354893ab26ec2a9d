"""What is stored of a run holds no secret and nothing that PostgreSQL refuses."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest
from django.conf import settings
from django.test import override_settings

from scheduler_app.redaction import redact, storable, storable_json


@override_settings(TUSHARE_TOKEN="0123456789abcdef", SECRET_KEY="a-secret-key")
def test_it_masks_the_token_and_the_secret_key() -> None:
    assert redact("token=0123456789abcdef key=a-secret-key") == "token=*** key=***"


def test_it_masks_the_password_of_the_database(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(settings.DATABASES["default"], "PASSWORD", "hunter22")
    assert redact("postgresql://me:hunter22@host/db") == "postgresql://me:***@host/db"


@override_settings(TUSHARE_TOKEN="")
def test_it_leaves_text_alone_where_there_is_no_token() -> None:
    assert redact("nothing to hide") == "nothing to hide"


def test_it_keeps_the_end_of_a_long_text() -> None:
    assert storable("abcdef", limit=4) == "…def"


def test_it_replaces_what_cannot_be_stored() -> None:
    assert storable("a\0b\ud800c") == "a�b?c"


def test_it_makes_json_of_any_result() -> None:
    result = {"day": date(2026, 3, 2), "at": datetime(2026, 3, 2, tzinfo=UTC), "n": float("inf")}
    assert storable_json(result) == {
        "day": "2026-03-02",
        "at": "2026-03-02T00:00:00+00:00",
        "n": None,
    }


def test_it_ends_with_a_result_that_holds_itself() -> None:
    result: dict[str, object] = {}
    result["itself"] = result
    assert isinstance(storable_json(result), dict)
