"""Completeness is decided on sets of codes."""

from __future__ import annotations

import datetime as dt

from hypothesis import given
from hypothesis import strategies as st

from datasync_app.engine.checks import (
    AGREEMENT_GAP,
    PRESUMED_SUSPENSIONS,
    Earlier,
    Reason,
    Reference,
    judge_codes,
    judge_days,
)
from datasync_app.models import CellState

NOW = dt.datetime(2020, 1, 10, 18, 0, tzinfo=dt.UTC)
MARKET = frozenset(f"{n:06d}.SZ" for n in range(100))
DAY_BEFORE = dt.date(2020, 1, 9)


def some(start: int, count: int) -> frozenset[str]:
    return frozenset(sorted(MARKET)[start : start + count])


def test_a_whole_day_is_complete() -> None:
    verdict = judge_codes(MARKET, MARKET, now=NOW)
    assert (verdict.state, verdict.expected, dict(verdict.missing)) == (CellState.COMPLETE, 100, {})


def test_fifteen_lost_codes_keep_the_cell_partial_and_are_named() -> None:
    lost = some(10, 15)
    reference = Reference(DAY_BEFORE, MARKET, MARKET)
    verdict = judge_codes(MARKET, MARKET - lost, reference=reference, now=NOW)
    assert verdict.state is CellState.PARTIAL
    assert verdict.missing == dict.fromkeys(sorted(lost), Reason.UNEXPLAINED)
    assert all(code in verdict.problem for code in lost)


def test_as_many_rows_as_expected_do_not_hide_lost_codes() -> None:
    lost, strangers = some(0, 15), frozenset(f"{n:06d}.SH" for n in range(15))
    reference = Reference(DAY_BEFORE, MARKET, MARKET)
    verdict = judge_codes(MARKET, (MARKET - lost) | strangers, reference=reference, now=NOW)
    assert verdict.state is CellState.PARTIAL
    assert set(verdict.missing) == lost


def test_a_code_absent_on_the_reference_date_has_its_reason() -> None:
    long_suspended = some(0, 40)
    reference = Reference(DAY_BEFORE, MARKET, MARKET - long_suspended)
    verdict = judge_codes(MARKET, MARKET - long_suspended, reference=reference, now=NOW)
    assert verdict.state is CellState.COMPLETE
    assert set(verdict.missing.values()) == {Reason.ABSENT_ON_REFERENCE}


def test_a_few_newly_absent_codes_are_presumed_suspended() -> None:
    halted = some(0, PRESUMED_SUSPENSIONS)
    reference = Reference(DAY_BEFORE, MARKET, MARKET)
    verdict = judge_codes(MARKET, MARKET - halted, reference=reference, now=NOW)
    assert verdict.state is CellState.COMPLETE
    assert set(verdict.missing.values()) == {Reason.PRESUMED_SUSPENDED}


def test_nothing_is_presumed_without_a_date_to_compare_with() -> None:
    verdict = judge_codes(MARKET, MARKET - some(0, 1), now=NOW)
    assert verdict.state is CellState.PARTIAL


def test_a_code_listed_since_the_reference_date_is_not_explained_by_it() -> None:
    new = some(0, 11)
    reference = Reference(DAY_BEFORE, MARKET - new, MARKET - new)
    verdict = judge_codes(MARKET, MARKET - new, reference=reference, now=NOW)
    assert verdict.state is CellState.PARTIAL


def test_a_paused_listing_is_a_reason() -> None:
    paused = some(0, 12)
    verdict = judge_codes(MARKET, MARKET - paused, paused=paused, now=NOW)
    assert set(verdict.missing.values()) == {Reason.LISTING_PAUSED}
    assert verdict.state is CellState.COMPLETE


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


def test_an_empty_open_day_is_never_complete_however_often_it_is_asked() -> None:
    earlier = Earlier(MARKET, NOW - dt.timedelta(days=9))
    reference = Reference(DAY_BEFORE, MARKET, frozenset())
    verdict = judge_codes(MARKET, frozenset(), reference=reference, earlier=earlier, now=NOW)
    assert verdict.state is CellState.DUE


@given(
    st.sets(st.sampled_from(sorted(MARKET))),
    st.sets(st.sampled_from(sorted(MARKET))),
    st.sets(st.sampled_from(sorted(MARKET))),
)
def test_a_complete_verdict_gives_every_missing_code_a_reason(
    received: set[str], held_before: set[str], paused: set[str]
) -> None:
    reference = Reference(DAY_BEFORE, MARKET, frozenset(held_before))
    verdict = judge_codes(
        MARKET, frozenset(received), reference=reference, paused=frozenset(paused), now=NOW
    )
    if received:
        assert set(verdict.missing) == MARKET - received
    newly_absent = (MARKET - received) & held_before - paused
    if len(newly_absent) > PRESUMED_SUSPENSIONS or not received:
        assert verdict.state is not CellState.COMPLETE
    else:
        assert verdict.state is CellState.COMPLETE


def test_a_calendar_year_with_a_hole_is_not_complete() -> None:
    days = frozenset(dt.date(2020, 1, 1) + dt.timedelta(days=n) for n in range(366))
    verdict = judge_days(days, days - {dt.date(2020, 5, 1)})
    assert verdict.state is CellState.PARTIAL
    assert list(verdict.missing) == ["20200501"]
    assert judge_days(days, days).state is CellState.COMPLETE
    assert judge_days(days, frozenset()).state is CellState.DUE
