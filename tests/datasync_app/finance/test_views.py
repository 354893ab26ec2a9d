"""What the view and the function of fina_indicator answer, version by version."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from django.db import connection

from datasync_app.dates import SHANGHAI
from datasync_app.models import DisclosureDate, FinaIndicator

pytestmark = pytest.mark.django_db

HALF_YEAR = dt.date(2026, 6, 30)


def at(text: str) -> dt.datetime:
    return dt.datetime.strptime(text, "%Y%m%d %H:%M").replace(tzinfo=SHANGHAI)


def day(text: str) -> dt.date:
    return dt.datetime.strptime(text, "%Y%m%d").date()


def version(
    code: str,
    eps: float,
    *,
    ann: str | None,
    flag: int | None,
    seen: str,
    until: str = "",
    period: dt.date = HALF_YEAR,
) -> None:
    FinaIndicator.objects.create(
        ts_code=code,
        end_date=period,
        ann_date=day(ann) if ann else None,
        update_flag=flag,
        content=f"{eps}",
        eps=eps,
        first_seen_at=at(seen),
        last_seen_at=at(until or seen),
    )


def query(sql: str, *values: str | dt.date) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        return cursor.fetchall()


def latest(code: str) -> list[float]:
    rows = query("SELECT eps FROM fina_indicator_latest WHERE ts_code = %s", code)
    return [eps for (eps,) in rows]


def as_of(text: str) -> list[tuple[Any, ...]]:
    return query("SELECT eps, basis FROM fina_indicator_asof(%s)", day(text))


def test_the_latest_is_of_the_newest_announcement() -> None:
    version("603400.SH", 1.0, ann="20260803", flag=0, seen="20260804 00:10")
    version("603400.SH", 2.0, ann="20260901", flag=0, seen="20260804 00:10")
    version("603400.SH", 3.0, ann=None, flag=1, seen="20260905 00:10")
    assert latest("603400.SH") == [2.0]


def test_the_latest_prefers_a_correction_to_what_it_corrects() -> None:
    version("603400.SH", 1.0, ann="20260803", flag=1, seen="20260804 00:10")
    version("603400.SH", 2.0, ann="20260803", flag=0, seen="20260805 00:10")
    assert latest("603400.SH") == [1.0]


def test_the_latest_never_requires_a_correction() -> None:
    version("000002.SZ", 0.4, ann="20030321", flag=0, seen="20260804 00:10")
    version("600036.SH", 0.5, ann="20030321", flag=None, seen="20260804 00:10")
    assert latest("000002.SZ") == [0.4]
    assert latest("600036.SH") == [0.5]


def test_of_equal_versions_the_latest_is_the_one_seen_first_last() -> None:
    version("603400.SH", 1.0, ann="20260803", flag=1, seen="20260804 00:10", until="20260901 00:10")
    version("603400.SH", 2.0, ann="20260803", flag=1, seen="20260820 00:10", until="20260901 00:10")
    assert latest("603400.SH") == [2.0]


def test_the_latest_follows_a_source_that_takes_a_correction_back() -> None:
    version("603400.SH", 1.0, ann="20260803", flag=1, seen="20260804 00:10", until="20260901 00:10")
    version("603400.SH", 2.0, ann="20260803", flag=1, seen="20260820 00:10", until="20260825 00:10")
    assert latest("603400.SH") == [1.0]


def test_as_of_a_date_before_any_announcement_nothing_is_known() -> None:
    version("603400.SH", 1.0, ann="20260803", flag=0, seen="20260804 00:10")
    assert as_of("20260802") == []


def test_what_was_seen_by_the_end_of_a_day_was_known_on_it() -> None:
    version("603400.SH", 1.0, ann="20260803", flag=0, seen="20260804 23:59")
    version("603400.SH", 2.0, ann="20260803", flag=1, seen="20260805 00:00")
    assert as_of("20260804") == [(1.0, "known")]
    assert as_of("20260805") == [(2.0, "known")]


def test_what_was_seen_later_is_assumed_from_its_announcement_and_in_its_first_form() -> None:
    version("603400.SH", 1.0, ann="20260803", flag=0, seen="20261001 00:10")
    version("603400.SH", 2.0, ann="20260803", flag=1, seen="20261001 00:10")
    version("603400.SH", 3.0, ann="20260901", flag=1, seen="20261001 00:10")
    assert as_of("20260803") == [(1.0, "assumed")]
    assert as_of("20260901") == [(3.0, "assumed")]
    assert as_of("20261001") == [(3.0, "known")]


def test_what_was_known_counts_before_what_is_assumed() -> None:
    version("603400.SH", 1.0, ann="20260803", flag=0, seen="20260804 00:10")
    version("603400.SH", 2.0, ann="20260810", flag=1, seen="20260815 00:10")
    assert as_of("20260812") == [(1.0, "known")]


def test_as_of_answers_by_code_and_period_with_every_column() -> None:
    version("603400.SH", 1.0, ann="20260803", flag=0, seen="20260804 00:10")
    version("603400.SH", 2.0, ann="20260422", flag=0, seen="20260804 00:10", period=day("20260331"))
    version("000002.SZ", 3.0, ann="20260803", flag=0, seen="20260804 00:10")
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM fina_indicator_asof('20260901') ORDER BY ts_code, end_date")
        names = [column.name for column in cursor.description]
        assert [row[names.index("eps")] for row in cursor.fetchall()] == [3.0, 2.0, 1.0]
    columns = [field.column for field in FinaIndicator._meta.fields if field.column]
    assert names == [*columns, "basis"]


def test_a_disclosure_that_happened_counts_before_a_plan_seen_later() -> None:
    seen = at("20260804 00:10")
    for content, pre, actual, last in (
        ("plan", "20260803", None, at("20260901 00:10")),
        ("moved", "20260810", None, seen),
        ("happened", "20260803", "20260803", seen),
    ):
        DisclosureDate.objects.create(
            ts_code="603400.SH",
            end_date=HALF_YEAR,
            content=content,
            pre_date=day(pre),
            actual_date=day(actual) if actual else None,
            first_seen_at=seen,
            last_seen_at=last,
        )
    assert query("SELECT content FROM disclosure_date_latest") == [("happened",)]
