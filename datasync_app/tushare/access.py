"""What is known of one endpoint for one account, and what follows from it. Pure: no clock, no tables.

A refusal by the minute teaches a limit: the smaller of the stated one and what we had in the window
when refused, times 0.95. Every clean window raises it by 5 % towards the stated one. Where we had
made few calls, others use the same account or an earlier process did; then one refusal costs at
most three quarters, as the number tells of them and not of the limit. Calls that were under way
together are refused together: they teach once.

A moment that lies further ahead than whatever wrote it would put it was written before the clock was
set back, and says nothing any more.
"""

from __future__ import annotations

import datetime as dt
import math
from dataclasses import dataclass

from datasync_app.tushare.outcomes import DenialKind, RateUnit

DEFAULT_MAX_CALLS = 195
# Calls a minute by points: the tier's stated limit less a little, as other scripts may call too.
CALLS_BY_POINTS = ((10_000, 980), (5_000, 490), (2_000, 195), (0, 45))
# While the first question for the points is open, the account counts as one of the lowest tier.
UNKNOWN_POINTS = 120
POINTS_AWAITED = dt.timedelta(seconds=60)
LEARNED_SHARE = 0.95
RAISE = 1.05
LEAST_LEARNED_SHARE = 0.25
# A denial is believed for so long. Less than a day, so that the same hour tomorrow asks again;
# addresses are released within the hour, and a token may be repaired.
DENIAL_LASTS = {
    DenialKind.PERMISSION: dt.timedelta(hours=20),
    DenialKind.TOKEN: dt.timedelta(hours=1),
    DenialKind.IP: dt.timedelta(hours=1),
}
SPENT_LASTS = {RateUnit.HOUR: dt.timedelta(hours=1), RateUnit.DAY: dt.timedelta(days=1)}
# That an endpoint answers is written down this often.
ANSWER_KNOWN = dt.timedelta(hours=1)
# Clocks are corrected by so much all the time.
SET_BACK_UNNOTICED = dt.timedelta(minutes=1)


@dataclass(frozen=True)
class Denial:
    kind: DenialKind
    code: int | None
    text: str
    at: dt.datetime

    @property
    def until(self) -> dt.datetime:
        """When it is no longer believed."""
        return self.at + DENIAL_LASTS[self.kind]


@dataclass(frozen=True)
class Spent:
    """The calls of an hour or a day are used up."""

    until: dt.datetime
    limit: int | None
    unit: RateUnit
    code: int | None
    text: str


@dataclass(frozen=True)
class Access:
    """As it was known at `now`, by the clock that wrote it.

    `points_asked_at` is set while nobody has ever been told the points.
    """

    now: dt.datetime
    points: int | None = None
    points_asked_at: dt.datetime | None = None
    stated_limit: int | None = None
    learned_limit: int | None = None
    learned_at: dt.datetime | None = None
    raised_at: dt.datetime | None = None
    set_limit: int | None = None
    denial: Denial | None = None
    spent: Spent | None = None
    answered_at: dt.datetime | None = None

    def says_new(self) -> bool:
        """Whether an answer now tells more than is written: that nothing stands in the way."""
        known = self.answered_at is not None and self.now < self.answered_at + ANSWER_KNOWN
        return not known or self.denial is not None or self.spent is not None

    def counts_as(self) -> int | None:
        """The points that decide the limit: those told, or the lowest while they are asked for."""
        asked = self.points_asked_at
        if self.points is None and asked is not None and self.now < asked + POINTS_AWAITED:
            return UNKNOWN_POINTS
        return self.points

    def denial_in_force(self) -> Denial | None:
        denial = self.denial
        return denial if denial and self._awaits(denial.until, DENIAL_LASTS[denial.kind]) else None

    def spent_in_force(self) -> Spent | None:
        spent = self.spent
        lasts = SPENT_LASTS.get(spent.unit, SPENT_LASTS[RateUnit.DAY]) if spent else dt.timedelta()
        return spent if spent and self._awaits(spent.until, lasts) else None

    def _awaits(self, end: dt.datetime, lasts: dt.timedelta) -> bool:
        return self.now < end <= self.now + lasts + SET_BACK_UNNOTICED


@dataclass(frozen=True)
class LimitRules:
    """What decides beside the knowledge: the settings, per window of `window_seconds`.

    `minute_seconds` is how long the source's own window lasts, should ours be shorter.
    """

    max_calls: int | None = None
    window_seconds: float = 60.0
    share: float = 1.0
    learned_lasts: dt.timedelta = dt.timedelta(days=7)
    minute_seconds: float = 0.0

    @property
    def refusal_lasts(self) -> dt.timedelta:
        """Until a call that was refused now counts no longer, in our window and in the source's."""
        return dt.timedelta(seconds=max(self.window_seconds, self.minute_seconds))

    def account_limit(self, access: Access) -> int:
        """What the account may do as a whole: setting, else staff, else stated, else points."""
        if self.max_calls is not None:
            return self.max_calls
        if access.set_limit is not None:
            return access.set_limit
        if self.remembers(access) and access.stated_limit is not None:
            return access.stated_limit
        points = access.counts_as()
        return DEFAULT_MAX_CALLS if points is None else calls_for_points(points)

    def in_force(self, access: Access) -> int:
        """The calls we make in a window: our share of the account's limit, and what was learned."""
        limit = max(1, int(self.account_limit(access) * self.share))
        staff_decides = self.max_calls is None and access.set_limit is not None
        if staff_decides or not self.remembers(access) or access.learned_limit is None:
            return limit
        return min(limit, access.learned_limit)

    def remembers(self, access: Access) -> bool:
        """Whether what was learned is still young enough to count."""
        return access.learned_at is not None and access.now < access.learned_at + self.learned_lasts

    def learned(self, access: Access, stated: int | None, had: int) -> int:
        """The limit that a refusal teaches, with `had` of our calls in the window."""
        limit = min(self.in_force(access), stated) if stated else self.in_force(access)
        taught = int(min(limit if stated is None else stated, had) * LEARNED_SHARE)
        return max(taught, int(limit * LEAST_LEARNED_SHARE), 1)

    def taught_lately(self, access: Access) -> bool:
        """Whether a refusal of this window has taught already."""
        at = access.learned_at
        return at is not None and abs(access.now - at) < self.refusal_lasts

    def raised(self, access: Access) -> int | None:
        """The next higher limit when a clean window has passed since the last change."""
        if access.learned_limit is None or access.raised_at is None:
            return None
        ceiling = access.stated_limit or self.account_limit(access)
        window = self.refusal_lasts
        dirty = access.raised_at + window > access.now >= access.raised_at - window
        if access.learned_limit >= ceiling or dirty:
            return None
        return min(ceiling, math.ceil(access.learned_limit * RAISE))


def calls_for_points(points: int) -> int:
    """Calls a minute that an account with so many points may make of one endpoint."""
    return next(calls for threshold, calls in CALLS_BY_POINTS if points >= threshold)
