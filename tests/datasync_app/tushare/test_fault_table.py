"""Every fault of the sandbox against the client as the engine calls it, over real HTTP.

Each call has a client, a token and limits of its own: what one refusal teaches must not keep the
next call from being made.
"""

from __future__ import annotations

import datetime as dt
import random
import secrets
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from datasync_app.datasets import DAILY, STOCK_BASIC
from datasync_app.datasets.base import Cell, Dataset
from datasync_app.dates import show_date
from datasync_app.protocol import ENDPOINTS, Refusal, Rows, no_permission
from datasync_app.sandbox.faults import FAULTS, Outcome
from datasync_app.sandbox.server import Sandbox
from datasync_app.tushare.client import TushareClient
from datasync_app.tushare.limits import EndpointLimiters
from datasync_app.tushare.outcomes import (
    Answer,
    AnswerKind,
    Denied,
    Mismatched,
    RateLimited,
    TransportFailure,
    TushareError,
)
from tests.datasync_app.tushare.virtual_clock import VirtualClock

CALLS = 12
SOAK_CALLS = 1000
THREADS = 4
# A stalled or dripping answer is given up on after so long; the others may take their time.
SHORT, LONG = 0.05, 30.0
NAME = "平安银行"
ENDS: Mapping[Outcome, type[TushareError] | AnswerKind] = {
    Outcome.ROWS: AnswerKind.ROWS,
    Outcome.EMPTY: AnswerKind.EMPTY,
    Outcome.TRUNCATED: AnswerKind.TRUNCATED,
    Outcome.RATE_LIMITED: RateLimited,
    Outcome.DENIED: Denied,
    Outcome.MISMATCHED: Mismatched,
    Outcome.TRANSPORT: TransportFailure,
}
# Nothing in their answers tells: the ledger's comparison of codes finds them.
SILENT = frozenset({"partial", "empty"})
TOLD = sorted(set(FAULTS) - SILENT)


class SmallMarket:
    """Three companies on any day that is asked for."""

    identity = "replay:small-market"

    def serves(self, api_name: str) -> bool:
        return api_name in {DAILY.name, STOCK_BASIC.name}

    def refuse(self, api_name: str) -> Refusal:
        return no_permission(api_name)

    def default_fields(self, api_name: str) -> tuple[str, ...]:
        return self.rows(api_name, {})[0]

    def rows(self, api_name: str, params: Mapping[str, str]) -> tuple[tuple[str, ...], Rows]:
        dataset = {DAILY.name: DAILY, STOCK_BASIC.name: STOCK_BASIC}[api_name]
        known = {"name": NAME, "list_status": "L", **params}
        rows: Rows = [
            [code if name == "ts_code" else known.get(name, 9.21) for name in dataset.field_names]
            for code in ("000001.SZ", "600000.SH", "920002.BJ")
        ]
        return dataset.field_names, rows


MARKET = SmallMarket()


def any_cell(random_: random.Random) -> Cell:
    day = dt.date(2010, 1, 1) + dt.timedelta(days=random_.randrange(5000))
    return Cell(show_date(day), day)


def outcome_of(
    sandbox: Sandbox, dataset: Dataset, cell: Cell, call_timeout: float = LONG
) -> Answer | TushareError:
    """One cell's call as the engine makes it; waits pass at once."""
    clock = VirtualClock()
    client = TushareClient(
        secrets.token_hex(28),
        sandbox.url,
        limiters=EndpointLimiters(clock=clock, sleep=clock.sleep),
        clock=clock,
        sleep=clock.sleep,
        call_timeout=call_timeout,
    )
    with closing(client):
        try:
            return client.fetch(
                dataset.name,
                dataset.cut.params(cell),
                dataset.field_names,
                row_cap=dataset.row_cap,
                required=dataset.required_names,
                expect=dataset.cut.belongs(cell),
            )
        except TushareError as failure:
            return failure


def kind_of(outcome: Answer | TushareError) -> type[TushareError] | AnswerKind:
    return outcome.kind if isinstance(outcome, Answer) else type(outcome)


def true_rows(cell: Cell) -> Rows:
    return MARKET.rows(DAILY.name, DAILY.cut.params(cell))[1]


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(MARKET, quota=0, seed=3, stall_seconds=2, drip_seconds=0.01) as server:
        yield server


def call_under(
    sandbox: Sandbox, faults: Mapping[str, float], calls: int, call_timeout: float
) -> Counter[type[TushareError] | AnswerKind]:
    """So many calls of random days; rows are checked to be the right ones."""
    sandbox.faults.set_rates(faults)
    random_ = random.Random(7)
    cells = [any_cell(random_) for _ in range(calls)]
    with ThreadPoolExecutor(THREADS) as pool:
        outcomes = pool.map(lambda cell: outcome_of(sandbox, DAILY, cell, call_timeout), cells)
    kinds: Counter[type[TushareError] | AnswerKind] = Counter()
    for cell, outcome in zip(cells, outcomes, strict=True):
        kinds[kind_of(outcome)] += 1
        if isinstance(outcome, Answer) and outcome.kind is AnswerKind.ROWS:
            wrong = [row for row in outcome.items if row not in true_rows(cell)]
            assert not wrong
            assert "partial" in faults or len(outcome.items) == 3
    return kinds


def patience(fault: str) -> float:
    return SHORT if fault in {"stall", "slow_drip"} else LONG


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_ends_in_its_documented_outcome(sandbox: Sandbox, fault: str) -> None:
    kinds = call_under(sandbox, {fault: 1}, CALLS, patience(fault))

    assert kinds == {ENDS[FAULTS[fault].ends_in]: CALLS}
    assert (sandbox.served, set(sandbox.faulted)) == ({}, {fault})


@pytest.mark.soak
@pytest.mark.timeout(600)
@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_ends_so_a_thousand_times(sandbox: Sandbox, fault: str) -> None:
    kinds = call_under(sandbox, {fault: 1}, SOAK_CALLS, patience(fault))

    assert kinds == {ENDS[FAULTS[fault].ends_in]: SOAK_CALLS}


@pytest.mark.soak
@pytest.mark.timeout(600)
@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_amid_good_answers_ends_in_itself_or_in_the_rows(
    sandbox: Sandbox, fault: str
) -> None:
    ends = ENDS[FAULTS[fault].ends_in]
    kinds = call_under(sandbox, {fault: 0.5}, SOAK_CALLS, patience(fault))

    assert set(kinds) <= {ends, AnswerKind.ROWS}
    assert set(sandbox.faulted) == {fault}
    assert kinds[AnswerKind.EMPTY] == sandbox.faulted["empty"]
    if patience(fault) == LONG:  # else a good answer may come too late to be one
        harmless = sandbox.faulted[fault] if ends is AnswerKind.ROWS else 0
        assert kinds[AnswerKind.ROWS] == sandbox.served[DAILY.name] + harmless


@pytest.mark.parametrize(
    "calls", [250, pytest.param(SOAK_CALLS, marks=[pytest.mark.soak, pytest.mark.timeout(600)])]
)
def test_no_mixture_of_faults_looks_like_data(sandbox: Sandbox, calls: int) -> None:
    # Equal shares, and one in ten answers is good. Stalls would only make it slow.
    mixed = [name for name in TOLD if name not in {"stall", "slow_drip"}]
    kinds = call_under(sandbox, dict.fromkeys(mixed, 0.9 / len(mixed)), calls, LONG)

    assert set(kinds) == {ENDS[FAULTS[name].ends_in] for name in mixed}
    assert AnswerKind.EMPTY not in kinds
    harmless = sandbox.faulted["charset"] + sandbox.faulted["charset_wrong"]
    assert kinds[AnswerKind.ROWS] == sandbox.served[DAILY.name] + harmless


@pytest.mark.parametrize("fault", ["charset", "charset_wrong"])
def test_it_reads_chinese_whatever_the_label_says(sandbox: Sandbox, fault: str) -> None:
    sandbox.faults.set_rates({fault: 1})
    answer = outcome_of(sandbox, STOCK_BASIC, Cell("L"))

    assert isinstance(answer, Answer)
    assert {row[answer.fields.index("name")] for row in answer.items} == {NAME}


@pytest.mark.parametrize("dataset", [DAILY, STOCK_BASIC], ids=lambda dataset: dataset.name)
def test_the_sandbox_and_the_declaration_agree_on_the_cap(dataset: Dataset) -> None:
    assert ENDPOINTS[dataset.name].row_cap == dataset.row_cap
