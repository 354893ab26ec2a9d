from __future__ import annotations

import datetime as dt

import pytest

from datasync_app.tushare.account import EXPIRY_FIELD, POINTS_FIELD, Account, read_account
from datasync_app.tushare.outcomes import Answer, AnswerKind, Mismatched

TODAY = dt.date(2026, 5, 6)


def answer(*rows: list[object]) -> Answer:
    fields = ("user_id", EXPIRY_FIELD, POINTS_FIELD)
    return Answer("user", {}, fields, list(rows), False, "tushare", AnswerKind.ROWS)


def test_it_adds_the_points_that_have_not_expired() -> None:
    account = read_account(
        answer(
            ["1", "2026-05-05", 120.0],
            ["1", "2026-05-06 00:00:00", 2000.0],
            ["1", "2027-01-01", "3000"],
        ),
        TODAY,
    )

    assert account == Account(5000, dt.date(2026, 5, 6))


def test_it_has_no_points_when_the_source_lists_none() -> None:
    assert read_account(answer(), TODAY) == Account(0, None)


def test_it_refuses_what_is_no_date() -> None:
    with pytest.raises(Mismatched, match="no points with a date"):
        read_account(answer(["1", "soon", 120.0]), TODAY)
