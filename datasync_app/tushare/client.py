"""The only way to Tushare: every call takes a slot of its endpoint's limiter and ends typed."""

from __future__ import annotations

import datetime as dt
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

import tenacity

from datasync_app.tushare.account import EXPIRY_FIELD, POINTS_FIELD, Account, read_account
from datasync_app.tushare.account_watch import AccountWatch
from datasync_app.tushare.circuit import NEVER, Circuit, Way
from datasync_app.tushare.classify import classify
from datasync_app.tushare.countable import while_countable
from datasync_app.tushare.database import QuotaUnavailable
from datasync_app.tushare.journal import CallJournal, journal_entry
from datasync_app.tushare.latency import Latencies, calls_to_hide
from datasync_app.tushare.limits import EndpointLimiters, Limiter, account_of
from datasync_app.tushare.outcomes import (
    Answer,
    BadRequest,
    CallCancelled,
    Denied,
    HungUp,
    RateLimited,
    SourceAway,
    TransportFailure,
    TushareError,
    show_call,
    without_token,
)
from datasync_app.tushare.sdk import ConnectedDataApi
from datasync_app.tushare.transport import utc_now
from datasync_app.tushare.uptime import uptime
from datasync_app.tushare.wire import Call, Reply

logger = logging.getLogger(__name__)

T = TypeVar("T")

RATE_RETRIES = 3
RATE_WAIT_BASE = 3.0
RATE_WAIT_FACTOR = 2.0
TRANSPORT_RETRIES = 2
TRANSPORT_WAIT_BASE = 0.5
TRANSPORT_WAIT_MAX = 4.0
LOOK_AGAIN_SECONDS = 0.2
TOO_MANY_REQUESTS = 429
# A slot that was asked for longer ago is not used. A busy database may take a moment to give it.
FRESH_SLOT_SECONDS = 5.0


class TushareClient(ConnectedDataApi):
    """Tushare under its quota: `fetch` for the engine, `client.daily(...)` for people.

    `sleep` replaces real sleeping in tests; without it, waits can be cancelled at any moment.
    `cancelled` is asked while waiting, unless a call brings its own. Without a `circuit` an outage
    never makes calls fail unasked, without a `journal` none is written. With `asks_account` the
    first call is preceded by one of `user`, at most once a day and account, whose points decide; one
    that failed is made again after 10 minutes.
    """

    def __init__(
        self,
        token: str,
        base_url: str,
        *,
        limiters: EndpointLimiters | None = None,
        clock: Callable[[], float] = time.monotonic,
        uptime: Callable[[], float] = uptime,
        sleep: Callable[[float], None] | None = None,
        now: Callable[[], dt.datetime] = utc_now,
        call_timeout: float = 30.0,
        cancelled: Callable[[], bool] | None = None,
        circuit: Circuit | None = None,
        journal: CallJournal | None = None,
        asks_account: bool = False,
    ) -> None:
        super().__init__(token, base_url, call_timeout=call_timeout, now=now)
        self._circuit = circuit or Circuit(failures=NEVER)
        self._journal = journal
        self._latencies = Latencies()
        self._now = now
        self._cancelled = cancelled
        self._clock = clock
        self._uptime = uptime
        self._told: set[tuple[str, tuple[str, ...]]] = set()
        self._sleep = sleep
        self.limiters = limiters or EndpointLimiters(
            clock=clock, sleep=sleep or time.sleep, now=now, call_timeout=2 * call_timeout
        )
        self._account_watch = (
            AccountWatch(self.limiters.knowledge, self.account, clock=clock, now=now)
            if asks_account
            else None
        )

    def fetch(
        self,
        api_name: str,
        params: Mapping[str, object],
        fields: Sequence[str],
        row_cap: int | None = None,
        *,
        required: Sequence[str] = (),
        expect: Mapping[str, str | set[str] | frozenset[str]] | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> Answer:
        """One endpoint, one request, one typed outcome.

        `required` fields must be in the answer; other missing ones are listed in its
        `absent_fields`. `expect` names the value, or values, a field may have in every row.

        Raises:
            TushareError: the call did not end in a well-formed answer to what was asked.
            CallCancelled: `cancelled` said so while waiting, or the client is closed.
        """
        _refuse_what_cannot_be_sent(api_name, params)
        call = Call(
            api_name=api_name,
            params=without_token(params),
            fields=tuple(fields),
            required=tuple(required),
            expect={
                name: frozenset({value} if isinstance(value, str) else value)
                for name, value in (expect or {}).items()
            },
            row_cap=row_cap,
        )
        cancelled = cancelled or self._cancelled
        if (watch := self._account_watch) is not None and api_name != "user":
            self._while_countable(lambda: watch.look_when_due(cancelled), call, cancelled)
        answer = self._rate_limited_call(call, cancelled)
        self._warn_of_absent_fields(answer)
        return answer

    def _warn_of_absent_fields(self, answer: Answer) -> None:
        """Once per client and set of fields: a history run would repeat it thousands of times."""
        told = (answer.api_name, answer.absent_fields)
        if answer.absent_fields and told not in self._told:
            self._told.add(told)
            logger.warning(
                "action=fetch api_name=%s absent_fields=%s are stored as NULL",
                answer.api_name,
                ",".join(answer.absent_fields),
            )

    def account(self, cancelled: Callable[[], bool] | None = None) -> Account:
        """Points and their expiry, by one `user` call; from now on the points decide the limits."""
        answer = self.fetch(
            "user", {}, [], required=[EXPIRY_FIELD, POINTS_FIELD], cancelled=cancelled
        )
        account = read_account(answer, self._now().date())
        self.limiters.account_has(account, self._now())
        logger.info("action=account points=%s expires=%s", account.points, account.expires)
        return account

    def calls_in_flight(self, api_name: str) -> int:
        """How many calls of this endpoint to have under way at once, to lose no quota to latency.

        By the limit as last seen: whoever asks must not wait for a database.
        """
        limit, window = self.limiters.last_limit(api_name), self.limiters.rules.window_seconds
        return calls_to_hide(self._latencies.p90(api_name), limit, window)

    def close(self) -> None:
        """Close the connections, those of calls under way too; the journal of the calls is written."""
        super().close()
        if self._journal is not None:
            self._journal.flush()

    def _rate_limited_call(self, call: Call, cancelled: Callable[[], bool] | None) -> Answer:
        """Refused by the minute: wait 3, 6 and 12 s, then raise the refusal as it came.

        Each retry takes a slot again, where the limiter's hold may add to the wait. Refusals by
        the hour or the day are raised at once.
        """
        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception(
                lambda error: isinstance(error, RateLimited) and error.is_short
            ),
            wait=tenacity.wait_exponential(multiplier=RATE_WAIT_BASE, exp_base=RATE_WAIT_FACTOR),
            stop=tenacity.stop_after_attempt(RATE_RETRIES + 1),
            sleep=lambda seconds: self._pause(seconds, cancelled),
            before_sleep=_log_retry,
            reraise=True,
        )
        return retrying(self._call_over_a_shaky_line, call, cancelled)

    def _call_over_a_shaky_line(self, call: Call, cancelled: Callable[[], bool] | None) -> Answer:
        """Transient transport failures get a short, jittered second and third try."""
        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception(
                lambda error: isinstance(error, TransportFailure) and error.transient
            ),
            wait=tenacity.wait_random_exponential(
                multiplier=TRANSPORT_WAIT_BASE, max=TRANSPORT_WAIT_MAX
            ),
            stop=tenacity.stop_after_attempt(TRANSPORT_RETRIES + 1),
            sleep=lambda seconds: self._pause(seconds, cancelled),
            before_sleep=_log_retry,
            reraise=True,
        )
        return retrying(self._call_once, call, cancelled)

    def _call_once(self, call: Call, cancelled: Callable[[], bool] | None) -> Answer:
        """One attempt; alone, while it is open whether the endpoint may be called at all."""

        def check() -> None:
            if cancelled is not None and cancelled():
                raise CallCancelled("The call was cancelled while another found the way.")

        def attempt() -> Answer:
            with self.limiters.alone_while_unsure(call.api_name, check):
                return self._call_in_a_slot(call, cancelled)

        return self._while_countable(attempt, call, cancelled)

    def _while_countable(
        self, attempt: Callable[[], T], call: Call, cancelled: Callable[[], bool] | None
    ) -> T:
        def pause(seconds: float) -> None:
            self._pause(seconds, cancelled)

        return while_countable(attempt, call, clock=self._clock, now=self._now, pause=pause)

    def _call_in_a_slot(self, call: Call, cancelled: Callable[[], bool] | None) -> Answer:
        """Wait for a slot, make the call, learn from how it ended and write it down."""
        self.limiters.check(call, self._now())
        way = self._way(call, cancelled)

        asked_at = self._uptime()

        def give_up() -> bool:
            # Asked before each attempt at a slot. What others learn meanwhile holds for it too.
            nonlocal asked_at
            asked_at = self._uptime()
            self.limiters.check(call, self._now())
            if way is Way.FREE and self._circuit.seconds_left() > 0:
                raise self._away(call)
            if self._transport.is_closed:
                asked = show_call(call.api_name, call.params)
                raise CallCancelled(f"{asked} was not asked, as its client is closed.")
            return cancelled is not None and cancelled()

        came = self._clock()
        outcome: Answer | TushareError | None = None
        try:
            limiter = self.limiters.for_endpoint(call.api_name)
            reply: Reply | TransportFailure | None = None
            while reply is None:
                with limiter.acquire_blocking(give_up):
                    if self._uptime() > asked_at + FRESH_SLOT_SECONDS:
                        continue  # stopped or suspended since; the slot may count no longer
                    at, sent = self._now(), self._clock()
                    try:
                        reply = self._post(call)
                    except TransportFailure as failure:
                        reply = failure
                    seconds = self._clock() - sent
            outcome = _judge(reply, call)
            # Before anything that may fail: others wait for what a probe found out.
            self._tell_circuit(outcome, way)
        finally:
            if outcome is None:
                self._circuit.gave_up(way)
        self._write_down(call, outcome, at, seconds, sent - came, limiter.max_calls)
        try:
            self._learn(call, outcome, limiter, seconds)
        except QuotaUnavailable as error:
            logger.error("action=learn api_name=%s: %s", call.api_name, error)
        if isinstance(outcome, HungUp):
            raise CallCancelled(str(outcome))
        if isinstance(outcome, TushareError):
            raise outcome
        return outcome

    def _way(self, call: Call, cancelled: Callable[[], bool] | None) -> Way:
        """Free, or the probe; what another's probe finds out is waited for, as it holds for all.

        Raises:
            SourceAway: the circuit is open.
        """
        while (way := self._circuit.let_go()) is Way.BARRED:
            if self._circuit.seconds_left() > 0:
                raise self._away(call)
            self._pause(LOOK_AGAIN_SECONDS, cancelled)
        return way

    def _tell_circuit(self, outcome: Answer | TushareError, way: Way) -> None:
        """Whether the source answers; that it says no is an answer."""
        if isinstance(outcome, HungUp):
            self._circuit.gave_up(way)
        elif _is_no_answer(outcome):
            self._circuit.failed(str(outcome))
        else:
            self._circuit.succeeded()

    def _learn(
        self, call: Call, outcome: Answer | TushareError, limiter: Limiter, seconds: float
    ) -> None:
        """What the end of a call says of the account and the endpoint."""
        if isinstance(outcome, TransportFailure) and outcome.code is None:
            if outcome.retry_after is not None:
                longest = self.limiters.rules.refusal_lasts.total_seconds()
                limiter.hold(min(outcome.retry_after, longest))
            return
        self._latencies.note(call.api_name, seconds)
        if isinstance(outcome, RateLimited):
            self.limiters.refused(outcome, self._now())
        elif isinstance(outcome, Denied):
            self.limiters.denied(outcome, self._now())
        elif isinstance(outcome, Answer):
            self.limiters.answered(call.api_name, self._now())

    def _write_down(
        self,
        call: Call,
        outcome: Answer | TushareError,
        at: dt.datetime,
        seconds: float,
        waited: float,
        quota: int,
    ) -> None:
        if self._journal is not None:
            account = account_of(self._DataApi__token, self.base_url)
            self._journal.record(
                journal_entry(
                    call, outcome, account, at=at, seconds=seconds, waited=waited, quota=quota
                )
            )

    def _away(self, call: Call) -> SourceAway:
        until = self._now() + dt.timedelta(seconds=self._circuit.seconds_left())
        return SourceAway(
            f"{show_call(call.api_name, call.params)} was not asked, as calls keep failing; the "
            f"source is tried again at {until:%Y-%m-%d %H:%M:%S} UTC. {self._circuit.reason}",
            until=until,
            api_name=call.api_name,
            params=call.params,
        )

    def _pause(self, seconds: float, cancelled: Callable[[], bool] | None) -> None:
        if self._sleep is not None:
            self._sleep(seconds)
        else:
            end = self._clock() + seconds
            while (left := end - self._clock()) > 0 and not (cancelled and cancelled()):
                time.sleep(min(left, LOOK_AGAIN_SECONDS))
        if cancelled is not None and cancelled():
            raise CallCancelled("The call was cancelled while it waited to be tried again.")


def _refuse_what_cannot_be_sent(api_name: str, params: Mapping[str, object]) -> None:
    for name, value in without_token(params).items():
        if not isinstance(value, str | int | float | list | tuple | None):
            raise BadRequest(
                f"{show_call(api_name, params)} was not asked, as {name} is {value!r}: text, numbers "
                "and lists of them can be sent, a date as text such as 20240102.",
                api_name=api_name,
                params=params,
            )


def _judge(reply: Reply | TransportFailure, call: Call) -> Answer | TushareError:
    if isinstance(reply, TransportFailure):
        return reply
    try:
        return classify(reply, call)
    except TushareError as failure:
        return failure


def _is_no_answer(outcome: Answer | TushareError) -> bool:
    return (
        isinstance(outcome, TransportFailure)
        and outcome.code is None
        and outcome.status != TOO_MANY_REQUESTS
    )


def _log_retry(state: tenacity.RetryCallState) -> None:
    call = state.args[0]
    logger.warning(
        "action=retry call=%s attempt=%s wait_seconds=%.3g reason=%s",
        show_call(call.api_name, call.params),
        state.attempt_number,
        state.next_action.sleep if state.next_action else 0,
        state.outcome.exception() if state.outcome else None,
    )
