"""Adjusted prices: backward, and forward to an explicit date."""

from __future__ import annotations

import datetime as dt

import pytest
from django.db import connection

from datasync_app.models import AdjFactor, Daily

pytestmark = pytest.mark.django_db

CODE = "000001.SZ"
DAYS = [dt.date(2024, 1, 2), dt.date(2024, 1, 3), dt.date(2024, 1, 4)]


def bar(day: dt.date, close: float, factor: float | None, code: str = CODE) -> None:
    Daily.objects.create(
        ts_code=code, trade_date=day, open=close, high=close + 1, low=close - 1,
        close=close, pre_close=close, vol=7.0, amount=70.0,
    )  # fmt: skip
    if factor is not None:
        AdjFactor.objects.create(ts_code=code, trade_date=day, adj_factor=factor)


def closes(relation: str, *args: dt.date, code: str = CODE) -> list[float | None]:
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT close FROM {relation} WHERE ts_code = %s ORDER BY trade_date",  # noqa: S608
            [*args, code],
        )
        return [close for (close,) in cursor.fetchall()]


def test_backward_prices_are_the_raw_ones_times_the_factor_of_their_day() -> None:
    bar(DAYS[0], 10.0, 1.5)
    bar(DAYS[1], 7.0, 3.0)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT open, high, low, close, pre_close, vol, amount, adj_factor"
            " FROM daily_backward ORDER BY trade_date"
        )
        assert cursor.fetchall() == [
            (15.0, 16.5, 13.5, 15.0, 15.0, 7.0, 70.0, 1.5),
            (21.0, 24.0, 18.0, 21.0, 21.0, 7.0, 70.0, 3.0),
        ]


def test_forward_prices_are_relative_to_the_factor_of_the_date_that_is_named() -> None:
    for day, close, factor in zip(DAYS, (10.0, 7.0, 8.0), (1.5, 3.0, 6.0), strict=True):
        bar(day, close, factor)
    assert closes("daily_forward(%s)", DAYS[2]) == [2.5, 3.5, 8.0]
    assert closes("daily_forward(%s)", DAYS[1]) == [5.0, 7.0]
    assert closes("daily_forward(%s)", DAYS[0]) == [10.0]


def test_the_last_factor_before_the_date_counts_where_that_day_has_none() -> None:
    bar(DAYS[0], 10.0, 2.0)
    assert closes("daily_forward(%s)", dt.date(2025, 6, 1)) == [10.0]


def test_a_missing_factor_makes_the_adjusted_price_null_and_nothing_else() -> None:
    bar(DAYS[0], 10.0, None)
    bar(DAYS[1], 7.0, 3.0)
    assert closes("daily_backward") == [None, 21.0]
    assert closes("daily_forward(%s)", DAYS[1]) == [None, 7.0]
    bar(DAYS[0], 5.0, None, code="000002.SZ")
    assert closes("daily_forward(%s)", DAYS[1], code="000002.SZ") == [None]


def test_nothing_is_rounded() -> None:
    bar(DAYS[0], 9.21, 108.031)
    bar(DAYS[1], 9.21, 108.039)
    assert closes("daily_backward") == [9.21 * 108.031, 9.21 * 108.039]
    assert closes("daily_forward(%s)", DAYS[1]) == [9.21 * 108.031 / 108.039, 9.21]


def test_every_code_that_has_bars_is_there() -> None:
    codes = [f"{600000 + n}.SH" for n in range(30)]
    for code in codes:
        bar(DAYS[0], 10.0, 1.0, code=code)
    with connection.cursor() as cursor:
        cursor.execute("SELECT ts_code FROM daily_forward(%s)", [DAYS[0]])
        assert sorted(code for (code,) in cursor.fetchall()) == codes
