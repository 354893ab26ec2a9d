"""The ledger: one row per dataset and cell, read for planning and written with the cell's rows."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Iterable, Sequence

from django.db import transaction
from django.db.models import Min
from django.utils.translation import gettext as _

from datasync_app.datasets.base import Cell, Dataset
from datasync_app.dates import market_day
from datasync_app.engine.checks import AGREEMENT_GAP, Earlier, Reason, Verdict
from datasync_app.engine.denial import NOT_AVAILABLE
from datasync_app.errors import LedgerRefused
from datasync_app.models import GOOD_STATES, CellState, SyncLedger

FIRST_RETRY = dt.timedelta(minutes=30)
LONGEST_RETRY = dt.timedelta(hours=12)
# On the trade date and the day after it, what is not out yet comes soon.
FRESH_RETRIES = tuple(dt.timedelta(minutes=minutes) for minutes in (10, 15, 20, 30, 60))
_NAMED = 5

# One round trip makes the row if need be, locks it and reads it.
_LOCKED = """
    INSERT INTO sync_ledger (dataset, cell, cell_date, state, received_rows, missing, fingerprint,
                             attempts, last_error, updated_at)
    VALUES (%s, %s, %s, %s, 0, '{}', '', 0, '', now())
    ON CONFLICT (dataset, cell) DO UPDATE SET dataset = EXCLUDED.dataset
    RETURNING *
"""


def entries(dataset: Dataset, cells: Iterable[Cell]) -> dict[str, SyncLedger]:
    """The ledger rows of those cells that have one, by cell key."""
    keys = [cell.key for cell in cells]
    return {
        entry.cell: entry
        for entry in SyncLedger.objects.filter(dataset=dataset.name, cell__in=keys)
    }


def stands(entry: SyncLedger | None, now: dt.datetime) -> bool:
    """Is the cell good, and not one that is to be asked for again by now (`reset`, a doubt)?"""
    if entry is None or entry.state not in GOOD_STATES:
        return False
    return entry.next_attempt_at is None or entry.next_attempt_at > now


def waits(entry: SyncLedger | None, now: dt.datetime) -> bool:
    """Is the cell itself to be left alone until later?

    One that was never answered is not: a denial, a spent quota or an outage belongs to the token,
    the endpoint or the source, which know by themselves when to ask again.
    """
    if entry is None or not entry.attempts or entry.next_attempt_at is None:
        return False
    return entry.next_attempt_at > now


def locked_entry(dataset: Dataset, cell: Cell) -> SyncLedger:
    """The cell's row, made if need be and locked: two writers of one cell take turns."""
    values = [dataset.name, cell.key, cell.date, CellState.DUE]
    (entry,) = SyncLedger.objects.raw(_LOCKED, values)
    return entry


def earlier_fetch(entry: SyncLedger) -> Earlier | None:
    if entry.missing_since is None:
        return None
    agreed = (code for code, reason in entry.missing.items() if reason == Reason.AGREED)
    return Earlier(frozenset(entry.missing), entry.missing_since, frozenset(agreed))


def write_verdict(
    entry: SyncLedger,
    verdict: Verdict,
    *,
    received: int,
    fingerprint: str,
    now: dt.datetime,
    read_twice: bool = False,
) -> CellState:
    """Record a fetch whose rows are held; gives the state that the cell has now.

    What a person accepted stays so while no other code is missing. One that is to be `read_twice`
    is good, and asked for again until a second answer has the same rows.
    """
    second = _second_reading(entry, fingerprint, now) if read_twice else None
    if entry.missing_since is None or set(entry.missing) != set(verdict.missing):
        entry.missing_since = now
    state = verdict.state
    if (
        entry.accepted_by
        and state is CellState.PARTIAL
        and set(verdict.missing) <= set(entry.missing)
    ):
        state = CellState.COMPLETE
    else:
        entry.accepted_by = entry.accepted_reason = ""
    is_good = state in GOOD_STATES
    entry.attempts = 0 if is_good else entry.attempts + 1
    entry.fetched_at = now
    entry.state = state
    entry.expected_rows = verdict.expected
    entry.received_rows = received
    entry.missing = dict(verdict.missing)
    entry.fingerprint = fingerprint
    entry.last_error = verdict.problem
    entry.doubt = None
    entry.not_asked = []
    entry.next_attempt_at = second if is_good else now + wait(entry, now)
    entry.save()
    return state


def _second_reading(entry: SyncLedger, fingerprint: str, now: dt.datetime) -> dt.datetime | None:
    """When these rows are to be asked for again; None once they were, long enough after the first."""
    if entry.fetched_at is None or entry.fingerprint != fingerprint:
        return now + AGREEMENT_GAP
    pending = entry.next_attempt_at
    return pending if pending is not None and pending > now else None


def write_problem(
    entry: SyncLedger,
    state: CellState,
    problem: str,
    *,
    now: dt.datetime,
    retry_at: dt.datetime | None,
) -> None:
    """Record a fetch that stored nothing. A good cell stays good: its rows are still there."""
    entry.last_error = problem
    is_good = entry.state in GOOD_STATES
    if state is not CellState.DUE:
        entry.attempts += 1
    if not is_good:
        # Rows of an earlier partial fetch are still held; saying less would be a lie.
        entry.state = state if not entry.received_rows else CellState.PARTIAL
    if not is_good or entry.next_attempt_at is not None:
        entry.next_attempt_at = retry_at or now + wait(entry, now)
    entry.save()


def postpone(
    entry: SyncLedger, problem: str, *, now: dt.datetime, retry_at: dt.datetime | None
) -> None:
    """Note, without saving, why a cell could not even be asked for. A good one stays good."""
    entry.last_error = problem
    if entry.state not in GOOD_STATES:
        entry.next_attempt_at = retry_at or now + wait(entry, now)


def confirms(entry: SyncLedger, vanished: Sequence[str], now: dt.datetime) -> bool:
    """Did an earlier answer, long enough ago, lack just these keys of what is held?"""
    if entry.doubt is None or entry.doubt["digest"] != _digest(vanished):
        return False
    return now - dt.datetime.fromisoformat(entry.doubt["since"]) >= AGREEMENT_GAP


def write_doubt(
    entry: SyncLedger, vanished: Sequence[str], *, received: int, now: dt.datetime
) -> None:
    """Record an answer that lacks keys that are held. They stay held, and it is asked again.

    A good cell stays good, and a partial one partial.
    """
    digest = _digest(vanished)
    since = entry.doubt["since"] if entry.doubt and entry.doubt["digest"] == digest else None
    entry.doubt = {
        "digest": digest,
        "since": since or now.isoformat(),
        "rows": received,
        "lacks": len(vanished),
        "such_as": sorted(vanished)[:_NAMED],
    }
    named = ", ".join(entry.doubt["such_as"]) + (", …" if len(vanished) > _NAMED else "")
    entry.last_error = (
        f"the source now lacks {len(vanished)} of the {entry.received_rows} rows that are held "
        f"({named}); they are kept until a second fetch agrees"
        if received
        else f"the source now has no rows, while {entry.received_rows} are held"
    )
    entry.attempts += 1
    entry.next_attempt_at = now + max(wait(entry, now), AGREEMENT_GAP)
    entry.save()


def accept(dataset: Dataset, cell: str, who: str, reason: str, *, now: dt.datetime) -> SyncLedger:
    """Let a partial cell count as complete, because a person says so.

    It stays complete while later fetches lack nothing else.

    Raises:
        LedgerRefused: the cell is not partial, or nobody or no reason is given.
    """
    if not who.strip() or not reason.strip():
        raise LedgerRefused(_("To accept a cell takes a person's name and a reason."))
    with transaction.atomic():
        entry = _existing(dataset, cell)
        if entry.state != CellState.PARTIAL:
            raise LedgerRefused(
                _(
                    "%(dataset)s %(cell)s is %(state)s; only a partial cell, which holds rows and "
                    "lacks some, can be accepted as it is."
                )
                % {"dataset": dataset.name, "cell": cell, "state": entry.get_state_display()}
            )
        entry.state = CellState.COMPLETE
        entry.accepted_by, entry.accepted_reason = who.strip(), reason.strip()
        entry.attempts, entry.next_attempt_at, entry.last_error = 0, None, ""
        entry.updated_at = now
        entry.save()
    return entry


def reset(dataset: Dataset, cell: str, *, now: dt.datetime) -> SyncLedger:
    """Ask for the cell again at the next run, from the shortest wait on. A good one stays good.

    An acceptance ends: the next fetch is judged anew.

    Raises:
        LedgerRefused: the ledger has no such cell.
    """
    with transaction.atomic():
        entry = _existing(dataset, cell)
        if entry.accepted_by:
            entry.state = CellState.PARTIAL
            entry.accepted_by = entry.accepted_reason = ""
        entry.attempts, entry.next_attempt_at, entry.updated_at = 0, now, now
        entry.save()
    return entry


def next_attempt(
    datasets: Iterable[str], *, after: dt.datetime | None = None
) -> dt.datetime | None:
    """When the first of their cells is to be asked for again; denied ones wait for the token.

    A run that began `after` would have asked for earlier ones, if it were the one to do so.
    """
    waiting = SyncLedger.objects.filter(
        dataset__in=list(datasets), next_attempt_at__isnull=False
    ).exclude(last_error__startswith=NOT_AVAILABLE)
    if after is not None:
        waiting = waiting.filter(next_attempt_at__gt=after)
    earliest: dt.datetime | None = waiting.aggregate(at=Min("next_attempt_at"))["at"]
    return earliest


def _existing(dataset: Dataset, cell: str) -> SyncLedger:
    entry = SyncLedger.objects.select_for_update().filter(dataset=dataset.name, cell=cell).first()
    if entry is None:
        said = _("The ledger has no cell %(cell)s of %(dataset)s.")
        raise LedgerRefused(said % {"cell": repr(cell), "dataset": dataset.name})
    return entry


def wait(entry: SyncLedger, now: dt.datetime) -> dt.timedelta:
    """Growing waits: from 10 minutes near a trade date, else from 30, doubled up to 12 hours."""
    attempts = max(entry.attempts, 1)
    if entry.cell_date and market_day(now) - entry.cell_date <= dt.timedelta(days=1):
        if attempts <= len(FRESH_RETRIES):
            return FRESH_RETRIES[attempts - 1]
        attempts -= len(FRESH_RETRIES) - 2
    doublings = min(attempts - 1, 10)
    return min(FIRST_RETRY * (1 << doublings), LONGEST_RETRY)


def _digest(keys: Sequence[str]) -> str:
    return hashlib.sha256("\n".join(sorted(keys)).encode()).hexdigest()
