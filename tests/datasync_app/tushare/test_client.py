from __future__ import annotations

import datetime as dt
import logging
import pickle
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from datasync_app.tushare import client as client_module
from datasync_app.tushare.client import TushareClient
from datasync_app.tushare.from_settings import client_from_settings, rules_from_settings
from datasync_app.tushare.journal import call_journal
from datasync_app.tushare.outcomes import (
    AnswerKind,
    BadRequest,
    Mismatched,
    NoSource,
    SourceAway,
    TransportFailure,
)
from tests.datasync_app.tushare.faulty_server import ROWS, FaultyServer, answer, reply

if TYPE_CHECKING:
    from pytest_django import Settings

Serve = Callable[..., FaultyServer]
Connect = Callable[..., TushareClient]


def test_it_asks_as_the_protocol_says(serve: Serve, connect: Connect, token: str) -> None:
    server = serve(answer(ROWS))

    connect(server.url).fetch("daily", {"trade_date": "20240102"}, ["ts_code", "close"])

    assert server.requests == [
        (
            "/daily",
            {
                "api_name": "daily",
                "token": token,
                "params": {"trade_date": "20240102"},
                "fields": "ts_code,close",
            },
        )
    ]


def test_it_keeps_the_connection_open(serve: Serve, connect: Connect) -> None:
    server = serve(answer(ROWS))
    client = connect(server.url)

    for _ in range(3):
        client.fetch("daily", {}, ["close"])

    assert server.connections == 1


def test_it_gives_people_a_data_frame(serve: Serve, connect: Connect) -> None:
    client = connect(serve(answer(ROWS)).url)

    frame = client.daily(trade_date="20240102", fields="ts_code,trade_date,close")

    assert frame.to_dict("records") == [
        {"ts_code": "000001.SZ", "trade_date": "20240102", "close": 9.21}
    ]
    assert frame.attrs["kind"] == "rows"


def test_it_marks_a_data_frame_that_was_cut_short(
    serve: Serve, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    cut = {**ROWS, "data": {**ROWS["data"], "has_more": True}}

    frame = connect(serve(answer(cut)).url).query("daily", trade_date="20240102")

    assert frame.attrs["kind"] == "truncated"
    assert "action=query api_name=daily rows=1 truncated=yes" in caplog.text


def test_it_takes_no_private_name_for_an_endpoint(connect: Connect) -> None:
    with pytest.raises(AttributeError, match="_dialy"):
        _ = connect("http://127.0.0.1:9")._dialy


def test_it_sends_the_token_as_a_parameter_where_the_endpoint_wants_it(
    serve: Serve, connect: Connect, token: str
) -> None:
    server = serve(answer(ROWS))

    result = connect(server.url).fetch("user", {}, [])

    assert server.requests[0][1]["params"] == {"token": token}
    assert result.params == {}


def test_it_checks_the_rows_against_what_was_asked(serve: Serve, connect: Connect) -> None:
    client = connect(serve(answer(ROWS)).url)

    with pytest.raises(Mismatched, match="20240103"):
        client.fetch("daily", {}, ["trade_date"], expect={"trade_date": "20240103"})
    assert client.fetch("daily", {}, [], expect={"trade_date": {"20240102", "20240103"}})


def test_what_cannot_be_sent_is_told_and_takes_no_slot(serve: Serve, connect: Connect) -> None:
    server = serve(answer(ROWS))
    client = connect(server.url)

    with pytest.raises(BadRequest, match=r"trade_date is datetime\.date\(2024, 1, 2\).*20240102"):
        client.daily(trade_date=dt.date(2024, 1, 2))

    assert client.limiters.for_endpoint("daily").used() == 0
    assert client.daily(ts_code=["000001.SZ"], limit=1, offset=None) is not None
    assert len(server.requests) == 1


def test_it_warns_of_optional_fields_that_are_absent(
    serve: Serve, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    client = connect(serve(answer(ROWS)).url)

    with caplog.at_level(logging.WARNING):
        result = client.fetch("daily", {}, ["close", "ah_vol"], required=["close"])

    assert result.absent_fields == ("ah_vol",)
    assert "action=fetch api_name=daily absent_fields=ah_vol" in caplog.text


def test_it_passes_the_row_cap_on(serve: Serve, connect: Connect) -> None:
    client = connect(serve(answer(ROWS)).url)

    assert client.fetch("daily", {}, ["close"], row_cap=1).kind is AnswerKind.TRUNCATED


def test_it_is_never_stored(connect: Connect) -> None:
    with pytest.raises(TypeError, match="never stored"):
        pickle.dumps(connect("http://127.0.0.1:9"))


@pytest.fixture
def no_source(settings: Settings, tmp_path: Path) -> Settings:
    settings.TUSHARE_TOKEN = settings.TUSHARE_BASE_URL = ""
    settings.SANDBOX_ADDRESS_FILE = tmp_path / "sandbox-address"
    return settings


@pytest.mark.django_db
def test_it_uses_the_token_and_the_address_of_the_settings(no_source: Settings, token: str) -> None:
    no_source.TUSHARE_TOKEN = token
    no_source.TUSHARE_BASE_URL = "https://api.tushare.pro/dataapi"
    no_source.TUSHARE_RATE_LIMIT_MAX_CALLS = 7
    one, other = client_from_settings(), client_from_settings()

    assert one.base_url == "https://api.tushare.pro/dataapi"
    assert one.limiters is other.limiters
    assert one.limiters.for_endpoint("daily").max_calls == 7


@pytest.mark.django_db
def test_it_keeps_to_what_the_settings_say_of_the_quota(no_source: Settings, token: str) -> None:
    no_source.TUSHARE_TOKEN = token
    no_source.TUSHARE_BASE_URL = "https://api.tushare.pro/dataapi"
    no_source.TUSHARE_QUOTA_SHARE = 0.5
    no_source.TUSHARE_LEARNED_LIMIT_DAYS = 3
    no_source.TUSHARE_CALL_JOURNAL_DAYS = 9
    limiters = client_from_settings().limiters

    assert limiters.for_endpoint("daily").max_calls == 97
    assert limiters.rules.learned_lasts == dt.timedelta(days=3)
    assert call_journal().keep_days == 9


@pytest.mark.django_db
def test_an_outage_that_one_client_met_is_known_to_all_of_the_process(
    no_source: Settings, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_module, "TRANSPORT_RETRIES", 0)
    server = serve(reply(502, b""))
    no_source.TUSHARE_BASE_URL, no_source.TUSHARE_RATE_LIMIT_MAX_CALLS = server.url, 50
    for _ in range(5):
        with closing(client_from_settings()) as client, pytest.raises(TransportFailure):
            client.fetch("daily", {}, ["close"])

    with closing(client_from_settings()) as client, pytest.raises(SourceAway):
        client.fetch("daily", {}, ["close"])
    assert len(server.requests) == 5


@pytest.mark.parametrize(
    ("base_url", "max_calls", "window", "refused_for"),
    [
        ("https://api.tushare.pro/dataapi", None, 60, 60),
        ("https://api.tushare.pro/dataapi", 3, 5, 60),
        ("http://127.0.0.1:9", None, 5, 5),  # a sandbox, whose minutes may be short
    ],
)
def test_a_limit_by_the_points_counts_for_no_less_than_a_minute_of_the_source(
    no_source: Settings, base_url: str, max_calls: int | None, window: float, refused_for: float
) -> None:
    no_source.TUSHARE_TOKEN, no_source.TUSHARE_BASE_URL = "a-token", base_url
    no_source.TUSHARE_RATE_LIMIT_MAX_CALLS = max_calls
    no_source.TUSHARE_RATE_LIMIT_WINDOW_SECONDS = 5.0
    rules = rules_from_settings()

    assert rules.window_seconds == window
    assert rules.refusal_lasts == dt.timedelta(seconds=refused_for)


@pytest.mark.django_db
def test_it_finds_the_sandbox_that_is_running(no_source: Settings, serve: Serve) -> None:
    server = serve(answer(ROWS))
    no_source.SANDBOX_ADDRESS_FILE.write_text(f"{server.url}\n")

    client = client_from_settings()
    client.fetch("daily", {}, ["close"])
    client.close()

    assert server.requests[0][1]["token"] == "sandbox"


def test_it_needs_no_token_for_an_address_on_this_machine(no_source: Settings) -> None:
    no_source.TUSHARE_BASE_URL = "http://127.0.0.1:9"

    assert client_from_settings().base_url == "http://127.0.0.1:9"


def test_it_says_what_to_do_when_there_is_no_source(no_source: Settings) -> None:
    with pytest.raises(NoSource, match=r"set TUSHARE_TOKEN, or start `manage\.py sandbox`"):
        client_from_settings()


def test_it_says_that_an_address_elsewhere_needs_a_token(no_source: Settings) -> None:
    no_source.TUSHARE_BASE_URL = "https://relay.example/api"

    with pytest.raises(NoSource, match="TUSHARE_TOKEN is not set"):
        client_from_settings()
