"""The quota and the calls in the admin."""

from __future__ import annotations

import datetime as dt
import json

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from datasync_app.models import CallDay, EndpointAccess, TushareCall
from scheduler_app.admin import paging
from tests.datasync_app.factories import (
    EndpointAccessFactory,
    TushareCallFactory,
)
from tests.scheduler_app.web import logged_in

pytestmark = pytest.mark.django_db

ACCESS = "/admin/datasync_app/endpointaccess/"
JOURNAL = "/admin/datasync_app/tusharecall/"
RULE = "The limit must be a whole number of calls per minute from 1 to 100,000, or empty."


@pytest.fixture
def staff() -> Client:
    return logged_in("view_endpointaccess", "change_endpointaccess")


def test_staff_set_the_limit_of_an_endpoint_and_nothing_else(staff: Client) -> None:
    access = EndpointAccessFactory.create(learned_limit=95)
    page = f"{ACCESS}{access.pk}/change/"
    assert 'name="set_limit"' in staff.get(page).content.decode()

    staff.post(page, {"set_limit": "120", "learned_limit": "7"})

    access.refresh_from_db()
    assert (access.set_limit, access.learned_limit) == (120, 95)


def test_an_empty_limit_lets_what_was_learned_count_again(staff: Client) -> None:
    access = EndpointAccessFactory.create(set_limit=120)

    staff.post(f"{ACCESS}{access.pk}/change/", {"set_limit": ""})

    access.refresh_from_db()
    assert access.set_limit is None


@pytest.mark.parametrize("limit", ["0", "-5", "100001", "many", "1.5"])
def test_a_bad_limit_is_refused_with_one_sentence(staff: Client, limit: str) -> None:
    access = EndpointAccessFactory.create()

    answer = staff.post(f"{ACCESS}{access.pk}/change/", {"set_limit": limit})

    assert answer.context["adminform"].form.errors == {"set_limit": [RULE]}
    access.refresh_from_db()
    assert access.set_limit is None


def test_who_may_only_look_changes_nothing() -> None:
    access = EndpointAccessFactory.create()
    looker = logged_in("view_endpointaccess")

    assert looker.get(f"{ACCESS}{access.pk}/change/").status_code == 200
    assert looker.post(f"{ACCESS}{access.pk}/change/", {"set_limit": "9"}).status_code == 403


def test_what_was_learned_can_be_forgotten(staff: Client) -> None:
    access = EndpointAccessFactory.create(
        learned_limit=1,
        learned_at=timezone.now(),
        denied_at=timezone.now(),
        held_until=timezone.now(),
        set_limit=30,
    )

    staff.post(ACCESS, {"action": "forget", "_selected_action": [access.pk]})

    access.refresh_from_db()
    assert (access.learned_at, access.denied_at, access.held_until) == (None, None, None)
    assert access.set_limit == 30


def test_a_day_is_summed_up_by_endpoint() -> None:
    at = dt.datetime(2026, 5, 6, 7, 0, 1, tzinfo=dt.UTC)
    late = at.replace(hour=16)  # the next day in Shanghai
    for second, milliseconds in enumerate([100, 200, 300, 400]):
        TushareCallFactory.create(
            at=at + dt.timedelta(seconds=second), duration_ms=milliseconds, rows=10, quota=8
        )
    TushareCallFactory.create(at=at + dt.timedelta(minutes=1), outcome="rate_limited", rows=None)
    TushareCallFactory.create(at=at + dt.timedelta(minutes=2), outcome="transport", rows=None)
    TushareCallFactory.create(at=late)

    next_day, day = CallDay.objects.all()

    assert (day.day, next_day.day) == (dt.date(2026, 5, 6), dt.date(2026, 5, 7))
    assert (day.calls, day.rows, day.refusals, day.failures) == (6, 40, 1, 1)
    assert (day.p50_ms, day.p95_ms, day.quota_used) == (150.0, 375.0, 0.5)


@pytest.mark.parametrize("model", ["endpointaccess", "tushareaccount", "tusharecall", "callday"])
def test_every_page_opens_and_nothing_can_be_added(model: str) -> None:
    EndpointAccessFactory.create()
    TushareCallFactory.create()
    staff = logged_in(superuser=True)

    assert staff.get(f"/admin/datasync_app/{model}/").status_code == 200
    assert staff.get(f"/admin/datasync_app/{model}/add/").status_code == 403


def test_the_journal_is_read_only() -> None:
    call = TushareCallFactory.create()
    staff = logged_in(superuser=True)

    staff.post(f"/admin/datasync_app/tusharecall/{call.pk}/change/", {"rows": "5"})

    assert TushareCall.objects.get().rows == call.rows
    assert EndpointAccess.objects.count() == 0


def test_a_long_journal_is_counted_only_as_far_as_anyone_pages(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(paging, "COUNTED_AT_MOST", 2)
    TushareCallFactory.create_batch(4)
    with CaptureQueriesContext(connection) as queries:
        assert logged_in("view_tusharecall").get(JOURNAL).status_code == 200
    counts = [query["sql"] for query in queries if "COUNT(" in query["sql"].upper()]
    assert len(counts) == 1
    assert "LIMIT 2" in counts[0]


def charts_of(client: Client, path: str) -> list[tuple[str, dict[str, list[int]]]]:
    """Title -> the rows of its data, as the page hands them to the browser."""
    answer = client.get(path)
    assert answer.status_code == 200
    return [
        (chart.title, {each["label"]: each["data"] for each in json.loads(chart.data)["datasets"]})
        for chart in answer.context["charts"]
    ]


def test_the_journal_is_drawn_by_day_and_endpoint() -> None:
    at = dt.datetime(2026, 5, 6, 7, 0, tzinfo=dt.UTC)
    for milliseconds in (100, 300):
        TushareCallFactory.create(at=at, duration_ms=milliseconds)
    TushareCallFactory.create(at=at + dt.timedelta(days=1), outcome="rate_limited", rows=None)
    TushareCallFactory.create(at=at, api_name="adj_factor", duration_ms=50)
    (calls, times) = charts_of(logged_in("view_callday"), "/admin/datasync_app/callday/")
    assert calls == (
        "Calls by day",
        {"daily": [2, 1], "adj_factor": [1, 0], "refused": [0, 1]},
    )
    assert times[1]["daily p50"] == [200, 100]
    assert times[1]["daily p95"] == [290, 100]
    assert times[1]["adj_factor p95"] == [50, None]


def test_more_endpoints_than_a_chart_shows_are_summed_up() -> None:
    for number in range(9):
        TushareCallFactory.create_batch(10 - number, api_name=f"api_{number}")
    (calls, times) = charts_of(logged_in("view_callday"), "/admin/datasync_app/callday/")
    assert calls[1]["others"] == [4 + 3 + 2]
    assert len(times[1]) == 6


def test_limits_are_drawn_and_nothing_where_nothing_is_known() -> None:
    client = logged_in("view_endpointaccess")
    EndpointAccessFactory.create(api_name="suspend_d")
    assert charts_of(client, ACCESS) == []
    EndpointAccessFactory.create(api_name="daily", set_limit=100, learned_limit=195)
    ((_title, limits),) = charts_of(client, ACCESS)
    assert limits == {"set by staff": [100], "learned": [195], "stated by a refusal": [None]}


def test_a_list_with_charts_asks_no_more_for_more_rows(
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    client = logged_in("view_callday")
    for size in (2, 8):
        for number in range(size):
            TushareCallFactory.create(api_name=f"api_{size}_{number}")
        with django_assert_max_num_queries(10):
            client.get("/admin/datasync_app/callday/")
