from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datasync_app.sandbox.faults import FAULTS, FaultPlan
from datasync_app.sandbox.protocol import SandboxProblem
from datasync_app.sandbox.replay import ReplayMarket
from datasync_app.sandbox.server import Sandbox
from tests.datasync_app.sandbox.conftest import Ask


@pytest.mark.parametrize(("fault", "status"), [("http_502", 502), ("http_500", 500), ("html", 200)])
def test_it_answers_with_a_page(small: ReplayMarket, ask: Ask, fault: str, status: int) -> None:
    with Sandbox(small, faults={fault: 1}) as sandbox:
        answer = ask(sandbox, "daily")

        assert (sandbox.served, sandbox.faulted) == ({}, {fault: 1})
    assert answer.status_code == status
    assert answer.headers["Content-Type"] == "text/html"
    assert answer.content.startswith(b"<html>")


def test_it_hides_the_rows(small: ReplayMarket, ask: Ask) -> None:
    with Sandbox(small, faults={"empty": 1}) as sandbox:
        answer = ask(sandbox, "daily").json()

    assert answer["code"] == 0
    assert answer["data"]["fields"] == ["ts_code", "trade_date", "close", "vol"]
    assert answer["data"]["items"] == []


@pytest.mark.parametrize(
    ("fault", "words"),
    [("permission", "没有接口(daily)访问权限"), ("rate_minute", "频率超限(200次/分钟)")],
)
def test_it_refuses_without_a_reason(small: ReplayMarket, ask: Ask, fault: str, words: str) -> None:
    with Sandbox(small, faults={fault: 1}) as sandbox:
        answer = ask(sandbox, "daily").json()

    assert (answer["code"], answer["data"]) == (40203, None)
    assert words in answer["msg"]


def test_it_follows_a_script(small: ReplayMarket, ask: Ask) -> None:
    with Sandbox(small) as sandbox:
        sandbox.faults.script(["http_502", None, "http_500"])
        statuses = [ask(sandbox, "daily").status_code for _ in range(4)]

    assert statuses == [502, 200, 500, 200]


def test_it_can_be_switched_while_it_runs(small: ReplayMarket, ask: Ask) -> None:
    with Sandbox(small, faults={"http_502": 1}) as sandbox:
        before = ask(sandbox, "daily").status_code
        sandbox.faults.set_rates({})

        assert (before, ask(sandbox, "daily").status_code) == (502, 200)


def test_it_spoils_the_share_it_was_told() -> None:
    plan = FaultPlan({"http_502": 0.2, "empty": 0.05}, seed=3)
    names = [fault.name if fault else None for fault in (plan.next() for _ in range(4000))]

    assert 700 < names.count("http_502") < 900
    assert 150 < names.count("empty") < 250


@given(seed=st.integers(0, 2**63 - 1), rate=st.floats(0, 1))
def test_it_spoils_the_same_calls_for_the_same_seed(seed: int, rate: float) -> None:
    one, other = (FaultPlan({"html": rate}, seed) for _ in range(2))

    assert [one.next() for _ in range(20)] == [other.next() for _ in range(20)]


@pytest.mark.parametrize(
    ("rates", "sentence"),
    [
        ({"http_503": 0.1}, "There is no fault 'http_503'; known are "),
        ({"html": 1.5}, "The rate of fault html is 1.5; it must be 0 to 1."),
        ({"html": -0.1}, "The rate of fault html is -0.1; it must be 0 to 1."),
        ({"html": float("nan")}, "The rate of fault html is nan; it must be 0 to 1."),
        (
            {"html": 0.6, "empty": 0.6},
            "The fault rates add up to 1.2; together they may be 1 at most.",
        ),
    ],
)
def test_it_explains_what_cannot_be(rates: dict[str, float], sentence: str) -> None:
    with pytest.raises(SandboxProblem) as problem:
        FaultPlan(rates)

    assert str(problem.value).startswith(sentence)


def test_it_describes_every_fault() -> None:
    assert all(fault.summary and name == fault.name for name, fault in FAULTS.items())
