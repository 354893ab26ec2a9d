from __future__ import annotations

import requests

from datasync_app.sandbox.replay import ReplayMarket
from datasync_app.sandbox.server import Sandbox
from tests.datasync_app.sandbox.conftest import NOW, Ask

TOKEN = "3f9a" * 14


def test_it_tells_what_it_served_refused_and_spoiled(
    small: ReplayMarket, ask: Ask, session: requests.Session
) -> None:
    with Sandbox(small, quota=2, points=5000, clock=lambda: NOW) as sandbox:
        sandbox.faults.script([None, "html", None, None, "html"])
        for api_name in ("daily", "daily", "daily", "moneyflow", "stock_basic", "stock_basic"):
            ask(sandbox, api_name, token=TOKEN)
        answer = session.get(f"{sandbox.url}/status", timeout=30)

    assert answer.json() == {
        "source": "replay:small",
        "points": 5000,
        "now": "2026-03-16T20:00:00+08:00",
        "served": {"daily": 1, "stock_basic": 1},
        "refused": {"daily": {"rate": 1}, "moneyflow": {"permission": 1}},
        "faults": {"daily": {"html": 1}, "stock_basic": {"html": 1}},
    }
    assert TOKEN not in answer.text


def test_asking_for_the_status_is_no_call(small: ReplayMarket, session: requests.Session) -> None:
    with Sandbox(small, faults={"html": 1}) as sandbox:
        answers = [session.get(f"{sandbox.url}/status", timeout=30).json() for _ in range(2)]

        assert sandbox.requests == []
    assert answers[0]["served"] == answers[1]["served"] == {}


def test_there_is_nothing_else_to_get(small: ReplayMarket, session: requests.Session) -> None:
    with Sandbox(small) as sandbox:
        assert session.get(f"{sandbox.url}/daily", timeout=30).status_code == 404
