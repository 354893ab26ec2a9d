"""Completeness is decided on sets of codes."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datasync_app.engine.checks import (
    AGREEMENT_GAP,
    PRESUMED_SUSPENSIONS,
    Earlier,
    Reason,
    Reference,
    find_disputes,
    judge_codes,
    judge_days,
)
from datasync_app.models import CellState

NOW = dt.datetime(2020, 1, 10, 18, 0, tzinfo=dt.UTC)
MARKET = frozenset(f"{n:06d}.SZ" for n in range(100))
DAY_BEFORE = dt.date(2020, 1, 9)


def never_asked() -> Reference:
    raise AssertionError("no date is needed to compare with")


def some(start: int, count: int) -> frozenset[str]:
    return frozenset(sorted(MARKET)[start : start + count])


def test_a_whole_day_is_complete() -> None:
    verdict = judge_codes(MARKET, MARKET, now=NOW)
    assert (verdict.state, verdict.expected, dict(verdict.missing)) == (CellState.COMPLETE, 100, {})


def test_fifteen_lost_codes_keep_the_cell_partial_and_are_named() -> None:
    lost = some(10, 15)
    reference = Reference(DAY_BEFORE, MARKET, MARKET)
    verdict = judge_codes(MARKET, MARKET - lost, reference=lambda: reference, now=NOW)
    assert verdict.state is CellState.PARTIAL
    assert verdict.missing == dict.fromkeys(sorted(lost), Reason.UNEXPLAINED)
    assert all(code in verdict.problem for code in lost)


def test_as_many_rows_as_expected_do_not_hide_lost_codes() -> None:
    lost, strangers = some(0, 15), frozenset(f"{n:06d}.SH" for n in range(15))
    reference = Reference(DAY_BEFORE, MARKET, MARKET)
    verdict = judge_codes(MARKET, (MARKET - lost) | strangers, reference=lambda: reference, now=NOW)
    assert verdict.state is CellState.PARTIAL
    assert set(verdict.missing) == lost


def test_a_code_absent_on_the_reference_date_has_its_reason() -> None:
    long_suspended = some(0, 40)
    reference = Reference(DAY_BEFORE, MARKET, MARKET - long_suspended)
    verdict = judge_codes(MARKET, MARKET - long_suspended, reference=lambda: reference, now=NOW)
    assert verdict.state is CellState.COMPLETE
    assert set(verdict.missing.values()) == {Reason.ABSENT_ON_REFERENCE}


def test_a_few_newly_absent_codes_are_presumed_suspended() -> None:
    halted = some(0, PRESUMED_SUSPENSIONS)
    reference = Reference(DAY_BEFORE, MARKET, MARKET)
    verdict = judge_codes(
        MARKET, MARKET - halted, reference=lambda: reference, presume=True, now=NOW
    )
    assert verdict.state is CellState.COMPLETE
    assert set(verdict.missing.values()) == {Reason.PRESUMED_SUSPENDED}


def test_nothing_is_presumed_where_suspensions_may_be_asked_for() -> None:
    reference = Reference(DAY_BEFORE, MARKET, MARKET)
    verdict = judge_codes(MARKET, MARKET - some(0, 1), reference=lambda: reference, now=NOW)
    assert verdict.state is CellState.PARTIAL


def test_nothing_is_presumed_without_a_date_to_compare_with() -> None:
    verdict = judge_codes(MARKET, MARKET - some(0, 1), presume=True, now=NOW)
    assert verdict.state is CellState.PARTIAL


def test_a_code_listed_since_the_reference_date_is_not_explained_by_it() -> None:
    new = some(0, 11)
    reference = Reference(DAY_BEFORE, MARKET - new, MARKET - new)
    verdict = judge_codes(MARKET, MARKET - new, reference=lambda: reference, now=NOW)
    assert verdict.state is CellState.PARTIAL


@pytest.mark.parametrize(
    "reason",
    [
        Reason.SUSPENDED,
        Reason.RENUMBERED,
        Reason.BEFORE_EXCHANGE,
        Reason.LISTING_PAUSED,
    ],
)
def test_what_the_database_knows_is_a_reason_and_needs_no_other_date(reason: Reason) -> None:
    lost = some(0, 12)
    verdict = judge_codes(
        MARKET, MARKET - lost, known=dict.fromkeys(lost, reason), reference=never_asked, now=NOW
    )
    assert set(verdict.missing.values()) == {reason}
    assert verdict.state is CellState.COMPLETE


def test_a_known_reason_of_a_code_that_came_is_no_absence() -> None:
    known = dict.fromkeys(some(0, 5), Reason.SUSPENDED)
    assert not judge_codes(MARKET, MARKET, known=known, now=NOW).missing


def test_two_fetches_half_an_hour_apart_that_agree_close_the_cell() -> None:
    lost = some(0, 15)
    earlier = Earlier(lost, NOW - AGREEMENT_GAP)
    verdict = judge_codes(MARKET, MARKET - lost, earlier=earlier, now=NOW)
    assert verdict.state is CellState.COMPLETE
    assert set(verdict.missing.values()) == {Reason.AGREED}


def test_two_fetches_close_together_or_with_different_codes_prove_nothing() -> None:
    lost = some(0, 15)
    too_soon = Earlier(lost, NOW - AGREEMENT_GAP + dt.timedelta(seconds=1))
    another = Earlier(some(1, 15), NOW - dt.timedelta(days=1))
    for earlier in (too_soon, another):
        verdict = judge_codes(MARKET, MARKET - lost, earlier=earlier, now=NOW)
        assert verdict.state is CellState.PARTIAL


def test_what_two_fetches_agreed_on_stays_settled_when_other_codes_arrive() -> None:
    earlier = Earlier(some(0, 15), NOW - dt.timedelta(days=1), settled=some(0, 2))
    verdict = judge_codes(MARKET, MARKET - some(0, 2), earlier=earlier, now=NOW)
    assert verdict.state is CellState.COMPLETE
    assert verdict.missing == dict.fromkeys(some(0, 2), Reason.AGREED)
    lost_more = judge_codes(MARKET, MARKET - some(0, 3), earlier=earlier, now=NOW)
    assert lost_more.state is CellState.PARTIAL
    assert lost_more.missing["000002.SZ"] == Reason.UNEXPLAINED


def test_an_empty_open_day_is_never_complete_however_often_it_is_asked() -> None:
    earlier = Earlier(MARKET, NOW - dt.timedelta(days=9))
    reference = Reference(DAY_BEFORE, MARKET, frozenset())
    verdict = judge_codes(
        MARKET, frozenset(), reference=lambda: reference, earlier=earlier, now=NOW
    )
    assert verdict.state is CellState.DUE


codes = st.frozensets(st.sampled_from(sorted(MARKET)))


@given(codes, codes, codes, st.booleans())
def test_a_complete_verdict_gives_every_missing_code_a_reason(
    received: frozenset[str], held_before: frozenset[str], known: frozenset[str], presume: bool
) -> None:
    reference = Reference(DAY_BEFORE, MARKET, held_before)
    verdict = judge_codes(
        MARKET,
        received,
        known=dict.fromkeys(known, Reason.SUSPENDED),
        reference=lambda: reference,
        presume=presume,
        now=NOW,
    )
    if received:
        assert set(verdict.missing) == MARKET - received
    newly_absent = (MARKET - received) & held_before - known
    most = PRESUMED_SUSPENSIONS if presume else 0
    complete = bool(received) and len(newly_absent) <= most
    assert (verdict.state is CellState.COMPLETE) == complete
    if received and not complete:
        unexplained = {code for code, why in verdict.missing.items() if why == Reason.UNEXPLAINED}
        assert unexplained == newly_absent


@given(codes, codes, codes, codes)
def test_a_dispute_is_what_a_sister_holds_and_this_one_lacks_without_an_excuse(
    held: frozenset[str], first: frozenset[str], second: frozenset[str], excused: frozenset[str]
) -> None:
    disputes = find_disputes(held, {"daily_basic": first, "adj_factor": second}, excused=excused)
    assert disputes.keys() == (first | second) - held - excused
    for code, sisters in disputes.items():
        assert sisters == [
            name
            for name, of_sister in (("adj_factor", second), ("daily_basic", first))
            if code in of_sister
        ]


def test_an_index_year_is_whole_when_two_fetches_lack_the_same_first_days() -> None:
    days = frozenset(dt.date(2005, 1, 3) + dt.timedelta(days=n) for n in range(5))
    lacking = frozenset({"20050103"})
    first = judge_days(days, days - {dt.date(2005, 1, 3)}, now=NOW)
    assert first.state is CellState.PARTIAL
    assert first.missing.keys() == lacking
    earlier = Earlier(lacking, NOW - AGREEMENT_GAP)
    again = judge_days(days, days - {dt.date(2005, 1, 3)}, earlier=earlier, now=NOW)
    assert (again.state, dict(again.missing)) == (CellState.COMPLETE, {"20050103": Reason.AGREED})


def test_a_calendar_year_with_a_hole_is_not_complete() -> None:
    days = frozenset(dt.date(2020, 1, 1) + dt.timedelta(days=n) for n in range(366))
    verdict = judge_days(days, days - {dt.date(2020, 5, 1)})
    assert verdict.state is CellState.PARTIAL
    assert list(verdict.missing) == ["20200501"]
    assert judge_days(days, days).state is CellState.COMPLETE
    assert judge_days(days, frozenset()).state is CellState.DUE
