"""The sandbox: an HTTP server on loopback that answers as Tushare does."""

from __future__ import annotations

import datetime as dt
import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from types import TracebackType

from django.utils.translation import gettext as _

from datasync_app.dates import SHANGHAI
from datasync_app.protocol import (
    ENDPOINTS,
    Endpoint,
    Refusal,
    Request,
    Rows,
    bad_token,
    parse_request,
)
from datasync_app.protocol.answers import envelope
from datasync_app.protocol.columns import kept_columns
from datasync_app.protocol.pages import Page, page_of
from datasync_app.sandbox.account import CallWindows, Quota, check_permission, quota_of
from datasync_app.sandbox.clock import MovableClock, move_clock
from datasync_app.sandbox.connections import Connections, Desk, Patience
from datasync_app.sandbox.fault_plan import FaultPlan
from datasync_app.sandbox.protocol import Clock, Market, SandboxProblem, TruthTeller
from datasync_app.sandbox.publication_plan import PublicationPlan
from datasync_app.sandbox.reply import Reply
from datasync_app.sandbox.restatement_plan import Restatement, RestatementPlan
from datasync_app.sandbox.tally import Cell, Tally

logger = logging.getLogger(__name__)

_ACCOUNT_FIELDS = ("user_id", "到期时间", "到期积分")


class Sandbox:
    """A market behind Tushare's protocol. A context manager: it serves until it is left.

    `quota` is the limit per token and endpoint; None lets the points decide, 0 means no limit.
    `quotas` are limits of single endpoints, which come first. A minute lasts `minute_seconds`, for
    tests that cannot wait for one; hours and days scale with it.
    `stall_seconds` is how long the faults stall and slow_drip last, `drip_seconds` how long after a
    byte the next one follows.
    `publication` holds rows back and `restatements` changes values, both by the sandbox's clock, which
    should be the market's too.
    `identity` is sent as the header X-StockSync-Source: the market's own by default, None for no
    header at all, as Tushare itself. `token` is the only accepted one; by default any is.
    """

    def __init__(
        self,
        market: Market,
        *,
        port: int = 0,
        host: str = "127.0.0.1",
        quota: int | Quota | None = None,
        quotas: Mapping[str, Quota] | None = None,
        minute_seconds: float = 60.0,
        latency_ms: float = 0,
        faults: Mapping[str, float] | None = None,
        stall_seconds: float = 60.0,
        drip_seconds: float = 0.5,
        points: int = 2000,
        identity: str | None = "",
        token: str | None = None,
        seed: int = 0,
        publication: PublicationPlan | None = None,
        restatements: RestatementPlan | None = None,
        clock: Clock = lambda: dt.datetime.now(dt.UTC),
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.market = market
        self.points = points
        self.latency_ms = latency_ms
        self.faults = FaultPlan(faults, seed)
        self.publication = publication or PublicationPlan(seed)
        self.restatements = restatements or RestatementPlan(seed)
        self.identity = market.identity if identity == "" else identity
        self.quota = Quota(quota) if isinstance(quota, int) else quota
        self.quotas = dict(quotas or {})
        self._token = token
        self._clock = clock
        self._windows = CallWindows(monotonic, minute_seconds)
        self._tally = Tally()
        self._stopping = threading.Event()
        try:
            self._connections = Connections(
                (host, port),
                self.answer,
                Desk(self.status, self.set_clock),
                self.identity,
                Patience(stall_seconds, drip_seconds),
            )
        except OSError as error:
            raise SandboxProblem(
                _("Port %(port)s of %(host)s cannot be used: %(strerror)s.")
                % {"port": port, "host": host, "strerror": error.strerror}
            ) from None
        self.url = f"http://{host}:{self._connections.server_port}"
        self._thread = threading.Thread(
            target=self._connections.serve_forever, args=(0.05,), name="sandbox", daemon=True
        )

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Stop listening, cut open connections, wait for the threads."""
        # Cut first: a call that waits for its latency must not be answered early instead.
        self._connections.cut(serving=self._thread.is_alive())
        self._stopping.set()
        self._connections.server_close()
        if self._thread.is_alive():
            self._thread.join()

    def __enter__(self) -> Sandbox:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def served(self) -> Counter[str]:
        """Calls answered with code 0, by endpoint; spoiled answers are not among them."""
        return self._tally.served

    @property
    def refused(self) -> Counter[str]:
        """Calls refused with a code other than 0, by endpoint."""
        return self._tally.refused

    @property
    def refusal_reasons(self) -> Counter[tuple[str, str]]:
        """Refused calls by (endpoint, reason): rate, permission, token, parameter, endpoint."""
        return self._tally.refusal_reasons

    @property
    def faulted(self) -> Counter[str]:
        """Spoiled answers, by fault."""
        return self._tally.faulted

    @property
    def faults_by_endpoint(self) -> Counter[tuple[str, str]]:
        """Spoiled answers, by (endpoint, fault)."""
        return self._tally.faults_by_endpoint

    @property
    def requests(self) -> list[tuple[str, dict[str, str]]]:
        """Calls as they arrived: endpoint and parameters, never the token."""
        return self._tally.requests

    @property
    def cells(self) -> Counter[Cell]:
        """Answers that were sent whole and unspoiled, by endpoint and parameters, sorted by name."""
        return self._tally.cells

    def truth(self, api_name: str, **params: str) -> tuple[tuple[str, ...], Rows]:
        """Every field and row there is, with nothing held back, cut or spoiled; restated as by now."""
        fields, rows = self._whole(api_name, params)
        return fields, self.restatements.applied(api_name, fields, rows, self._clock())

    def restated(self, api_name: str, **params: str) -> list[Restatement]:
        """What is told otherwise by now than it was at first, in the rows that the parameters name."""
        fields, rows = self._whole(api_name, params)
        return self.restatements.listed(api_name, fields, rows, self._clock())

    def answer(self, path: str, body: bytes) -> Reply:
        """The reply to one call, after the latency and with its fault, if it meets one."""
        api_name, refusal, data, params = "", None, None, dict[str, str]()
        try:
            request = parse_request(path, body)
            api_name, params = request.api_name, dict(request.params)
            self._tally.arrived(api_name, params)
            data = self._data(request)
        except Refusal as caught:
            refusal = caught
        if self.latency_ms:
            self._stopping.wait(self.latency_ms / 1000)
        honest = Reply(
            envelope(code=refusal.code, text=refusal.text) if refusal else envelope(data=data)
        )
        fate = self.faults.next(api_name, params)
        reply = fate.spoil(api_name, honest) if fate else honest
        # A fault that does not apply, as no rows to a refusal, leaves the reply as it is.
        fault = fate.name if fate and reply is not honest else ""
        reason = refusal.reason if refusal else ""
        self._tally.answered(api_name, params, fault=fault, reason=reason)
        outcome = fault or reason or "ok"
        logger.debug("action=answer api_name=%s outcome=%s", api_name, outcome)
        return reply

    def status(self) -> dict[str, object]:
        """What GET /status tells: points, and calls by endpoint; nothing of any token."""
        return {
            "source": self.identity,
            "points": self.points,
            "now": self._clock().astimezone(SHANGHAI).isoformat(timespec="seconds"),
            **self._tally.summary(),
        }

    def set_clock(self, body: bytes) -> dict[str, object]:
        """What PUT /clock does: {"now": MOMENT} sets the clock, {"advance_seconds": N} moves it on.

        Raises:
            SandboxProblem: it asks for neither, or the clock is one that cannot be moved.
        """
        if not isinstance(self._clock, MovableClock):
            raise SandboxProblem(_("The clock of this sandbox cannot be moved."))
        move_clock(self._clock, body)
        return {"now": self._clock().astimezone(SHANGHAI).isoformat(timespec="seconds")}

    def _data(self, request: Request) -> dict[str, object]:
        api_name = request.api_name
        if not request.token or (self._token is not None and request.token != self._token):
            raise bad_token()
        check_permission(api_name, self.points)
        quota = self.quotas.get(api_name) or self.quota or quota_of(self.points)
        self._windows.count(request.token, api_name, quota)
        if api_name == "user":
            return _table(_ACCOUNT_FIELDS, [self._account()], list(_ACCOUNT_FIELDS), Page(), 1)
        if not self.market.serves(api_name):
            raise self.market.refuse(api_name)
        page = page_of(request.params)
        fields, rows = self.market.rows(api_name, request.params)
        now = self._clock()
        rows = self.restatements.applied(api_name, fields, rows, now)
        rows = self.publication.shown(api_name, fields, rows, now)
        kept = list(kept_columns(request.fields, fields, self.market.default_fields(api_name)))
        most_rows = ENDPOINTS.get(api_name, Endpoint()).most_rows
        return _table(fields, rows, kept, page, most_rows)

    def _whole(self, api_name: str, params: Mapping[str, str]) -> tuple[tuple[str, ...], Rows]:
        if isinstance(self.market, TruthTeller):
            return self.market.truth(api_name, params)
        return self.market.rows(api_name, params)

    def _account(self) -> list[object]:
        expires = self._clock() + dt.timedelta(days=365)
        return ["sandbox", f"{expires:%Y-%m-%d}", float(self.points)]


def _table(
    fields: tuple[str, ...], rows: Rows, kept: list[str], page: Page, most_rows: int
) -> dict[str, object]:
    """The `data` of an answer: the kept fields in their order, rows cut at page and cap."""
    end = page.offset + page.size(most_rows)
    more = len(rows) > end
    cut = rows[page.offset : end] if more or page.offset else rows
    if kept == list(fields[: len(kept)]):
        cut = cut if len(kept) == len(fields) else [row[: len(kept)] for row in cut]
    else:
        positions = [fields.index(name) for name in kept]
        cut = [[row[position] for position in positions] for row in cut]
    return {"fields": kept, "items": cut, "has_more": more, "count": -1}
