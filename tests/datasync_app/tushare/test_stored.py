"""What clients made from the settings know and write down, across clients and processes."""

from __future__ import annotations

import datetime as dt
import json
import logging
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from typing import Any

import pytest
from django.db.models import F
from pytest_django import Settings

from datasync_app.models import CallSlot, EndpointAccess, TushareAccount, TushareCall
from datasync_app.protocol import Rows
from datasync_app.sandbox.server import Sandbox
from datasync_app.tushare import client as client_module
from datasync_app.tushare import limits
from datasync_app.tushare.access import LimitRules
from datasync_app.tushare.client import TushareClient
from datasync_app.tushare.database import QuotaDatabase, Values
from datasync_app.tushare.from_settings import client_from_settings, current_limit
from datasync_app.tushare.journal import CallJournal, journal_entry, shown_params
from datasync_app.tushare.knowledge import StoredKnowledge
from datasync_app.tushare.limits import account_of
from datasync_app.tushare.outcomes import Denied, RateLimited
from datasync_app.tushare.wire import Call
from tests.datasync_app.tushare.faulty_server import (
    ROWS,
    Behaviour,
    FaultyServer,
    answer,
    refuse,
    reply,
)
from tests.datasync_app.tushare.test_against_sandbox import OneRow
from tests.datasync_app.tushare.virtual_clock import VirtualClock
from tests.waiting import eventually

pytestmark = pytest.mark.django_db(transaction=True)

Connect = Callable[[str], TushareClient]
Serve = Callable[..., FaultyServer]
NOW = dt.datetime(2026, 5, 6, 7, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)


@pytest.fixture
def connect_to(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Connect]:
    """A client from the settings, each as in a process of its own: nothing is known in memory."""
    with ExitStack() as stack:

        def connect(url: str) -> TushareClient:
            settings.TUSHARE_TOKEN, settings.TUSHARE_BASE_URL = "", url
            monkeypatch.setattr(limits, "_stored", {})
            return stack.enter_context(closing(client_from_settings()))

        yield connect


@pytest.fixture
def no_account_call(settings: Settings) -> None:
    settings.TUSHARE_RATE_LIMIT_MAX_CALLS = 100


def let_pass(hours: float) -> None:
    """As if what is known had been learned so long before."""
    past = dt.timedelta(hours=hours)
    for name in ("learned_at", "denied_at", "spent_until", "held_until", "raised_at"):
        EndpointAccess.objects.update(**{name: F(name) - past})
    asked, answered = F("asked_at") - past, F("answered_at") - past
    TushareAccount.objects.update(asked_at=asked, answered_at=answered)
    CallSlot.objects.all().delete()


def test_the_account_is_asked_for_once_a_day_and_decides(connect_to: Connect) -> None:
    with Sandbox(OneRow(), quota=0, points=5000) as sandbox:
        for _ in range(3):
            client = connect_to(sandbox.url)
            client.fetch("daily", {}, [])
            assert client.limiters.for_endpoint("daily").max_calls == 490
        assert sandbox.served["user"] == 1
        assert current_limit("daily") == 490

        let_pass(hours=25)
        connect_to(sandbox.url).fetch("daily", {}, [])
        assert sandbox.served["user"] == 2


def test_the_account_is_not_asked_for_when_the_setting_decides(
    connect_to: Connect, no_account_call: None
) -> None:
    with Sandbox(OneRow(), quota=0) as sandbox:
        connect_to(sandbox.url).fetch("daily", {}, [])
        assert sandbox.served["user"] == 0


NOT_OFFERED = [
    refuse(50101, "查询数据失败，请确认参数！"),
    refuse(40101, "请指定正确的接口名"),
    refuse(40203, "抱歉，您没有接口(user)访问权限"),
    reply(404, b"no such page"),
    answer({"code": 0, "data": {"fields": ["id"], "items": [["1"]]}}),
]


@pytest.mark.parametrize("behaviour", NOT_OFFERED)
def test_a_source_that_does_not_tell_the_points_is_no_error_and_asked_once_a_day(
    connect_to: Connect, serve: Serve, behaviour: Behaviour
) -> None:
    server = serve(behaviour, answer(ROWS))
    for _ in range(2):
        client = connect_to(server.url)
        client.fetch("daily", {}, ["close"])
        assert client.limiters.for_endpoint("daily").max_calls == 195
        let_pass(hours=1)

    assert [path for path, _ in server.requests] == ["/user", "/daily", "/daily"]


def user_answer(points: int, days: int = 300) -> Behaviour:
    expires = dt.datetime.now(dt.UTC).date() + dt.timedelta(days=days)
    fields, item = ["user_id", "到期时间", "到期积分"], ["1", f"{expires}", points]
    return answer({"code": 0, "data": {"fields": fields, "items": [item]}})


def test_points_that_were_not_told_for_a_failure_are_asked_for_again_after_ten_minutes(
    connect_to: Connect, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_module, "TRANSPORT_RETRIES", 0)
    server = serve(reply(502, b""), answer(ROWS), answer(ROWS), user_answer(5000), answer(ROWS))
    client = connect_to(server.url)
    client.fetch("daily", {}, ["close"])
    assert client.limiters.for_endpoint("daily").max_calls == 45
    let_pass(hours=9 / 60)
    client = connect_to(server.url)
    client.fetch("daily", {}, ["close"])
    assert client.limiters.for_endpoint("daily").max_calls == 195
    let_pass(hours=1 / 60)
    client = connect_to(server.url)
    client.fetch("daily", {}, ["close"])

    assert client.limiters.for_endpoint("daily").max_calls == 490
    asked = [path for path, _ in server.requests]
    assert asked == ["/user", "/daily", "/daily", "/user", "/daily"]


def test_a_client_that_lives_on_asks_again_by_itself(
    serve: Serve, clock: VirtualClock, token: str
) -> None:
    server = serve(*[reply(502, b"")] * 3, answer(ROWS), user_answer(5000), answer(ROWS))
    start = dt.datetime(2026, 5, 6, tzinfo=dt.UTC)

    def now() -> dt.datetime:
        return start + dt.timedelta(seconds=clock.now)

    client = TushareClient(
        token, server.url, clock=clock, sleep=clock.sleep, now=now, asks_account=True
    )
    client.fetch("daily", {}, ["close"])
    clock.now += 600
    client.fetch("daily", {}, ["close"])
    client.close()

    assert client.limiters.for_endpoint("daily").max_calls == 490
    assert [path for path, _ in server.requests][3:] == ["/daily", "/user", "/daily"]


def test_while_another_process_asks_for_the_points_the_lowest_tier_counts(
    connect_to: Connect, serve: Serve
) -> None:
    server = serve(answer(ROWS))
    TushareAccount.objects.create(
        token_fingerprint=account_of("sandbox", server.url), asked_at=dt.datetime.now(dt.UTC)
    )
    client = connect_to(server.url)
    client.fetch("daily", {}, ["close"])

    assert client.limiters.for_endpoint("daily").max_calls == 45
    let_pass(hours=61 / 3600)
    assert connect_to(server.url).limiters.for_endpoint("daily").max_calls == 195


@pytest.mark.parametrize(("points", "asks_again"), [(120, False), (2000, True)])
def test_points_told_for_the_first_time_end_denials_unless_they_are_the_fewest(
    connect_to: Connect, serve: Serve, points: int, asks_again: bool
) -> None:
    denied = refuse(40203, "抱歉，您没有接口(stock_basic)访问权限")
    later = refuse(40203, "抱歉，您每小时最多访问该接口1次")
    server = serve(later, denied, user_answer(points), answer(ROWS))
    with pytest.raises(Denied):
        connect_to(server.url).fetch("stock_basic", {}, ["close"])
    let_pass(hours=1)
    client = connect_to(server.url)
    if asks_again:
        assert client.fetch("stock_basic", {}, ["close"]).items
    else:
        with pytest.raises(Denied):
            client.fetch("stock_basic", {}, ["close"])
    assert len(server.requests) == 3 + asks_again


@pytest.mark.parametrize(("days", "warned"), [(14, 1), (15, 0)])
def test_points_that_expire_soon_are_a_warning(
    connect_to: Connect, serve: Serve, caplog: pytest.LogCaptureFixture, days: int, warned: int
) -> None:
    client = connect_to(serve(user_answer(2000, days), answer(ROWS)).url)
    with caplog.at_level(logging.WARNING):
        client.fetch("daily", {}, ["close"])

    assert sum("expire on" in line for line in caplog.messages) == warned


def test_a_denied_endpoint_is_not_asked_again_by_any_process_until_tomorrow(
    connect_to: Connect, no_account_call: None
) -> None:
    with Sandbox(OneRow(), quota=0, points=120) as sandbox:
        for _ in range(3):
            with pytest.raises(Denied, match="没有接口"):
                connect_to(sandbox.url).fetch("adj_factor", {}, [])
        assert sandbox.refused["adj_factor"] == 1

        let_pass(hours=21)
        with pytest.raises(Denied):
            connect_to(sandbox.url).fetch("adj_factor", {}, [])
        assert sandbox.refused["adj_factor"] == 2


def test_calls_under_way_together_meet_one_denial(
    connect_to: Connect, no_account_call: None
) -> None:
    with Sandbox(OneRow(), quota=0, points=120, latency_ms=50) as sandbox:
        client = connect_to(sandbox.url)

        def is_denied(number: int) -> bool:
            try:
                client.fetch("adj_factor", {}, [])
            except Denied:
                return True
            return False

        with ThreadPoolExecutor(8) as pool:
            assert all(pool.map(is_denied, range(16)))
        assert sandbox.refused["adj_factor"] == 1


class Together(OneRow):
    """Answers calls that name a code once four of them are there."""

    def __init__(self) -> None:
        self.four = threading.Barrier(4, timeout=30)

    def rows(self, api_name: str, params: Mapping[str, str]) -> tuple[tuple[str, ...], Rows]:
        if "ts_code" in params:
            self.four.wait()
        return super().rows(api_name, params)


def test_calls_go_side_by_side_once_one_was_answered(
    connect_to: Connect, no_account_call: None
) -> None:
    with Sandbox(Together(), quota=0) as sandbox:
        client = connect_to(sandbox.url)
        client.fetch("daily", {}, [])

        def has_rows(number: int) -> bool:
            return bool(client.fetch("daily", {"ts_code": "000001.SZ"}, []).items)

        with ThreadPoolExecutor(4) as pool:
            assert all(pool.map(has_rows, range(4)))


def test_more_points_open_what_was_denied_at_the_next_run(connect_to: Connect) -> None:
    with Sandbox(OneRow(), quota=0, points=20) as sandbox:
        with pytest.raises(Denied):
            connect_to(sandbox.url).fetch("daily", {}, [])
        sandbox.points = 2000

        assert connect_to(sandbox.url).fetch("daily", {}, []).items


class RacingDatabase(QuotaDatabase):
    """Something else is done between the reading of a row and its use."""

    meanwhile: Callable[[], None] | None = None

    def rows(self, statement: str, values: Values = ()) -> list[tuple[Any, ...]]:
        rows = super().rows(statement, values)
        meanwhile, self.meanwhile = self.meanwhile, None
        if meanwhile is not None:
            meanwhile()
        return rows


def test_what_was_read_before_a_denial_does_not_outlive_it() -> None:
    with closing(RacingDatabase()) as database:
        knowledge = StoredKnowledge(database, "0" * 12, LimitRules())
        refusal = Denied("", api_name="daily")
        database.meanwhile = lambda: knowledge.deny(refusal, NOW)
        knowledge.of("daily", NOW)

        assert knowledge.of("daily", NOW).denial is not None


def test_a_refusal_by_the_day_is_known_to_every_process_until_its_reset(
    connect_to: Connect, serve: Serve, no_account_call: None
) -> None:
    server = serve(refuse(40203, "抱歉，您每天最多访问该接口5次"), answer(ROWS))
    for _ in range(3):
        with pytest.raises(RateLimited, match="每天最多访问该接口5次") as refusal:
            connect_to(server.url).fetch("stock_basic", {}, [])
        assert refusal.value.reset_at is not None
        assert not refusal.value.is_short
    assert len(server.requests) == 1

    let_pass(hours=24)
    assert connect_to(server.url).fetch("stock_basic", {}, []).items
    assert EndpointAccess.objects.get(api_name="stock_basic").spent_until is None


def test_what_a_refusal_taught_holds_in_every_process_until_it_is_forgotten(
    connect_to: Connect, settings: Settings, no_account_call: None
) -> None:
    with Sandbox(OneRow(), quota=0) as sandbox:
        teacher = connect_to(sandbox.url)
        for _ in range(60):
            teacher.limiters.for_endpoint("daily").acquire_blocking().answered()
        refusal = RateLimited("", limit=80, api_name="daily")
        teacher.limiters.refused(refusal, NOW)

        def limit() -> int:
            return connect_to(sandbox.url).limiters.for_endpoint("daily").max_calls

        assert limit() == 57
        assert EndpointAccess.objects.get().held_until is not None
        let_pass(hours=7 * 24 - 1)
        assert limit() == 57
        let_pass(hours=1)
        assert limit() == 100


def test_calls_of_many_processes_that_are_refused_together_teach_once(
    connect_to: Connect, no_account_call: None
) -> None:
    with Sandbox(OneRow(), quota=0) as sandbox:
        processes = [connect_to(sandbox.url) for _ in range(5)]
        for _ in range(60):
            processes[0].limiters.for_endpoint("daily").acquire_blocking().answered()
        refusal = RateLimited("请求过于频繁", api_name="daily")

        def refuse_one(client: TushareClient) -> None:
            client.limiters.refused(refusal, NOW)

        with ThreadPoolExecutor(5) as pool:
            list(pool.map(refuse_one, processes * 2))
        assert EndpointAccess.objects.get().learned_limit == 57

        let_pass(hours=1)
        processes[0].limiters.refused(refusal, NOW)
        assert EndpointAccess.objects.get().learned_limit == 14


def test_a_clean_window_raises_what_was_learned_once_for_all(
    connect_to: Connect, no_account_call: None
) -> None:
    with Sandbox(OneRow(), quota=0) as sandbox:
        client = connect_to(sandbox.url)
        client.limiters.refused(RateLimited("", limit=80, api_name="daily"), NOW)
        learned = EndpointAccess.objects.get().learned_limit
        assert learned == 20
        let_pass(hours=1)
        for _ in range(3):
            connect_to(sandbox.url).fetch("daily", {}, [])

        assert EndpointAccess.objects.get().learned_limit == 21


def test_what_staff_set_wins_at_once(connect_to: Connect) -> None:
    with Sandbox(OneRow(), quota=0) as sandbox:
        client = connect_to(sandbox.url)
        client.limiters.refused(RateLimited("", limit=80, api_name="daily"), NOW)
        EndpointAccess.objects.update(set_limit=33)

        assert connect_to(sandbox.url).limiters.for_endpoint("daily").max_calls == 33


def test_no_table_holds_the_token(
    connect_to: Connect, serve: Serve, settings: Settings, token: str
) -> None:
    server = serve(refuse(40203, f"token {token} 没有接口访问权限"))
    settings.TUSHARE_TOKEN, settings.TUSHARE_BASE_URL = token, server.url
    with closing(client_from_settings()) as client, pytest.raises(Denied):
        client.fetch("daily", {"token": token}, [])

    for model in (EndpointAccess, TushareAccount, TushareCall):
        assert model.objects.exists()
        assert token not in str(list(model.objects.values()))


def test_every_call_is_written_down_with_what_became_of_it(
    connect_to: Connect, serve: Serve, no_account_call: None
) -> None:
    server = serve(answer(ROWS), refuse(40203, "抱歉，您没有接口访问权限"))
    client = connect_to(server.url)
    codes = [f"{number:06}.SZ" for number in range(100)]
    client.fetch("daily", {"trade_date": "20240102", "ts_code": ",".join(codes)}, ["close"])
    with pytest.raises(Denied):
        client.fetch("daily", {"trade_date": "20240103"}, ["close"])
    client.close()

    refused, good = TushareCall.objects.order_by("-id")
    assert (good.api_name, good.outcome, good.rows, good.code) == ("daily", "rows", 1, 0)
    assert good.params["trade_date"] == "20240102"
    assert good.params["ts_code"].endswith("… (100 values)")
    assert len(good.params["ts_code"]) < 250
    assert (good.quota, good.waited_ms < 1000) == (100, True)
    assert (refused.outcome, refused.rows, refused.code) == ("denied", None, 40203)
    assert "没有接口访问权限" in refused.message


@pytest.fixture
def journal() -> Iterator[CallJournal]:
    database = QuotaDatabase()
    yield CallJournal(database, keep_days=30)
    database.close()


def record(journal: CallJournal, at: dt.datetime) -> None:
    failure = Denied("\x00 \ud800 denied", code=10**12, api_name="daily")
    journal.record(
        journal_entry(Call("daily"), failure, "0" * 12, at=at, seconds=0.2, waited=0.1, quota=195)
    )


def test_the_journal_is_written_within_a_second_or_two(journal: CallJournal) -> None:
    record(journal, dt.datetime.now(dt.UTC))

    assert eventually(TushareCall.objects.exists, 4)
    call = TushareCall.objects.get()
    assert (call.duration_ms, call.waited_ms, call.code) == (200, 100, None)
    assert "denied" in call.message


def test_whoever_writes_the_journal_removes_what_is_old(journal: CallJournal) -> None:
    now = dt.datetime.now(dt.UTC)
    record(journal, now - dt.timedelta(days=31))
    record(journal, now)

    assert eventually(lambda: list(TushareCall.objects.values_list("at", flat=True)) == [now], 30)


def test_calls_older_than_the_setting_are_removed(journal: CallJournal) -> None:
    now = dt.datetime.now(dt.UTC)
    for days in (0, 29, 31, 300):
        record(journal, now - dt.timedelta(days=days))
    assert journal.flush()

    assert journal.prune() == 2
    assert TushareCall.objects.count() == 2


def test_a_journal_that_cannot_be_written_is_kept_and_told_once(
    journal: CallJournal, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with monkeypatch.context() as away:

        def refuse_all(self: QuotaDatabase) -> None:
            raise OSError("no such host")

        away.setattr(QuotaDatabase, "_connected", refuse_all)
        record(journal, dt.datetime.now(dt.UTC))
        assert not journal.flush()
        assert not journal.flush()
    assert sum("action=journal" in line for line in caplog.messages) == 1

    assert journal.flush()
    assert TushareCall.objects.count() == 1


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_forked_process_writes_down_its_own_calls_and_no_others(journal: CallJournal) -> None:
    now = dt.datetime.now(dt.UTC)
    record(journal, now)
    child = os.fork()
    if not child:
        # Beyond the reach of pytest: whatever fails here ends in the wrong number of rows.
        try:
            record(journal, now - HOUR)
            journal.flush()
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    assert journal.flush()

    assert sorted(TushareCall.objects.values_list("at", flat=True)) == [now - HOUR, now]


def test_parameters_are_shown_without_the_token() -> None:
    shown = json.loads(shown_params({"token": "secret", "codes": ["a", "b"], "n": 5}))

    assert shown == {"codes": "a,b", "n": "5"}
