"""The lines of docs/how-to/notebook.md, as they stand there."""

from __future__ import annotations

import datetime as dt
import io
import re
from typing import Any

import pandas
import psycopg
import pytest
from django.core.management import call_command
from psycopg import sql

from datasync_app.models import Daily, FinaIndicator
from tests.processes import REPOSITORY

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("reader_role")]


@pytest.fixture
def dsn() -> str:
    out = io.StringIO()
    call_command("connect", stdout=out)
    return next(line for line in out.getvalue().splitlines() if line.startswith("postgresql://"))


def test_the_documented_lines_load_daily_into_pandas(dsn: str) -> None:
    Daily.objects.create(ts_code="000001.SZ", trade_date=dt.date(2024, 1, 2), close=9.21)
    page = (REPOSITORY / "docs/how-to/notebook.md").read_text(encoding="utf-8")
    (lines,) = re.findall(r"```python\n(.+?)```", page, re.DOTALL)
    notebook: dict[str, Any] = {"DSN": dsn}
    exec(lines, notebook)  # noqa: S102 (what a reader would type)
    daily = notebook["daily"]
    assert list(daily.columns)[:2] == ["ts_code", "trade_date"]
    assert (daily.ts_code[0], daily.close[0]) == ("000001.SZ", 9.21)


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
    page = (REPOSITORY / "docs/reference/finance.md").read_text(encoding="utf-8")
    (lines,) = re.findall(r"```python\n(.+?)```", page, re.DOTALL)
    notebook: dict[str, Any] = {"DSN": dsn, "pandas": pandas, "psycopg": psycopg}
    exec(lines, notebook)  # noqa: S102 (what a reader would type)
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
