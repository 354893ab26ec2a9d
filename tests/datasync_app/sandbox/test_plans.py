from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Callable, Iterator

import pytest
import requests
from hypothesis import given, settings
from hypothesis import strategies as st

from datasync_app.dates import SHANGHAI
from datasync_app.protocol import Rows
from datasync_app.sandbox.clock import MovableClock
from datasync_app.sandbox.market import GeneratedMarket
from datasync_app.sandbox.protocol import SandboxProblem
from datasync_app.sandbox.publication_plan import EVERY_DATE, PublicationPlan
from datasync_app.sandbox.restatement_plan import RestatementPlan
from datasync_app.sandbox.server import Sandbox
from tests.datasync_app.sandbox.conftest import Ask

DATE, BEFORE = "20260316", "20260313"
NINE = dt.datetime(2026, 3, 16, 21, tzinfo=SHANGHAI)


def at(hour: int, minute: int = 0) -> dt.datetime:
    return dt.datetime(2026, 3, 16, hour, minute, tzinfo=SHANGHAI)


class Hands:
    """A clock that stands where it is put."""

    now = NINE

    def __call__(self) -> dt.datetime:
        return self.now


@pytest.fixture
def hands() -> Hands:
    return Hands()


@pytest.fixture
def sandbox(hands: Hands) -> Iterator[Sandbox]:
    """Three hundred companies, seen by the hands of the clock."""
    with Sandbox(GeneratedMarket(1, hands, companies=300), clock=hands, points=6000) as sandbox:
        yield sandbox


@pytest.fixture
def told(sandbox: Sandbox, ask: Ask) -> Callable[..., Rows]:
    def items(api_name: str, **params: str) -> Rows:
        rows: Rows = ask(sandbox, api_name, **params).json()["data"]["items"]
        return rows

    return items


def codes(rows: Rows) -> set[str]:
    return {str(row[0]) for row in rows}


def test_it_publishes_a_part_first_and_the_rest_later(
    sandbox: Sandbox, hands: Hands, told: Callable[..., Rows]
) -> None:
    steps = ((dt.time(18, 40), 0.6), (dt.time(19, 20), 1.0))
    sandbox.publication.script("daily_basic", DATE, *steps)
    seen = []
    for hands.now in (at(18, 39), at(18, 40), at(19, 19), at(19, 20)):
        seen.append(told("daily_basic", trade_date=DATE))
    whole = [row[:-1] for row in sandbox.truth("daily_basic", trade_date=DATE)[1]]

    assert seen[0] == []
    assert 0.5 < len(seen[1]) / len(whole) < 0.7
    assert seen[2] == seen[1]
    assert seen[3] == whole
    assert told("daily_basic", trade_date=BEFORE)


def test_it_holds_the_same_rows_back_by_code_and_by_date(
    sandbox: Sandbox, told: Callable[..., Rows]
) -> None:
    sandbox.publication.script("daily", DATE, (dt.time(16), 0.5))
    out = codes(told("daily", trade_date=DATE))
    whole = codes(sandbox.truth("daily", trade_date=DATE)[1])
    one_in, one_out = sorted(map(str, out))[0], sorted(map(str, whole - out))[0]

    assert told("daily", ts_code=one_in, start_date=BEFORE)[0][1] == DATE
    assert told("daily", ts_code=one_out, start_date=BEFORE)[0][1] == BEFORE


def test_it_may_publish_on_a_later_day_or_every_day_late(
    sandbox: Sandbox, hands: Hands, told: Callable[..., Rows]
) -> None:
    sandbox.publication.script("daily", EVERY_DATE, (dt.time(22), 1.0))
    sandbox.publication.script("daily", BEFORE, (at(20, 30), 1.0))

    assert told("daily", trade_date=DATE) == []
    assert told("daily", trade_date=BEFORE)
    hands.now = at(20)
    assert told("daily", trade_date=BEFORE) == []
    hands.now = at(22)
    assert told("daily", trade_date=DATE)


def test_it_drops_codes_from_the_first_answer_of_a_date(
    sandbox: Sandbox, told: Callable[..., Rows]
) -> None:
    sandbox.publication.drop("daily", DATE, 15)
    other = told("daily", trade_date=BEFORE)
    first, second = told("daily", trade_date=DATE), told("daily", trade_date=DATE)

    assert len(codes(second) - codes(first)) == 15
    assert sandbox.publication.dropped("daily", DATE) == sorted(codes(second) - codes(first))
    assert codes(second) == codes(sandbox.truth("daily", trade_date=DATE)[1])
    assert codes(other) == codes(sandbox.truth("daily", trade_date=BEFORE)[1])


def test_it_drops_named_codes_as_often_as_told(sandbox: Sandbox, told: Callable[..., Rows]) -> None:
    whole = told("adj_factor", trade_date=DATE)
    lost = {str(row[0]) for row in whole[:2]}
    sandbox.publication.drop("adj_factor", DATE, lost, answers=2)
    counts = [len(told("adj_factor", trade_date=DATE)) for _ in range(3)]

    assert counts == [len(whole) - 2, len(whole) - 2, len(whole)]
    assert sandbox.publication.dropped("adj_factor", DATE) == sorted(lost)


@settings(max_examples=20, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=2, max_size=4))
def test_it_never_takes_rows_back_while_shares_grow(shares: list[float]) -> None:
    plan = PublicationPlan(3)
    plan.script("daily", DATE, *((dt.time(16 + n), s) for n, s in enumerate(sorted(shares))))
    rows: Rows = [[f"{n:06}.SZ", DATE] for n in range(50)]
    seen = [
        codes(plan.shown("daily", ("ts_code", "trade_date"), rows, at(16 + n)))
        for n in range(len(shares))
    ]

    assert all(before <= after for before, after in itertools.pairwise(seen))


def test_it_leaves_rows_without_a_date_alone() -> None:
    plan = PublicationPlan()
    plan.script("stock_basic", DATE, (dt.time(9), 0.0))
    rows: Rows = [["000001.SZ", "A"]]

    assert plan.shown("stock_basic", ("ts_code", "name"), rows, NINE) is rows


def test_it_restates_from_a_moment_on_and_tells_what(
    sandbox: Sandbox, hands: Hands, told: Callable[..., Rows]
) -> None:
    sandbox.restatements.restate("adj_factor", 0.05, since=at(18))
    hands.now = at(17, 59)
    before = told("adj_factor", trade_date=DATE)
    early = sandbox.restated("adj_factor", trade_date=DATE)
    hands.now = at(18)
    after = told("adj_factor", trade_date=DATE)
    listed = sandbox.restated("adj_factor", trade_date=DATE)
    differing = [(b, a) for b, a in zip(before, after, strict=True) if b != a]

    assert early == []
    assert 3 < len(listed) < 40
    assert [(r.ts_code, r.date, r.before, r.after) for r in listed] == [
        (b[0], b[1], b[2], a[2]) for b, a in differing
    ]
    assert all(abs(r.after / r.before - 1) > 1e-3 for r in listed)
    assert after == sandbox.truth("adj_factor", trade_date=DATE)[1]


def test_it_restates_prices_that_still_make_sense(
    sandbox: Sandbox, told: Callable[..., Rows]
) -> None:
    sandbox.restatements.restate("daily", 0.5, since=at(18), first=DATE, last=DATE)
    listed = sandbox.restated("daily", start_date=BEFORE)

    assert {(r.column, r.date) for r in listed} == {("open", DATE)}
    assert len(listed) > 50
    for row in told("daily", trade_date=DATE):
        _, _, open_, high, low = row[:5]
        assert isinstance(open_, float) and isinstance(high, float) and isinstance(low, float)
        assert low <= open_ <= high


def test_it_restates_by_so_little_that_it_looks_like_rounding(sandbox: Sandbox) -> None:
    sandbox.restatements.restate("adj_factor", 1.0, since=at(18), size=0.0004)
    listed = sandbox.restated("adj_factor", trade_date=DATE)

    assert listed
    assert all(abs(r.after / r.before - 1) < 1e-3 for r in listed)


def test_it_restates_twice_where_two_moments_have_passed(sandbox: Sandbox, hands: Hands) -> None:
    sandbox.restatements.restate("daily_basic", 1.0, since=at(18))
    sandbox.restatements.restate("daily_basic", 1.0, since=at(19))
    hands.now = at(18, 30)
    once = sandbox.restated("daily_basic", trade_date=DATE)
    hands.now = at(19)
    twice = sandbox.restated("daily_basic", trade_date=DATE)

    assert [r.before for r in once] == [r.before for r in twice]
    assert [r.after for r in once] != [r.after for r in twice]


def test_it_says_what_can_be_planned() -> None:
    with pytest.raises(SandboxProblem, match="trade_cal is never restated; daily, adj_factor,"):
        RestatementPlan().restate("trade_cal", 0.1, since=NINE)
    with pytest.raises(SandboxProblem, match=r"A share of 2 is out of range; it must be 0 to 1\."):
        RestatementPlan().restate("daily", 2, since=NINE)
    with pytest.raises(SandboxProblem, match=r"A share of -1 is out of range"):
        PublicationPlan().script("daily", DATE, (dt.time(9), -1))


def test_it_counts_the_cells_it_served_whole(sandbox: Sandbox, told: Callable[..., Rows]) -> None:
    told("daily", trade_date=DATE)
    told("daily", trade_date=DATE)
    sandbox.faults.script(["partial"])
    told("daily", trade_date=BEFORE)

    assert sandbox.cells == {("daily", (("trade_date", DATE),)): 2}


def test_it_moves_its_clock_when_told(session: requests.Session) -> None:
    clock = MovableClock(at(15, 59))
    market = GeneratedMarket(1, clock, companies=60)
    with Sandbox(market, clock=clock) as sandbox:

        def put(document: object) -> requests.Response:
            return session.put(f"{sandbox.url}/clock", json=document, timeout=30)

        def out() -> int:
            return len(market.rows("daily", {"trade_date": DATE})[1])

        assert out() == 0
        advanced = put({"advance_seconds": 120})
        assert out() > 0
        put({"now": "2026-03-16T15:00"})
        assert out() == 0
        wrong = [put({"now": "noon"}), put([]), put({"advance_seconds": "1"})]
        told = session.get(f"{sandbox.url}/status", timeout=30).json()["now"]

    assert advanced.json()["now"].startswith("2026-03-16T16:0")
    assert [answer.status_code for answer in wrong] == [400, 400, 400]
    assert wrong[0].json()["detail"].startswith("'noon' is no moment from 1991 to 2099;")
    assert told.startswith("2026-03-16T15:00:") and told.endswith("+08:00")


def test_it_has_a_clock_that_cannot_be_moved_unless_given_one(
    sandbox: Sandbox, session: requests.Session
) -> None:
    answer = session.put(f"{sandbox.url}/clock", json={"advance_seconds": 1}, timeout=30)
    elsewhere = session.put(f"{sandbox.url}/status", json={}, timeout=30)

    assert (answer.status_code, answer.json()) == (
        400,
        {"detail": "The clock of this sandbox cannot be moved."},
    )
    assert elsewhere.status_code == 404
