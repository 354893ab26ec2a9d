"""Is a cell complete? Decided on sets of codes, never on counts or percentages.

A percentage hides losses: 0.5 % of the market is 18 codes, while on a normal day two stop trading.
Pure functions: what is known comes in, a verdict goes out.
"""

from __future__ import annotations

import datetime as dt
import enum
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

from django.utils.translation import gettext_noop

from datasync_app.dates import show_date
from datasync_app.models import CellState

# At most six codes a day newly stop trading in the recorded market of 2019; where suspensions
# cannot be asked for, this many absences are presumed to be that.
PRESUMED_SUSPENSIONS = 10
# Two fetches must be this far apart before their agreement proves anything.
AGREEMENT_GAP = dt.timedelta(minutes=30)


class Reason(enum.StrEnum):
    """Why an expected code has no row. Only UNEXPLAINED keeps a cell partial."""

    SUSPENDED = gettext_noop("suspended all day")
    RENUMBERED = gettext_noop("renumbered: the date has it under its other code")
    BEFORE_EXCHANGE = gettext_noop("its exchange had not opened yet")
    LISTING_PAUSED = gettext_noop("listing paused")
    ABSENT_ON_REFERENCE = gettext_noop("no bar on the date it was compared with either")
    PRESUMED_SUSPENDED = gettext_noop("presumed suspended")
    AGREED = gettext_noop("two fetches agree that it has no row")
    UNEXPLAINED = gettext_noop("unexplained")


@dataclass(frozen=True)
class Reference:
    """The trade date to compare with: what was expected there and what is held."""

    date: dt.date
    expected: frozenset[str]
    received: frozenset[str]

    @property
    def absent(self) -> frozenset[str]:
        return self.expected - self.received


@dataclass(frozen=True)
class Earlier:
    """What the ledger says of the cell: the codes found missing, and since when just those.

    `settled` are those of them that two fetches agreed on before.
    """

    missing: frozenset[str]
    since: dt.datetime
    settled: frozenset[str] = frozenset()

    def without(self, codes: Collection[str]) -> Earlier:
        return Earlier(self.missing.difference(codes), self.since, self.settled)


@dataclass(frozen=True)
class Verdict:
    state: CellState
    expected: int | None = None
    missing: Mapping[str, str] = field(default_factory=dict)
    problem: str = ""


def no_reference() -> Reference | None:
    return None


def judge_codes(
    expected: frozenset[str],
    received: frozenset[str],
    *,
    known: Mapping[str, Reason] | None = None,
    reference: Callable[[], Reference | None] = no_reference,
    presume: bool = False,
    earlier: Earlier | None = None,
    now: dt.datetime,
) -> Verdict:
    """The verdict on a whole-market day.

    1. A missing code in `known` has that reason.
    2. One that was absent on the reference date too has its reason: it was for a while.
    3. Where suspensions cannot be asked for (`presume`), up to PRESUMED_SUSPENSIONS of the others
       are presumed to be that; more is a partial delivery. Without a reference nothing is presumed.
    4. A fetch that agrees with the earlier one, AGREEMENT_GAP apart, closes the cell all the same.

    `reference` is called only when it is needed.
    """
    if not received:
        return Verdict(
            CellState.DUE, len(expected), problem="the source has no rows of that day yet"
        )
    missing = expected - received
    reasons = {code: known[code] for code in missing & known.keys()} if known else {}
    unexplained = missing - reasons.keys()
    compared = reference() if unexplained else None
    if compared is not None:
        reasons |= dict.fromkeys(unexplained & compared.absent, Reason.ABSENT_ON_REFERENCE)
        unexplained -= compared.absent
        if presume and len(unexplained) <= PRESUMED_SUSPENSIONS:
            reasons |= dict.fromkeys(unexplained, Reason.PRESUMED_SUSPENDED)
            unexplained = frozenset()
    settled = earlier.settled if earlier else frozenset()
    agreed = unexplained if agrees(missing, earlier, now) else unexplained & settled
    reasons |= dict.fromkeys(agreed, Reason.AGREED)
    unexplained -= agreed
    reasons |= dict.fromkeys(unexplained, Reason.UNEXPLAINED)
    named = {code: str(reasons[code]) for code in sorted(reasons)}
    if not unexplained:
        return Verdict(CellState.COMPLETE, len(expected), named)
    problem = _missing_codes(sorted(unexplained), compared)
    return Verdict(CellState.PARTIAL, len(expected), named, problem)


def judge_days(
    expected: frozenset[dt.date],
    received: frozenset[dt.date],
    *,
    earlier: Earlier | None = None,
    now: dt.datetime | None = None,
) -> Verdict:
    """The verdict on a year: every expected day must have its row.

    Where `now` is given, two fetches AGREEMENT_GAP apart that lack the same days close it: an index
    has no bars from before it was made.
    """
    lacking = sorted(expected - received)
    if not received:
        return Verdict(CellState.DUE, len(expected), problem="the source has no day of it")
    if not lacking:
        return Verdict(CellState.COMPLETE, len(expected))
    days = frozenset(map(show_date, lacking))
    agreed = now is not None and agrees(days, earlier, now)
    reason = Reason.AGREED if agreed else Reason.UNEXPLAINED
    missing = dict.fromkeys(sorted(days), str(reason))
    if agreed:
        return Verdict(CellState.COMPLETE, len(expected), missing)
    problem = f"{len(lacking)} days are missing, the first {show_date(lacking[0])}"
    return Verdict(CellState.PARTIAL, len(expected), missing, problem)


def agrees(missing: frozenset[str], earlier: Earlier | None, now: dt.datetime) -> bool:
    """Has just this been found missing before, long enough ago to prove anything?"""
    return (
        earlier is not None and earlier.missing == missing and now - earlier.since >= AGREEMENT_GAP
    )


def find_disputes(
    held: frozenset[str],
    sisters: Mapping[str, frozenset[str]],
    *,
    excused: frozenset[str] = frozenset(),
) -> dict[str, list[str]]:
    """Codes that a sister dataset of the date holds and this one lacks, to those sisters' names.

    `excused` codes are suspended, or held under another number.
    """
    lacking = {name: codes - held - excused for name, codes in sorted(sisters.items())}
    disputed = sorted(frozenset().union(*lacking.values()))
    return {code: [name for name in lacking if code in lacking[name]] for code in disputed}


def _missing_codes(codes: list[str], reference: Reference | None) -> str:
    shown = ", ".join(codes[:15]) + (", …" if len(codes) > 15 else "")
    compared = (
        f"that {show_date(reference.date)} would explain"
        if reference
        else "with no other date to compare with"
    )
    noun = "code is" if len(codes) == 1 else "codes are"
    return f"{len(codes)} expected {noun} missing, none {compared}: {shown}"
