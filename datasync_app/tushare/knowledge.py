"""Where the knowledge of an account is kept: in the database for all processes, or in memory."""

from __future__ import annotations

import dataclasses
import datetime as dt
import threading
import time
from collections.abc import Callable
from typing import Any, Protocol

from datasync_app.tushare.access import UNKNOWN_POINTS, Access, Denial, LimitRules, Spent
from datasync_app.tushare.account import Account
from datasync_app.tushare.database import Values, storable
from datasync_app.tushare.outcomes import DenialKind, Denied, RateLimited, RateUnit

# What another process or staff wrote is seen within this time.
READ_AGAIN_SECONDS = 1.0
ACCOUNT_LASTS = dt.timedelta(days=1)
# A question for the account that failed is put again after so long.
ACCOUNT_AGAIN = dt.timedelta(minutes=10)
_TEXT_LENGTH = 500


class Database(Protocol):
    def rows(self, statement: str, values: Values = ()) -> list[tuple[Any, ...]]: ...


class Knowledge(Protocol):
    """Of one account. `now` is the caller's clock; a store with a clock of its own ignores it."""

    def of(self, api_name: str, now: dt.datetime) -> Access: ...

    def look_anew(self, api_name: str) -> None:
        """What others wrote up to now is seen by the next `of`."""

    def learn(self, api_name: str, stated: int | None, had: int, now: dt.datetime) -> None:
        """A refusal by the minute, with `had` calls of ours in the window. One a window teaches."""

    def raise_limit(self, api_name: str, access: Access, limit: int) -> None: ...

    def spend(self, refusal: RateLimited, now: dt.datetime) -> None:
        """A refusal by the hour or the day."""

    def deny(self, refusal: Denied, now: dt.datetime) -> None: ...

    def allow(self, api_name: str, now: dt.datetime) -> None:
        """The endpoint answered, so whatever denied it is over."""

    def account_has(self, account: Account, now: dt.datetime) -> None: ...

    def account_is_not_told(self, now: dt.datetime) -> None:
        """The source does not tell: no use in asking again before tomorrow."""

    def account(self) -> Account | None:
        """As last told, however old."""

    def may_ask_account(self, now: dt.datetime) -> bool:
        """True for whoever asks first: once a day, and every 10 minutes until it is answered."""


class MemoryKnowledge:
    """For tests, and for clients without a database."""

    def __init__(self, rules: LimitRules, points: int | None = None) -> None:
        self._rules = rules
        self._points = points
        self._account: Account | None = None
        self._asked_at: dt.datetime | None = None
        self._account_answered_at: dt.datetime | None = None
        self._known: dict[str, Access] = {}
        self._lock = threading.Lock()

    def of(self, api_name: str, now: dt.datetime) -> Access:
        with self._lock:
            return self._at(now, api_name)

    def look_anew(self, api_name: str) -> None:
        """Nothing to do: nobody else writes here."""

    def learn(self, api_name: str, stated: int | None, had: int, now: dt.datetime) -> None:
        def taught(access: Access) -> Access:
            if self._rules.taught_lately(access):
                return access
            return dataclasses.replace(
                access,
                stated_limit=stated,
                learned_limit=self._rules.learned(access, stated, had),
                learned_at=now,
                raised_at=now + self._rules.refusal_lasts,
            )

        self._change(api_name, now, taught)

    def raise_limit(self, api_name: str, access: Access, limit: int) -> None:
        def raised(known: Access) -> Access:
            if known.raised_at != access.raised_at:
                return known
            return dataclasses.replace(known, learned_limit=limit, raised_at=access.now)

        self._change(api_name, access.now, raised)

    def spend(self, refusal: RateLimited, now: dt.datetime) -> None:
        self._note(refusal.api_name, now, spent=_spent(refusal, now))

    def deny(self, refusal: Denied, now: dt.datetime) -> None:
        denial = Denial(refusal.kind, refusal.code, storable(str(refusal), _TEXT_LENGTH), now)
        self._note(refusal.api_name, now, denial=denial)

    def allow(self, api_name: str, now: dt.datetime) -> None:
        self._note(api_name, now, denial=None, spent=None, answered_at=now)

    def account_has(self, account: Account, now: dt.datetime) -> None:
        with self._lock:
            earlier = UNKNOWN_POINTS if self._points is None else self._points
            rose = account.points > earlier
            self._account, self._points = account, account.points
            self._account_answered_at = now
            if rose:
                for api_name, known in self._known.items():
                    self._known[api_name] = dataclasses.replace(known, denial=None, spent=None)

    def account_is_not_told(self, now: dt.datetime) -> None:
        if self._points is None:
            self._account_answered_at = now

    def account(self) -> Account | None:
        return self._account

    def may_ask_account(self, now: dt.datetime) -> bool:
        with self._lock:
            answered, asked = self._account_answered_at, self._asked_at
            if answered is not None and now < answered + ACCOUNT_LASTS:
                return False
            if asked is not None and now < asked + ACCOUNT_AGAIN:
                return False
            self._asked_at = now
            return True

    def _note(self, api_name: str, now: dt.datetime, **changes: object) -> None:
        self._change(api_name, now, lambda known: dataclasses.replace(known, **changes))  # type: ignore[arg-type]

    def _change(self, api_name: str, now: dt.datetime, change: Callable[[Access], Access]) -> None:
        with self._lock:
            self._known[api_name] = change(self._at(now, api_name))

    def _at(self, now: dt.datetime, api_name: str) -> Access:
        known = self._known.get(api_name) or Access(now)
        asked = None if self._account_answered_at else self._asked_at
        return dataclasses.replace(known, now=now, points=self._points, points_asked_at=asked)


_READ = """
    SELECT clock_timestamp(),
           account.points, CASE WHEN account.answered_at IS NULL THEN account.asked_at END,
           stated_limit, learned_limit, learned_at, raised_at, set_limit,
           denied_kind, denied_code, denied_text, denied_at,
           spent_until, spent_limit, spent_unit, spent_code, spent_text,
           access.answered_at
    FROM (SELECT 1) AS always
    LEFT JOIN tushare_account AS account ON account.token_fingerprint = %s
    LEFT JOIN tushare_endpoint_access AS access
        ON access.token_fingerprint = %s AND api_name = %s
"""
_MAY_ASK = """
    INSERT INTO tushare_account (token_fingerprint, asked_at) VALUES (%s, clock_timestamp())
    ON CONFLICT (token_fingerprint) DO UPDATE SET asked_at = clock_timestamp()
    WHERE (tushare_account.asked_at <= clock_timestamp() - %s
        AND coalesce(tushare_account.answered_at, '-infinity') <= clock_timestamp() - %s)
    OR (%s AND EXISTS (
        SELECT 1 FROM tushare_endpoint_access AS access WHERE denied_at IS NOT NULL
            AND access.token_fingerprint = tushare_account.token_fingerprint))
    RETURNING 1
"""
# The old points are read before the update, which is what a CTE is for. Points that nobody knew were
# no reason to forget a denial, if the account turns out to be of the lowest tier.
_ACCOUNT_HAS = """
    WITH earlier AS (
        SELECT points FROM tushare_account WHERE token_fingerprint = %(account)s
    ), told AS (
        INSERT INTO tushare_account (token_fingerprint, points, expires, answered_at, asked_at)
        VALUES (%(account)s, %(points)s, %(expires)s, clock_timestamp(), clock_timestamp())
        ON CONFLICT (token_fingerprint) DO UPDATE SET points = excluded.points,
            expires = excluded.expires, answered_at = excluded.answered_at
    )
    UPDATE tushare_endpoint_access SET denied_at = NULL, spent_until = NULL, updated_at = now()
    WHERE token_fingerprint = %(account)s
        AND %(points)s > coalesce((SELECT points FROM earlier), %(unknown)s)
"""
_ACCOUNT_IS_NOT_TOLD = """
    UPDATE tushare_account SET answered_at = clock_timestamp()
    WHERE token_fingerprint = %s AND points IS NULL
"""


class StoredKnowledge:
    """In the database, judged by its clock; each endpoint is read at most once a second.

    A local source, which is a sandbox, may be restarted with more points at any time: while it
    denies anything, every run asks for its account.
    """

    def __init__(
        self,
        database: Database,
        account: str,
        rules: LimitRules,
        *,
        is_local: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._is_local = is_local
        self._fingerprint = account
        self._rules = rules
        self._clock = clock
        self._lock = threading.Lock()
        self._held: dict[str, tuple[float, Access]] = {}
        self._changes = 0

    def of(self, api_name: str, now: dt.datetime) -> Access:
        with self._lock:
            read_at, access = self._held.get(api_name, (None, None))
            if read_at is not None and access and self._clock() < read_at + READ_AGAIN_SECONDS:
                return access
            read_at, changes = self._clock(), self._changes
        access = self._read(api_name)
        with self._lock:
            # What was read before a change must not outlive it.
            if changes == self._changes:
                self._held[api_name] = (read_at, access)
        return access

    def look_anew(self, api_name: str) -> None:
        with self._lock:
            self._changes += 1
            self._held.pop(api_name, None)

    def learn(self, api_name: str, stated: int | None, had: int, now: dt.datetime) -> None:
        access = self._read(api_name)
        if self._rules.taught_lately(access):
            return
        window = self._rules.refusal_lasts
        self._note(
            api_name,
            "stated_limit = %s, learned_limit = %s, learned_at = clock_timestamp(),"
            " raised_at = clock_timestamp() + %s",
            [stated, self._rules.learned(access, stated, had), window],
            # Again, as others may have learned since, in other processes too.
            only="(learned_at IS NULL OR abs(extract(epoch FROM clock_timestamp() - learned_at)) >= %s)",
            only_values=[window.total_seconds()],
        )

    def raise_limit(self, api_name: str, access: Access, limit: int) -> None:
        """One process raises; the others, who saw the same, find that it has been done."""
        self._note(
            api_name,
            "learned_limit = %s, raised_at = clock_timestamp()",
            [limit],
            only="raised_at = %s",
            only_values=[access.raised_at],
        )

    def spend(self, refusal: RateLimited, now: dt.datetime) -> None:
        # As a duration: the reset is by the caller's clock, the table by the database's.
        spent = _spent(refusal, now)
        self._note(
            refusal.api_name,
            "spent_until = clock_timestamp() + %s, spent_limit = %s, spent_unit = %s,"
            " spent_code = %s, spent_text = %s",
            [spent.until - now, spent.limit, spent.unit.value, spent.code, spent.text],
        )

    def deny(self, refusal: Denied, now: dt.datetime) -> None:
        self._note(
            refusal.api_name,
            "denied_at = clock_timestamp(), denied_kind = %s, denied_code = %s, denied_text = %s",
            [refusal.kind.value, refusal.code, storable(str(refusal), _TEXT_LENGTH)],
        )

    def allow(self, api_name: str, now: dt.datetime) -> None:
        self._note(
            api_name, "answered_at = clock_timestamp(), denied_at = NULL, spent_until = NULL", []
        )

    def account_has(self, account: Account, now: dt.datetime) -> None:
        values = {
            "account": self._fingerprint,
            "points": account.points,
            "expires": account.expires,
            "unknown": UNKNOWN_POINTS,
        }
        self._database.rows(_ACCOUNT_HAS, values)
        self._look_anew_at_all()

    def account_is_not_told(self, now: dt.datetime) -> None:
        self._database.rows(_ACCOUNT_IS_NOT_TOLD, [self._fingerprint])
        self._look_anew_at_all()

    def account(self) -> Account | None:
        known = self._database.rows(
            "SELECT points, expires FROM tushare_account"
            " WHERE token_fingerprint = %s AND points IS NOT NULL",
            [self._fingerprint],
        )
        return Account(*known[0]) if known else None

    def may_ask_account(self, now: dt.datetime) -> bool:
        values = [self._fingerprint, ACCOUNT_AGAIN, ACCOUNT_LASTS, self._is_local]
        may = bool(self._database.rows(_MAY_ASK, values))
        if may:
            self._look_anew_at_all()
        return may

    def _look_anew_at_all(self) -> None:
        with self._lock:
            self._changes += 1
            self._held.clear()

    def _read(self, api_name: str) -> Access:
        values = [self._fingerprint, self._fingerprint, api_name]
        [row] = self._database.rows(_READ, values)
        (
            now,
            points,
            points_asked_at,
            stated,
            learned,
            learned_at,
            raised_at,
            set_limit,
            *refusals,
        ) = row
        kind, denied_code, denied_text, denied_at, *spent = refusals
        until, spent_limit, spent_unit, spent_code, spent_text, answered_at = spent
        return Access(
            now=now,
            points=points,
            points_asked_at=points_asked_at,
            stated_limit=stated,
            learned_limit=learned,
            learned_at=learned_at,
            raised_at=raised_at,
            set_limit=set_limit,
            denial=Denial(DenialKind(kind), denied_code, denied_text, denied_at)
            if denied_at
            else None,
            spent=Spent(until, spent_limit, RateUnit(spent_unit), spent_code, spent_text)
            if until
            else None,
            answered_at=answered_at,
        )

    def _note(
        self,
        api_name: str,
        changes: str,
        values: list[object],
        *,
        only: str = "true",
        only_values: list[object] | None = None,
    ) -> None:
        row = [self._fingerprint, api_name]
        self._database.rows(
            "INSERT INTO tushare_endpoint_access (token_fingerprint, api_name) VALUES (%s, %s)"
            " ON CONFLICT DO NOTHING",
            row,
        )
        self._database.rows(
            f"UPDATE tushare_endpoint_access SET {changes}, updated_at = clock_timestamp()"  # noqa: S608
            f" WHERE token_fingerprint = %s AND api_name = %s AND {only}",
            [*values, *row, *(only_values or [])],
        )
        self.look_anew(api_name)


def _spent(refusal: RateLimited, now: dt.datetime) -> Spent:
    return Spent(
        until=refusal.reset_at or now,
        limit=refusal.limit,
        unit=refusal.unit or RateUnit.HOUR,
        code=refusal.code,
        text=storable(str(refusal), _TEXT_LENGTH),
    )
