"""Every call that was let go, written to the database in small batches off the call's path."""

from __future__ import annotations

import atexit
import datetime as dt
import functools
import json
import logging
import os
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass

from datasync_app.models import CallOutcome
from datasync_app.tushare.database import QuotaDatabase, quota_database, storable
from datasync_app.tushare.outcomes import (
    Answer,
    BadRequest,
    Denied,
    Mismatched,
    RateLimited,
    TransportFailure,
    TushareError,
    without_token,
)
from datasync_app.tushare.wire import Call

logger = logging.getLogger(__name__)

FLUSH_SECONDS = 1.0
IDLE_SECONDS = 5.0
BATCH = 500
# With the database away, so many calls are kept in memory before the oldest are lost, and counted.
KEPT = 20_000
PRUNE_EVERY_SECONDS = 3600.0
PRUNE_BATCH = 5_000
_MESSAGE_LENGTH = 500
_VALUE_LENGTH = 200

_COLUMNS = (
    "at, token_fingerprint, api_name, params, duration_ms, waited_ms, quota, rows, outcome, code,"
    " message"
)
# A day of Shanghai is counted once it is an hour over: until then other processes may write of it.
_COUNT_A_DAY = """
    WITH next AS (
        SELECT (min(at) AT TIME ZONE 'Asia/Shanghai')::date AS day FROM tushare_call
        WHERE at >= coalesce(
            (SELECT max(day) + 1 FROM tushare_past_day)::timestamp AT TIME ZONE 'Asia/Shanghai',
            '-infinity')
    ), over AS (
        SELECT day FROM next WHERE
            (day + 1)::timestamp AT TIME ZONE 'Asia/Shanghai' <= %s::timestamptz - interval '1 hour'
    )
    INSERT INTO tushare_past_day (day, token_fingerprint, api_name, calls, "rows", p50_ms, p95_ms,
        waited_ms, refusals, failures, quota_used)
    SELECT counted.* FROM over CROSS JOIN LATERAL tushare_calls_by_day(
        over.day::timestamp AT TIME ZONE 'Asia/Shanghai',
        (over.day + 1)::timestamp AT TIME ZONE 'Asia/Shanghai'
    ) AS counted
    ON CONFLICT DO NOTHING RETURNING 1
"""
# What was kept through an outage is written late: the days since are counted anew.
_COUNT_ANEW = """
    DELETE FROM tushare_past_day
    WHERE day >= (%s::timestamptz AT TIME ZONE 'Asia/Shanghai')::date
"""
_PRUNE = """
    DELETE FROM tushare_call WHERE id IN (
        SELECT id FROM tushare_call WHERE at < clock_timestamp() - make_interval(days => %s)
        ORDER BY at LIMIT %s
    ) RETURNING 1
"""


_FAILURES: tuple[tuple[type[TushareError], CallOutcome], ...] = (
    (RateLimited, CallOutcome.RATE_LIMITED),
    (Denied, CallOutcome.DENIED),
    (BadRequest, CallOutcome.BAD_REQUEST),
    (Mismatched, CallOutcome.MISMATCHED),
    (TransportFailure, CallOutcome.TRANSPORT),
)


@dataclass(frozen=True)
class JournalEntry:
    """One call. `quota` is the limit that held, `rows` what came, None for a failure."""

    at: dt.datetime
    token_fingerprint: str
    api_name: str
    params: Mapping[str, object]
    duration_ms: int
    waited_ms: int
    quota: int
    rows: int | None
    outcome: str
    code: int | None
    message: str

    def values(self) -> list[object]:
        return [
            self.at,
            self.token_fingerprint,
            storable(self.api_name, 64),
            shown_params(self.params),
            self.duration_ms,
            self.waited_ms,
            self.quota,
            self.rows,
            self.outcome,
            self.code if self.code is not None and abs(self.code) < 2**31 else None,
            storable(self.message, _MESSAGE_LENGTH),
        ]


def journal_entry(
    call: Call,
    outcome: Answer | TushareError,
    account: str,
    *,
    at: dt.datetime,
    seconds: float,
    waited: float,
    quota: int,
) -> JournalEntry:
    """A call that ended, with the seconds it took and those it had waited for its slot."""
    failure = outcome if isinstance(outcome, TushareError) else None
    return JournalEntry(
        at=at,
        token_fingerprint=account,
        api_name=call.api_name,
        params=call.params,
        duration_ms=round(seconds * 1000),
        waited_ms=round(waited * 1000),
        quota=quota,
        rows=len(outcome.items) if isinstance(outcome, Answer) else None,
        outcome=_word(outcome),
        code=failure.code if failure else 0,
        message=str(failure) if failure else "",
    )


def _word(outcome: Answer | TushareError) -> str:
    if isinstance(outcome, Answer):
        return outcome.kind.value
    return next(word.value for kind, word in _FAILURES if isinstance(outcome, kind))


def shown_params(params: Mapping[str, object]) -> str:
    """As JSON, without the token and with long lists cut."""
    shown = {}
    for name, value in without_token(params).items():
        text = ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
        if len(text) > _VALUE_LENGTH:
            text = f"{text[:_VALUE_LENGTH]}… ({text.count(',') + 1} values)"
        shown[storable(str(name), _VALUE_LENGTH)] = storable(text, 2 * _VALUE_LENGTH)
    return json.dumps(shown, ensure_ascii=False)


class CallJournal:
    """Of the process. A thread writes once a second while there are calls, and ends without."""

    def __init__(self, database: QuotaDatabase, *, keep_days: int = 30) -> None:
        self.keep_days = keep_days
        self._database = database
        self._start_anew()

    def _start_anew(self) -> None:
        """Without anything of a parent process: its entries, its writer, the locks it may have held."""
        self._entries: list[JournalEntry] = []
        self._lock = threading.Lock()
        self._flushing = threading.Lock()
        self._writer: threading.Thread | None = None
        self._pruned_at: float | None = None
        self._lost = 0
        self._has_complained = False
        self._process = os.getpid()

    def record(self, entry: JournalEntry) -> None:
        """Keep an entry for the next write. Never waits, never fails."""
        if self._process != os.getpid():
            self._start_anew()
        with self._lock:
            self._entries.append(entry)
            if len(self._entries) > KEPT:
                del self._entries[0]
                self._lost += 1
            if self._writer is None:
                self._writer = threading.Thread(
                    target=self._write_while_needed, name="call-journal", daemon=True
                )
                self._writer.start()

    def flush(self) -> bool:
        """Write what there is. False when the database does not take it; it is kept for later."""
        if self._process != os.getpid():
            self._start_anew()
        with self._flushing:
            while True:
                with self._lock:
                    batch = self._entries[:BATCH]
                    lost, self._lost = self._lost, 0
                if lost:
                    logger.error("action=journal lost=%d calls, too many to keep in memory", lost)
                if not batch:
                    return True
                try:
                    self._write(batch)
                except Exception as error:
                    self._complain(error)
                    return False
                self._has_complained = False
                with self._lock:
                    # Those that were given up meanwhile were the oldest.
                    written = set(map(id, batch))
                    self._entries = [each for each in self._entries if id(each) not in written]

    def count_past_days(self, now: dt.datetime) -> None:
        """Count each day that is over and was not counted, a small transaction at a time."""
        while self._database.rows(_COUNT_A_DAY, [now]):
            pass

    def prune(self) -> int:
        """Remove what is older than `keep_days`, a small transaction at a time."""
        removed = 0
        while count := len(self._database.rows(_PRUNE, [self.keep_days, PRUNE_BATCH])):
            removed += count
        if removed:
            logger.info(
                "action=journal_prune removed=%d older_than_days=%d", removed, self.keep_days
            )
        return removed

    def _complain(self, error: Exception) -> None:
        """Once per outage."""
        if not self._has_complained:
            self._has_complained = True
            logger.error(
                "action=journal waiting=%d calls, written once the database takes them: %s",
                len(self._entries),
                error,
            )

    def _write(self, batch: list[JournalEntry]) -> None:
        row = f"({', '.join(['%s'] * len(batch[0].values()))})"
        self._database.rows(
            f"INSERT INTO tushare_call ({_COLUMNS}) VALUES {', '.join([row] * len(batch))}",  # noqa: S608
            [value for entry in batch for value in entry.values()],
        )
        self._database.rows(_COUNT_ANEW, [min(entry.at for entry in batch)])

    def _write_while_needed(self) -> None:
        quiet = 0.0
        while True:
            time.sleep(FLUSH_SECONDS)
            with self._lock:
                has_work = bool(self._entries)
                quiet = 0.0 if has_work else quiet + FLUSH_SECONDS
                if quiet >= IDLE_SECONDS:
                    self._writer = None
                    return
            if has_work and self.flush():
                self._prune_when_due()

    def _prune_when_due(self) -> None:
        now = time.monotonic()
        if self._pruned_at is not None and now < self._pruned_at + PRUNE_EVERY_SECONDS:
            return
        self._pruned_at = now
        try:
            self.count_past_days(dt.datetime.now(dt.UTC))
            self.prune()
        except Exception as error:
            logger.error("action=journal_prune: %s", error)


@functools.cache
def call_journal() -> CallJournal:
    """The journal of this process, written to the end when it ends."""
    journal = CallJournal(quota_database())
    atexit.register(journal.flush)
    return journal
