"""Which limit holds, and what refusals teach: pure, on any clock."""

from __future__ import annotations

import dataclasses
import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datasync_app.tushare.access import Access, Denial, LimitRules, Spent, calls_for_points
from datasync_app.tushare.outcomes import DenialKind, RateUnit

NOW = dt.datetime(2026, 5, 6, 7, tzinfo=dt.UTC)
WINDOW = dt.timedelta(minutes=1)
KNOWN = Access(NOW, stated_limit=400, learned_limit=192, learned_at=NOW, raised_at=NOW + WINDOW)


@pytest.mark.parametrize(
    ("points", "calls"), [(120, 45), (1999, 45), (2000, 195), (5000, 490), (10_000, 980)]
)
def test_it_knows_what_an_account_may_call(points: int, calls: int) -> None:
    assert calls_for_points(points) == calls


@pytest.mark.parametrize(
    ("rules", "access", "limit"),
    [
        (LimitRules(), Access(NOW), 195),
        (LimitRules(), Access(NOW, points_asked_at=NOW - 0.9 * WINDOW), 45),
        (LimitRules(), Access(NOW, points_asked_at=NOW - WINDOW), 195),
        (LimitRules(), Access(NOW, points=5000, points_asked_at=NOW), 490),
        (LimitRules(), Access(NOW, points=5000), 490),
        (LimitRules(), dataclasses.replace(KNOWN, points=120), 192),
        (LimitRules(), dataclasses.replace(KNOWN, set_limit=300), 300),
        (LimitRules(30), dataclasses.replace(KNOWN, set_limit=300, points=5000), 30),
        (LimitRules(250), KNOWN, 192),
        (LimitRules(share=0.5), Access(NOW, points=2000), 97),
        (LimitRules(share=0.25), KNOWN, 100),
        (LimitRules(share=0.5), dataclasses.replace(KNOWN, learned_limit=95), 95),
        (LimitRules(share=0.01), Access(NOW, points=120), 1),
    ],
)
def test_setting_staff_refusals_and_points_decide_in_this_order(
    rules: LimitRules, access: Access, limit: int
) -> None:
    assert rules.in_force(access) == limit


def test_what_was_learned_is_forgotten() -> None:
    rules = LimitRules(learned_lasts=dt.timedelta(days=7))
    later = dataclasses.replace(KNOWN, now=NOW + dt.timedelta(days=7))

    assert rules.in_force(dataclasses.replace(later, now=later.now - WINDOW)) == 192
    assert rules.in_force(later) == 195


@pytest.mark.parametrize(
    ("stated", "had", "learned"),
    [
        (400, 203, 192),  # on record: refused at a measured 203 against a stated 400
        (50, 51, 47),
        (100, 195, 95),
        (None, 100, 95),
        (200, 1, 48),  # others had made the calls: no reason to crawl
        (1, 1, 1),
    ],
)
def test_a_refusal_teaches_the_smaller_of_what_it_states_and_what_we_had(
    stated: int | None, had: int, learned: int
) -> None:
    assert LimitRules().learned(Access(NOW), stated, had) == learned


def test_a_clean_window_raises_the_limit_by_five_percent() -> None:
    rules = LimitRules()

    assert rules.raised(dataclasses.replace(KNOWN, now=NOW + 1.9 * WINDOW)) is None
    assert rules.raised(dataclasses.replace(KNOWN, now=NOW + 2 * WINDOW)) == 202


def test_a_moment_from_before_the_clock_was_set_back_says_nothing() -> None:
    """Set back by two days, when a denial, a used-up day and a lesson were an hour old."""
    denial = Denial(DenialKind.PERMISSION, 40203, "没有接口访问权限", NOW)
    spent = Spent(NOW + dt.timedelta(hours=5), 5, RateUnit.DAY, 40203, "每天最多访问")
    access = dataclasses.replace(KNOWN, denial=denial, spent=spent)
    back = dataclasses.replace(access, now=NOW - dt.timedelta(days=2))
    rules = LimitRules()

    assert access.denial_in_force() and access.spent_in_force() and rules.taught_lately(access)
    assert rules.raised(access) is None
    assert not back.denial_in_force()
    assert not back.spent_in_force()
    assert not rules.taught_lately(back)
    assert rules.raised(back) == 202


def test_a_clock_that_is_corrected_by_a_second_makes_nothing_forget() -> None:
    access = Access(
        NOW - dt.timedelta(seconds=1),
        denial=Denial(DenialKind.IP, 40204, "", NOW),
        spent=Spent(NOW + dt.timedelta(hours=1), 1, RateUnit.HOUR, 40203, ""),
    )
    assert access.denial_in_force() and access.spent_in_force()


@given(
    stated=st.none() | st.integers(1, 1200),
    had=st.integers(1, 1200),
    points=st.sampled_from([None, 120, 2000, 10_000]),
)
def test_a_limit_falls_at_a_refusal_and_climbs_back_to_the_stated_one_at_most(
    stated: int | None, had: int, points: int | None
) -> None:
    rules = LimitRules()
    access = Access(NOW, points=points)
    learned = rules.learned(access, stated, had)
    ceiling = stated or rules.in_force(access)
    assert 1 <= learned <= max(1, ceiling)

    access = dataclasses.replace(
        access, stated_limit=stated, learned_limit=learned, learned_at=NOW, raised_at=NOW
    )
    for _ in range(200):
        access = dataclasses.replace(access, now=access.now + WINDOW)
        higher = rules.raised(access)
        if higher is None:
            break
        assert access.learned_limit is not None
        assert access.learned_limit < higher <= ceiling
        access = dataclasses.replace(access, learned_limit=higher, raised_at=access.now)
    assert access.learned_limit == ceiling
