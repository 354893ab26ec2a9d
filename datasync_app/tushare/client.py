"""The only way to Tushare: every call takes a slot of its endpoint's limiter and ends typed."""

from __future__ import annotations

import datetime as dt
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import tenacity
from django.conf import settings

from datasync_app.tushare.account import EXPIRY_FIELD, POINTS_FIELD, Account, read_account
from datasync_app.tushare.classify import classify
from datasync_app.tushare.limits import EndpointLimiters, shared_limiters
from datasync_app.tushare.outcomes import (
    Answer,
    CallCancelled,
    NoSource,
    RateLimited,
    TransportFailure,
    show_call,
    without_token,
)
from datasync_app.tushare.sdk import ConnectedDataApi
from datasync_app.tushare.transport import is_loopback, utc_now
from datasync_app.tushare.wire import Call

logger = logging.getLogger(__name__)

RATE_RETRIES = 3
RATE_WAIT_BASE = 3.0
RATE_WAIT_FACTOR = 2.0
TRANSPORT_RETRIES = 2
TRANSPORT_WAIT_BASE = 0.5
TRANSPORT_WAIT_MAX = 4.0
LOOK_AGAIN_SECONDS = 0.2
SANDBOX_TOKEN = "sandbox"  # noqa: S105 - what the sandbox accepts, no secret


class TushareClient(ConnectedDataApi):
    """Tushare under its quota: `fetch` for the engine, `client.daily(...)` for people.

    `sleep` replaces real sleeping in tests; without it, waits can be cancelled at any moment.
    `cancelled` is asked while waiting, unless a call brings its own.
    """

    def __init__(
        self,
        token: str,
        base_url: str,
        *,
        limiters: EndpointLimiters | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] | None = None,
        now: Callable[[], dt.datetime] = utc_now,
        call_timeout: float = 30.0,
        cancelled: Callable[[], bool] | None = None,
    ) -> None:
        super().__init__(token, base_url, call_timeout=call_timeout, now=now)
        self._now = now
        self._cancelled = cancelled
        self._clock = clock
        self._told: set[tuple[str, tuple[str, ...]]] = set()
        self._sleep = sleep
        self.limiters = limiters or EndpointLimiters(
            clock=clock, sleep=sleep or time.sleep, call_timeout=2 * call_timeout
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
            CallCancelled: `cancelled` said so while waiting.
        """
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
        answer = self._rate_limited_call(call, cancelled or self._cancelled)
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
        self.limiters.account_has(account.points)
        logger.info("action=account points=%s expires=%s", account.points, account.expires)
        return account

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
        self.limiters.check_exhausted(call, self._now())
        limiter = self.limiters.for_endpoint(call.api_name)
        with limiter.acquire_blocking(cancelled):
            reply = self._post(call)
        try:
            return classify(reply, call)
        except RateLimited as refusal:
            if refusal.is_short:
                # The source counts refused calls too: only a full window of silence helps.
                limiter.hold(limiter.window_seconds)
                if refusal.limit is not None:
                    self.limiters.refused_at(call.api_name, refusal.limit)
            else:
                self.limiters.exhausted(refusal, self._now())
            raise
        except TransportFailure as failure:
            if failure.retry_after is not None:
                limiter.hold(min(failure.retry_after, limiter.window_seconds))
            raise

    def _pause(self, seconds: float, cancelled: Callable[[], bool] | None) -> None:
        if self._sleep is not None:
            self._sleep(seconds)
        else:
            end = self._clock() + seconds
            while (left := end - self._clock()) > 0 and not (cancelled and cancelled()):
                time.sleep(min(left, LOOK_AGAIN_SECONDS))
        if cancelled is not None and cancelled():
            raise CallCancelled("The call was cancelled while it waited to be tried again.")


def _log_retry(state: tenacity.RetryCallState) -> None:
    call = state.args[0]
    logger.warning(
        "action=retry call=%s attempt=%s wait_seconds=%.3g reason=%s",
        show_call(call.api_name, call.params),
        state.attempt_number,
        state.next_action.sleep if state.next_action else 0,
        state.outcome.exception() if state.outcome else None,
    )


def client_from_settings(cancelled: Callable[[], bool] | None = None) -> TushareClient:
    """The client for the source that the settings name, or else for the sandbox that is running.

    All clients of one token in this process share their limiters.

    Raises:
        NoSource: there is nothing to ask, or no token to ask with.
    """
    token, base_url = source_from_settings()
    limiters = shared_limiters(
        token,
        base_url,
        settings.TUSHARE_RATE_LIMIT_MAX_CALLS,
        settings.TUSHARE_RATE_LIMIT_WINDOW_SECONDS,
    )
    return TushareClient(token, base_url, limiters=limiters, cancelled=cancelled)


def source_from_settings() -> tuple[str, str]:
    """Token and base URL, with no call made. Raises NoSource as `client_from_settings`."""
    token, base_url = settings.TUSHARE_TOKEN, settings.TUSHARE_BASE_URL
    if token:
        return token, base_url
    if base_url:
        if is_loopback(base_url):
            return SANDBOX_TOKEN, base_url
        raise NoSource(f"TUSHARE_BASE_URL is {base_url!r}, but TUSHARE_TOKEN is not set.")
    try:
        base_url = Path(settings.SANDBOX_ADDRESS_FILE).read_text().strip()
    except FileNotFoundError:
        base_url = ""
    if not base_url:
        raise NoSource(
            "There is no source to sync from: set TUSHARE_TOKEN, or start `manage.py sandbox`."
        )
    return SANDBOX_TOKEN, base_url
