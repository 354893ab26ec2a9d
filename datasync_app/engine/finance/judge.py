"""Is a report held? Decided on its company's disclosure, its window, and what earlier fetches found.

Late and missing are different things: for 15 days a report that was disclosed, or had to be, may
still come, and is asked for often. After that, two fetches that agree close its cell without it.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from django.utils.translation import gettext_noop

from datasync_app.dates import market_day, show_date
from datasync_app.engine.checks import AGREEMENT_GAP
from datasync_app.engine.finance.expected import Report
from datasync_app.models import CellState, SyncLedger

AGREED = "two fetches agree that it has no row"
IN_QUARANTINE = gettext_noop("its row is in quarantine")
NO_ROW_YET = gettext_noop("the source has no row yet")
DISCLOSED = gettext_noop("disclosed on %(date)s, %(lacking)s")
NOT_DISCLOSED = gettext_noop("not disclosed by %(date)s, %(lacking)s")
# Waits between fetches that found nothing: the first one, doubled up to the longest.
DISCLOSED_WAIT = (dt.timedelta(hours=2), dt.timedelta(hours=12))
UNDISCLOSED_WAIT = (dt.timedelta(days=1), dt.timedelta(days=7))
CONFIRMED_WAIT = (dt.timedelta(days=7), dt.timedelta(days=90))


@dataclass(frozen=True)
class Received:
    """What an answer held of one report. `announced` is the newest date of its versions."""

    rows: int = 0
    announced: dt.date | None = None
    fingerprint: str = ""
    quarantined: bool = False


def settle(
    entry: SyncLedger, received: Received, report: Report | None, *, now: dt.datetime
) -> None:
    """Bring a ledger row to where an answer puts it; `report` is why it was expected, if it was."""
    today = market_day(now)
    entry.fetched_at = now
    entry.expected_rows = 1
    entry.last_error = ""
    if not received.rows and entry.received_rows:
        # Nothing is deleted, so what is held stays held.
        entry.last_error = f"the source now has no row, while {entry.received_rows} are held"
    elif not received.rows and report is not None:
        _absent(entry, received, report, now=now)
    elif report is not None and report.is_late(today) and _is_older(received, report):
        entry.state = CellState.PARTIAL
        _note_received(entry, received)
        _await(entry, report, "what is held was announced before that", now=now)
    else:
        entry.state = CellState.COMPLETE
        _note_received(entry, received)
        entry.missing, entry.missing_since, entry.disputes = {}, None, {}
        entry.attempts, entry.next_attempt_at = 0, None


def _absent(entry: SyncLedger, received: Received, report: Report, *, now: dt.datetime) -> None:
    agrees = entry.missing_since is not None and now - entry.missing_since >= AGREEMENT_GAP
    entry.fingerprint = ""
    lacking = IN_QUARANTINE if received.quarantined else NO_ROW_YET
    if report.is_late(market_day(now)):
        entry.state = CellState.DUE
        _await(entry, report, lacking, now=now)
    elif agrees:
        if entry.state != CellState.EMPTY_CONFIRMED:
            entry.attempts = 0
        entry.state = CellState.EMPTY_CONFIRMED
        entry.missing = {report.code: IN_QUARANTINE if received.quarantined else AGREED}
        entry.disputes = {report.code: ["disclosure_date"]} if report.disclosed else {}
        entry.next_attempt_at = now + _wait(CONFIRMED_WAIT, entry.attempts)
        entry.attempts += 1
    else:
        entry.state = CellState.DUE
        _await(entry, report, lacking, now=now)
        entry.next_attempt_at = now + AGREEMENT_GAP


def _await(entry: SyncLedger, report: Report, lacking: str, *, now: dt.datetime) -> None:
    said, since = (
        (DISCLOSED, report.disclosed) if report.disclosed else (NOT_DISCLOSED, report.closes)
    )
    entry.missing = {report.code: said % {"date": show_date(since), "lacking": lacking}}
    entry.missing_since = entry.missing_since or now
    entry.last_error = entry.missing[report.code]
    waits = DISCLOSED_WAIT if report.disclosed else UNDISCLOSED_WAIT
    entry.next_attempt_at = now + _wait(waits, entry.attempts)
    entry.attempts += 1


def _note_received(entry: SyncLedger, received: Received) -> None:
    entry.received_rows = received.rows
    entry.fingerprint = received.fingerprint


def _is_older(received: Received, report: Report) -> bool:
    """Whether all that came was announced before the disclosure, as in a prospectus."""
    return (
        report.disclosed is not None
        and received.announced is not None
        and received.announced < report.disclosed
    )


def _wait(waits: tuple[dt.timedelta, dt.timedelta], attempts: int) -> dt.timedelta:
    first, longest = waits
    return min(first * (1 << min(attempts, 10)), longest)
