"""The rows of every dataset over HTTP: pages, filters, files, and how often one may ask."""

from __future__ import annotations

import csv
import datetime as dt
import io
import tracemalloc
from collections.abc import Iterable
from typing import Any, cast

import pyarrow.parquet as pq
import pytest
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from pytest_django import DjangoAssertNumQueries, Settings

from datasync_app.datasets import DATASETS
from datasync_app.models import Daily, FinaIndicator, NameChange, SuspendD, TradeCal
from tests.datasync_app.factories import NOW
from tests.scheduler_app.web import logged_in

pytestmark = pytest.mark.django_db

DAYS = [dt.date(2024, 1, day) for day in (2, 3, 4)]
CODES = ["000001.SZ", "600000.SH", "600519.SH"]


@pytest.fixture(autouse=True)
def nobody_has_asked_yet() -> None:
    cache.clear()


@pytest.fixture
def staff() -> Client:
    return logged_in()


@pytest.fixture
def bars() -> list[tuple[str, str]]:
    """Nine bars; their keys in the order of the answer."""
    Daily.objects.bulk_create(
        Daily(trade_date=day, ts_code=code, close=number + 0.25, vol=None)
        for number, (day, code) in enumerate((day, code) for day in DAYS for code in CODES)
    )
    return [(day.isoformat(), code) for day in DAYS for code in CODES]


def keys(answer: Any) -> list[tuple[str, str]]:
    return [(row["trade_date"], row["ts_code"]) for row in answer.json()["results"]]


def test_it_lists_every_dataset_with_its_columns_and_filters(staff: Client) -> None:
    found = {each["dataset"]: each for each in staff.get("/api/data").json()["results"]}
    assert list(found) == list(DATASETS)
    assert found["daily"]["columns"]["trade_date"] == "date"
    assert found["daily"]["filters"] == [
        "ts_code", "trade_date", "trade_date__gte", "trade_date__lte",
    ]  # fmt: skip
    for name, each in found.items():
        assert set(DATASETS[name].field_names) <= set(each["columns"])
        assert staff.get(each["address"]).json() == {"results": [], "next": None}


def test_a_row_has_the_source_s_columns_and_null_for_what_is_missing(
    staff: Client, bars: object
) -> None:
    row = staff.get("/api/data/daily/?limit=1").json()["results"][0]
    assert list(row)[:3] == ["ts_code", "trade_date", "open"]
    assert (row["close"], row["vol"]) == (0.25, None)


def test_pages_follow_each_other_without_a_gap_and_never_by_offset(
    staff: Client, bars: list[tuple[str, str]]
) -> None:
    seen: list[tuple[str, str]] = []
    address: str | None = "/api/data/daily?limit=2&fields=trade_date,ts_code"
    with CaptureQueriesContext(connection) as queries:
        while address:
            answer = staff.get(address)
            seen += keys(answer)
            # What comes before the cursor meanwhile changes nothing.
            Daily.objects.create(trade_date=dt.date(2023, 1, len(seen)), ts_code="x")
            address = answer.json()["next"]
    assert seen[0] == bars[0]
    assert seen == bars
    statements = " ".join(query["sql"].upper() for query in queries)
    assert "LIMIT 3" in statements
    assert "OFFSET" not in statements
    assert "COUNT(" not in statements


def test_a_page_that_ends_with_the_last_row_is_the_last(staff: Client, bars: object) -> None:
    assert staff.get("/api/data/daily?limit=9").json()["next"] is None
    assert staff.get("/api/data/daily?limit=8").json()["next"]


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("ts_code=600000.SH", 3),
        ("ts_code=600000.SH,600519.SH", 6),
        ("trade_date=20240103", 3),
        ("trade_date=2024-01-03&ts_code=600000.SH", 1),
        ("trade_date__gte=20240103", 6),
        ("trade_date__gte=20240103&trade_date__lte=20240103", 3),
        ("ts_code=x'; DELETE FROM daily; --", 0),
        ("ts_code=", 9),
    ],
)
def test_the_filters(staff: Client, bars: object, query: str, count: int) -> None:
    assert len(staff.get(f"/api/data/daily?{query}").json()["results"]) == count
    assert Daily.objects.count() == 9


def test_a_filter_goes_on_over_pages(staff: Client, bars: object) -> None:
    first = staff.get("/api/data/daily?limit=2&ts_code=600000.SH").json()
    assert [row["trade_date"] for row in first["results"]] == ["2024-01-02", "2024-01-03"]
    assert keys(staff.get(first["next"])) == [("2024-01-04", "600000.SH")]


def test_a_flag_is_a_number(staff: Client) -> None:
    for day, is_open in ((1, 0), (2, 1)):
        TradeCal.objects.create(exchange="SSE", cal_date=dt.date(2024, 1, day), is_open=is_open)
    rows = staff.get("/api/data/trade_cal?is_open=1").json()["results"]
    assert [row["cal_date"] for row in rows] == ["2024-01-02"]


def test_rows_whose_key_has_nulls_are_paged_too(staff: Client) -> None:
    for timing in (None, "09:30-10:00", "13:00-14:00"):
        SuspendD.objects.create(
            ts_code="600000.SH", trade_date=DAYS[0], suspend_type="S", suspend_timing=timing
        )
    NameChange.objects.create(ts_code="600000.SH", name="浦发银行", start_date=DAYS[0])
    NameChange.objects.create(
        ts_code="600000.SH", name="浦发银行", start_date=DAYS[0], end_date=DAYS[1]
    )
    for name, count in (("suspend_d", 3), ("namechange", 2)):
        seen = []
        address = f"/api/data/{name}?limit=1"
        while address:
            body = staff.get(address).json()
            seen += body["results"]
            address = body["next"]
        assert len(seen) == count
        assert len({str(row) for row in seen}) == count


def test_every_version_of_a_report_is_there(staff: Client) -> None:
    for content in ("a", "b"):
        FinaIndicator.objects.create(
            ts_code="600000.SH", end_date=DAYS[0], content=content, eps=1.0,
            first_seen_at=NOW, last_seen_at=NOW,
        )  # fmt: skip
    rows = staff.get("/api/data/fina_indicator?fields=content,eps,first_seen_at").json()["results"]
    assert rows == [
        {"eps": 1.0, "content": content, "first_seen_at": "2020-01-10T18:00:00+00:00"}
        for content in ("a", "b")
    ]


@pytest.mark.parametrize(
    ("query", "field", "said"),
    [
        ("nonsense=1", "nonsense", "There is no filter 'nonsense'"),
        ("trade_date=20240230", "trade_date", "The trade_date is '20240230'; it takes a date"),
        ("trade_date__lte=2024-W01-1", "trade_date__lte", "it takes a date as YYYYMMDD"),
        ("trade_date=0", "trade_date", "it takes a date as YYYYMMDD"),
        ("ts_code=a%00b", "ts_code", "a character that no text has"),
        ("ts_code=" + ",".join(map(str, range(1001))), "ts_code", "names 1001 values"),
        ("limit=0", "limit", "a whole number from 1 to 10000"),
        ("limit=10001", "limit", "a whole number from 1 to 10000"),
        ("fields=close,nonsense", "fields", "There is no field 'nonsense'. The fields are: ts_code"),
        ("format=xlsx", "format", "The values are: json, csv, parquet."),
        ("format=csv&limit=5", "limit", "A file has every row"),
        ("cursor=nonsense", "cursor", "The cursor is 'nonsense'; take the one of `next`"),
        ("cursor=WyJ4IiwieSJd", "cursor", "The cursor is"),
        ("cursor=W10", "cursor", "The cursor is"),
        ("cursor=" + "A" * 3000, "cursor", "The cursor is"),
    ],
    ids=lambda value: value[:30],
)  # fmt: skip
def test_what_cannot_be_used_is_named(
    staff: Client, bars: object, query: str, field: str, said: str
) -> None:
    answer = staff.get(f"/api/data/daily?{query}")
    assert answer.status_code == 400
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert list(answer.json()["errors"]) == [field]
    assert said in answer.json()["detail"]


def test_a_flag_that_is_none(staff: Client) -> None:
    for value in ("yes", "99999", "1.5", "--1"):
        answer = staff.get(f"/api/data/trade_cal?is_open={value}")
        assert answer.status_code == 400, value
        assert f"The is_open is '{value}'" in answer.json()["detail"]


def test_a_dataset_that_is_none(staff: Client) -> None:
    answer = staff.get("/api/data/income")
    assert answer.status_code == 404
    assert "There is no dataset 'income'. The datasets are: trade_cal," in answer.json()["detail"]


@pytest.mark.parametrize("how", [{"query": "?format=csv"}, {"accept": "text/csv, */*;q=0.1"}])
def test_csv_has_every_row(staff: Client, bars: list[tuple[str, str]], how: dict[str, str]) -> None:
    headers = {"Accept": how["accept"]} if "accept" in how else {}
    answer = staff.get(f"/api/data/daily{how.get('query', '')}", headers=headers)
    assert answer.headers["Content-Type"] == "text/csv"
    assert 'filename="daily.csv"' in answer.headers["Content-Disposition"]
    rows = list(csv.DictReader(io.StringIO(answer.getvalue().decode())))
    assert [(row["trade_date"], row["ts_code"]) for row in rows] == bars
    assert (rows[1]["close"], rows[1]["vol"]) == ("1.25", "")


def test_parquet_keeps_types_and_nulls(staff: Client, bars: list[tuple[str, str]]) -> None:
    accept = {"Accept": "application/vnd.apache.parquet"}
    answer = staff.get("/api/data/daily?trade_date__gte=20240103", headers=accept)
    assert answer.headers["Content-Type"] == "application/vnd.apache.parquet"
    table = pq.read_table(io.BytesIO(answer.getvalue()))
    assert [str(table.schema.field(name).type) for name in ("ts_code", "trade_date", "close")] == [
        "string", "date32[day]", "double",
    ]  # fmt: skip
    found = table.to_pylist()
    assert [(row["trade_date"].isoformat(), row["ts_code"]) for row in found] == bars[3:]
    assert found[0]["vol"] is None


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_an_empty_file_has_its_columns(staff: Client, form: str) -> None:
    content = staff.get(f"/api/data/adj_factor?format={form}").getvalue()
    names = (
        content.decode().strip().split(",")
        if form == "csv"
        else pq.read_schema(io.BytesIO(content)).names
    )
    assert names == ["ts_code", "trade_date", "adj_factor"]


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_a_file_takes_the_same_memory_however_long_it_is(
    staff: Client, form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("datasync_app.reading.formats._VALUES_AT_ONCE", 3 * 200)

    def peak(rows: int) -> int:
        with connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO adj_factor (ts_code, trade_date, adj_factor) "
                "SELECT n::text, DATE '2024-01-02', n * 1.5 FROM generate_series(1, %s) AS n "
                "ON CONFLICT DO NOTHING",
                [rows],
            )
        answer = staff.get(f"/api/data/adj_factor?format={form}")
        tracemalloc.start()
        size = sum(map(len, cast(Iterable[bytes], answer)))
        _now, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert size > rows
        return most

    peak(300)  # what is imported and cached on the way
    assert peak(5_000) < 2 * peak(1_000)


def test_one_page_takes_as_many_queries_as_another(
    staff: Client, bars: object, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for limit in (1, 9):
        with django_assert_max_num_queries(3):
            staff.get(f"/api/data/daily?limit={limit}")


@pytest.mark.parametrize(
    ("path", "setting"),
    [
        ("/api/data/daily", "API_PAGES_PER_MINUTE"),
        ("/api/data/daily?format=csv", "API_FILES_PER_MINUTE"),
        ("/api/sync/coverage?dataset=daily", "API_PAGES_PER_MINUTE"),
    ],
)
def test_who_asks_too_often_is_told_when_to_ask_again(
    staff: Client, settings: Settings, path: str, setting: str
) -> None:
    setattr(settings, setting, 2)
    assert [staff.get(path).status_code for _ in range(3)] == [200, 200, 429]
    answer = staff.get(path)
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert 0 < int(answer.headers["Retry-After"]) <= 61
    assert "An account may ask 2 times a minute here. Ask again in" in answer.json()["detail"]
    # Another account has its own.
    assert logged_in("view_daily").get(path).status_code == 200
