"""The cheapest set of calls for a set of reports."""

from __future__ import annotations

import datetime as dt

from hypothesis import given
from hypothesis import strategies as st

from datasync_app.datasets.periods import report_periods, window_closes
from datasync_app.engine.finance.calls import calls_by_company, cheapest_calls, may_ask_by_period
from datasync_app.engine.finance.expected import Report
from datasync_app.tushare.access import Access, Denial
from datasync_app.tushare.outcomes import DenialKind

PERIODS = report_periods(dt.date(2020, 1, 1), dt.date(2023, 12, 31))
NOW = dt.datetime(2024, 5, 1, tzinfo=dt.UTC)


def report(code: int, period: int) -> Report:
    return Report(f"{600000 + code}.SH", PERIODS[period], window_closes(PERIODS[period]))


some_reports = st.lists(
    st.builds(report, st.integers(0, 8), st.integers(0, 11)), max_size=60, unique=True
)


def test_one_company_is_one_call_for_the_range_of_its_periods() -> None:
    calls = calls_by_company([report(0, 5), report(0, 2), report(0, 9)])
    assert [cell.key for cell in calls.by_company] == ["600000.SH:20210930-20230630"]


def test_a_whole_market_is_asked_for_by_period_where_that_may_be() -> None:
    market = [report(code, period) for period in range(3) for code in range(9)]
    calls = cheapest_calls(market, by_period=True)
    assert [cell.key for cell in calls.by_period] == ["20231231", "20230930", "20230630"]
    assert not calls.by_company
    assert len(cheapest_calls(market, by_period=False)) == 9


def test_a_full_period_and_one_old_company_are_two_calls() -> None:
    market = [report(code, 0) for code in range(9)]
    old = [report(1, period) for period in range(4, 12)]
    calls = cheapest_calls(market + old, by_period=True)
    assert [cell.key for cell in calls.by_period] == ["20231231"]
    assert [cell.key for cell in calls.by_company] == ["600001.SH:20210331-20221231"]


@given(some_reports, st.booleans())
def test_every_report_is_planned_for_once(reports: list[Report], by_period: bool) -> None:
    calls = cheapest_calls(reports, by_period=by_period)
    planned = [wanted for covered in calls.covers.values() for wanted in covered]
    assert sorted(planned, key=lambda r: r.key) == sorted(reports, key=lambda r: r.key)
    made = {cell.key for cell in (*calls.by_period, *calls.by_company)}
    assert made == calls.covers.keys()
    assert by_period or not calls.by_period


@given(some_reports)
def test_the_choice_never_costs_more_than_either_way_alone(reports: list[Report]) -> None:
    cost = len(cheapest_calls(reports, by_period=True))
    assert cost <= len(calls_by_company(reports))
    assert cost <= len({wanted.period for wanted in reports})


def test_whole_periods_are_asked_for_with_the_points_or_where_nobody_knows() -> None:
    assert may_ask_by_period(Access(NOW, points=5000))
    assert may_ask_by_period(Access(NOW))
    assert not may_ask_by_period(Access(NOW, points=2000))
    assert may_ask_by_period(Access(NOW, points=2000, answered_at=NOW))
    denial = Denial(DenialKind.PERMISSION, 40203, "没有接口访问权限", NOW)
    assert not may_ask_by_period(Access(NOW, points=5000, denial=denial))
