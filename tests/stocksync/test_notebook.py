"""The lines of docs/how-to/notebook.md, as they stand there."""

from __future__ import annotations

import datetime as dt
import re
from typing import Any

import pandas
import psycopg
import pytest
from psycopg import sql

from datasync_app.models import AdjFactor, Daily, FinaIndicator, TradeCal
from tests.datasync_app.factories import LedgerFactory, StockBasicFactory
from tests.processes import REPOSITORY

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("reader_role")]


def blocks(page: str) -> list[str]:
    text = (REPOSITORY / "docs" / page).read_text(encoding="utf-8")
    return re.findall(r"```python\n(.+?)```", text, re.DOTALL)


def type_in(lines: str, **names: object) -> dict[str, Any]:
    """What a reader has after these lines."""
    notebook: dict[str, Any] = {"pandas": pandas, "psycopg": psycopg, **names}
    exec(lines, notebook)  # noqa: S102 (what a reader would type)
    return notebook


def test_the_documented_lines_load_daily_into_pandas(dsn: str) -> None:
    Daily.objects.create(ts_code="000001.SZ", trade_date=dt.date(2024, 1, 2), close=9.21)
    lines = blocks("how-to/notebook.md")[0]
    assert lines.startswith("import pandas, psycopg\n")
    daily = type_in(lines, DSN=dsn)["daily"]
    assert list(daily.columns)[:2] == ["ts_code", "trade_date"]
    assert (daily.ts_code[0], daily.close[0]) == ("000001.SZ", 9.21)


def test_the_documented_lines_prove_a_range_or_say_what_is_missing(dsn: str) -> None:
    lines = blocks("how-to/notebook.md")[1]
    with pytest.raises(psycopg.errors.RaiseException, match="calendar of 2024 is not held"):
        type_in(lines, DSN=dsn)
    LedgerFactory.create(dataset="trade_cal", cell="SSE:2024", cell_date=None)
    day = dt.date(2024, 1, 2)
    TradeCal.objects.create(exchange="SSE", cal_date=day, is_open=1)
    with pytest.raises(psycopg.errors.RaiseException, match="20240102 .never fetched"):
        type_in(lines, DSN=dsn)
    for dataset in ("daily", "adj_factor"):
        LedgerFactory.create(dataset=dataset, cell_date=day)
    type_in(lines, DSN=dsn)


def test_the_documented_lines_adjust_prices(dsn: str) -> None:
    for day, close, factor in ((2, 10.0, 1.5), (3, 7.0, 3.0)):
        date = dt.date(2024, 1, day)
        Daily.objects.create(ts_code="000001.SZ", trade_date=date, close=close)
        AdjFactor.objects.create(ts_code="000001.SZ", trade_date=date, adj_factor=factor)
    have = type_in(blocks("how-to/notebook.md")[2], DSN=dsn)
    assert sorted(have["backward"].close) == [15.0, 21.0]
    assert sorted(have["forward"].close) == [5.0, 7.0]


def test_the_documented_lines_give_the_universe_of_a_day(dsn: str) -> None:
    StockBasicFactory.create(ts_code="600001.SH", list_status="D", delist_date=dt.date(2025, 1, 2))
    universe = type_in(blocks("how-to/notebook.md")[3], DSN=dsn)["universe"]
    assert list(universe.ts_code) == ["600001.SH"]
    assert not universe.has_bar[0]


def test_the_documented_lines_load_finance_reports_into_pandas(dsn: str) -> None:
    seen = dt.datetime(2024, 5, 7, tzinfo=dt.UTC)
    FinaIndicator.objects.create(
        ts_code="600000.SH",
        end_date=dt.date(2024, 3, 31),
        ann_date=dt.date(2024, 4, 30),
        content="one",
        eps=0.55,
        first_seen_at=seen,
        last_seen_at=seen,
    )
    (lines,) = blocks("reference/finance.md")
    notebook = type_in(lines, DSN=dsn)
    assert (notebook["latest"].ts_code[0], notebook["latest"].eps[0]) == ("600000.SH", 0.55)
    assert list(notebook["known"].basis) == ["assumed"]


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM daily",
        "UPDATE scheduler_job_config SET enabled = false",
        "CREATE TABLE mine (n int)",
        "SET default_transaction_read_only = off; DELETE FROM daily",
    ],
)
def test_the_address_only_reads(dsn: str, statement: str) -> None:
    with psycopg.connect(dsn) as connection, pytest.raises(psycopg.Error):
        connection.execute(statement)


def test_the_address_shows_no_passwords_or_tokens(dsn: str) -> None:
    with psycopg.connect(dsn) as connection:
        for table in ("auth_user", "knox_authtoken", "django_session"):
            query = sql.SQL("SELECT * FROM {}").format(sql.Identifier(table))
            with pytest.raises(psycopg.errors.InsufficientPrivilege), connection.transaction():
                connection.execute(query)
