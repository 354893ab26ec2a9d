"""One HTTP call to the source: connections kept open, a total deadline, nothing followed.

The token is in the request's body only. What comes back is cleared of it before anybody sees it,
and no exception that holds the request leaves this module.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import threading
import urllib.parse
from collections.abc import Callable, Iterator, Mapping

import requests
import urllib3
from requests.auth import AuthBase

from datasync_app.tushare.addresses import is_loopback
from datasync_app.tushare.deadline import Deadline, WatchedAdapter, deadline
from datasync_app.tushare.outcomes import HungUp, TransportFailure, show_call
from datasync_app.tushare.wire import Call, Reply

CONNECT_TIMEOUT = 5.0
# Words like "sandbox" serve as tokens on loopback and may stand in any text; real ones are longer.
_SECRET_LENGTH = 16
# What may pass by itself; the errors below, and whatever else a library raises, will not.
_PASSING = (requests.RequestException, urllib3.exceptions.HTTPError, OSError)
_PERMANENT = (
    requests.exceptions.SSLError,
    requests.exceptions.InvalidURL,
    requests.exceptions.InvalidSchema,
    requests.exceptions.MissingSchema,
    requests.exceptions.InvalidProxyURL,
    requests.exceptions.ContentDecodingError,
)


def utc_now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


class _NoAuth(AuthBase):
    """Keeps requests from looking for a password in the home folder's .netrc."""

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        return request


class Transport:
    """Posts JSON to `{base_url}/{api_name}`. A session serves one call at a time."""

    def __init__(
        self,
        base_url: str,
        *,
        call_timeout: float = 30.0,
        now: Callable[[], dt.datetime] = utc_now,
    ) -> None:
        self.base_url = base_url.rstrip("/")
        self._now = now
        self._call_timeout = call_timeout
        self._idle: list[requests.Session] = []
        self._under_way: set[Deadline] = set()
        self._lock = threading.Lock()
        self._closed = False

    def post(self, call: Call, payload: Mapping[str, object], *, token: str) -> Reply:
        """Send the call and read its answer to the end.

        Raises:
            TransportFailure: no complete HTTP answer within the deadline.
            HungUp: it was closed before the answer was complete.
        """
        session = self._take()
        try:
            with deadline(self._call_timeout) as limit, self._ended_by_close(limit):
                reply, problem = self._send(session, call, payload)
        finally:
            self._give_back(session)
        if limit.passed and self.is_closed:
            raise HungUp(
                f"The call {show_call(call.api_name, call.params)} was cut off, as its client was "
                "closed.",
                api_name=call.api_name,
                params=call.params,
            )
        if limit.passed:
            raise self._failure(
                call, f"had not ended after {self._call_timeout:g} s", transient=True
            )
        if reply is None:
            passing = isinstance(problem, _PASSING) and not isinstance(problem, _PERMANENT)
            raise self._failure(call, f"failed: {_root_cause(problem)}", transient=passing)
        return _cleared(reply, token)

    @property
    def is_closed(self) -> bool:
        return self._closed

    def close(self) -> None:
        """Close the connections; calls under way end at once, and later ones are not made."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
            under_way = list(self._under_way)
        for limit in under_way:
            limit.pass_()
        for session in idle:
            session.close()

    @contextlib.contextmanager
    def _ended_by_close(self, limit: Deadline) -> Iterator[None]:
        with self._lock:
            self._under_way.add(limit)
        if self._closed:
            limit.pass_()
        try:
            yield
        finally:
            with self._lock:
                self._under_way.discard(limit)

    def _send(
        self, session: requests.Session, call: Call, payload: Mapping[str, object]
    ) -> tuple[Reply | None, Exception | None]:
        """The reply or what went wrong. Not raised: the original exception holds the request."""
        try:
            response = session.post(
                f"{self.base_url}/{call.api_name}",
                json=payload,
                timeout=(min(CONNECT_TIMEOUT, self._call_timeout), self._call_timeout),
                allow_redirects=False,
            )
        except Exception as problem:
            # Of any kind: for some addresses of a proxy the libraries raise a TypeError.
            return None, problem
        headers = {name.lower(): value for name, value in response.headers.items()}
        return Reply(response.status_code, headers, response.content, self._now()), None

    def _failure(self, call: Call, what: str, *, transient: bool) -> TransportFailure:
        address = urllib.parse.urlsplit(self.base_url)
        port = f":{address.port}" if address.port else ""
        return TransportFailure(
            f"The call {show_call(call.api_name, call.params)} to {address.hostname}{port} {what}.",
            transient=transient,
            api_name=call.api_name,
            params=call.params,
        )

    def _take(self) -> requests.Session:
        with self._lock:
            if self._idle:
                return self._idle.pop()
        session = requests.Session()
        session.auth = _NoAuth()
        # Environment proxies are honoured, but never between us and a server on this machine.
        session.trust_env = not is_loopback(self.base_url)
        session.mount("http://", WatchedAdapter())
        session.mount("https://", WatchedAdapter())
        return session

    def _give_back(self, session: requests.Session) -> None:
        with self._lock:
            if not self._closed:
                self._idle.append(session)
                return
        session.close()


def _root_cause(problem: BaseException | None) -> str:
    """The innermost reason: `Connection refused`, not three libraries' wrapping of it."""
    while problem is not None:
        deeper = problem.__cause__ or problem.__context__
        if deeper is None:
            return str(problem) or type(problem).__name__
        problem = deeper
    return "no reason given"


def _cleared(reply: Reply, token: str) -> Reply:
    """The reply without the token, in case the source repeats it."""
    if len(token) < _SECRET_LENGTH:
        return reply
    headers = {name: value.replace(token, "[token]") for name, value in reply.headers.items()}
    body = reply.body.replace(token.encode(), b"[token]")
    return Reply(reply.status, headers, body, reply.received_at)
