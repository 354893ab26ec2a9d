"""What `doctor` looks at. It asks only what is known here: no call of the quota is spent on it.

Told to, it makes the one call of `user`; never one of a dataset, whose hour may have no other.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import shlex
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone
from django.utils.timesince import timesince
from django.utils.translation import gettext as _

from datasync_app.datasets import DATASETS
from datasync_app.datasets.base import Dataset
from datasync_app.engine.denial import NOT_ACCEPTED, NOT_AVAILABLE
from datasync_app.engine.identity import refuse_foreign, stored_identity
from datasync_app.errors import DatasyncError
from datasync_app.models import GOOD_STATES, SyncLedger, TushareAccount
from datasync_app.tushare.access import Access
from datasync_app.tushare.account_watch import EXPIRY_NEAR
from datasync_app.tushare.from_settings import (
    client_from_settings,
    current_access,
    rules_from_settings,
    source_from_settings,
)
from datasync_app.tushare.limits import account_of
from datasync_app.tushare.outcomes import DenialKind, NoSource, TushareError
from scheduler_app.health import scheduler_status
from stocksync import environment

LARGEST_CLOCK_DIFFERENCE_SECONDS = 5.0


@dataclass(frozen=True)
class Finding:
    what: str
    ok: bool
    says: str


def checkup(*, ask: bool = False) -> Iterator[Finding]:
    """The findings in order; without a database only what can be told without it.

    With `ask` the source is asked for the account first, unless the data belong to another source.
    """
    database = _database()
    yield database
    yield from _env_file(environment.BASE_DIR / ".env")
    if database.ok:
        migrations = _migrations()
        yield migrations
        yield _clock()
        if migrations.ok:
            yield _scheduler()
            source = _source()
            yield source
            if ask and source.ok:
                yield from _ask_for_the_account()
            yield _account()
            for dataset in DATASETS.values():
                yield _dataset(dataset)


def _env_file(path: Path) -> Iterator[Finding]:
    """It may hold a token and passwords."""
    with contextlib.suppress(FileNotFoundError):
        if path.stat().st_mode & (stat.S_IRGRP | stat.S_IROTH):
            says = f"WARNING: {path} is readable by others: `chmod 600 {shlex.quote(str(path))}`"
            yield Finding("settings", True, says)


def _database() -> Finding:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT current_setting('server_version')")
            version = cursor.fetchone()[0]
    except (DatabaseError, OSError) as error:
        return Finding("database", False, " ".join(str(error).split()) or type(error).__name__)
    kind = "embedded" if settings.DATABASE_IS_EMBEDDED else "from DATABASE_URL"
    return Finding("database", True, f"PostgreSQL {version}, {kind}")


def _migrations() -> Finding:
    executor = MigrationExecutor(connection)
    missing = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if missing:
        return Finding(
            "migrations", False, f"{len(missing)} are not applied: run `manage.py migrate`"
        )
    return Finding("migrations", True, "all applied")


def _clock() -> Finding:
    with connection.cursor() as cursor:
        before = timezone.now()
        cursor.execute("SELECT clock_timestamp()")
        difference = abs((cursor.fetchone()[0] - before).total_seconds())
    return Finding(
        "clock",
        difference <= LARGEST_CLOCK_DIFFERENCE_SECONDS,
        f"{difference:.1f} s from the database's (at most {LARGEST_CLOCK_DIFFERENCE_SECONDS:.0f})",
    )


def _scheduler() -> Finding:
    status = scheduler_status()
    if not status.is_alive:
        age = status.heartbeat_age_seconds
        last = (
            "no heartbeat was ever seen"
            if age is None
            else f"its last heartbeat is {age:.0f} s old"
        )
        return Finding(
            "scheduler", False, f"none is running ({last}): start `manage.py runscheduler`"
        )
    if status.active is None:
        return Finding("scheduler", False, f"{status.standbys[0]} is taking over: ask again")
    if status.revision_applied != status.revision_wanted:
        return Finding("scheduler", False, "running, but it has not applied the latest schedules")
    return Finding("scheduler", True, f"running as {status.active}")


def _source() -> Finding:
    owner = stored_identity()
    held = f"the data belong to {owner}" if owner else "no data yet"
    try:
        _token, base_url = source_from_settings()
        refuse_foreign(base_url, has_token=bool(settings.TUSHARE_TOKEN))
    except DatasyncError as error:
        return Finding("source", False, str(error))
    token = "with a token" if settings.TUSHARE_TOKEN else "without a token (sandbox)"
    return Finding("source", True, f"{base_url} {token}; {held}")


def _ask_for_the_account() -> Iterator[Finding]:
    """What keeps it from being told, if anything does; what was told is read from the database."""
    with contextlib.closing(client_from_settings()) as client:
        try:
            client.account()
        except TushareError as failure:
            yield Finding("asked", False, str(failure))


def _account() -> Finding:
    """What the last `user` call told of the account; it is made once a day, by the first sync."""
    denial = current_access("user").denial_in_force()
    if denial and denial.kind is DenialKind.TOKEN:
        return Finding("account", False, f"{NOT_ACCEPTED} It was refused {_ago(denial.at)}.")
    return _points()


def _points() -> Finding:
    account = TushareAccount.objects.filter(pk=_account_name()).first()
    if account is None:
        says = _("points not asked for yet: the first sync does, and `manage.py doctor --ask`")
        return Finding("account", True, says)
    if account.answered_at is None:
        asked = f"asked for {_ago(account.asked_at)}, without an answer yet"
        return Finding("account", True, f"points {asked}: a sync asks again")
    if account.points is None:
        asked = f"asked {_ago(account.answered_at)}"
        return Finding("account", True, f"the source does not tell the points, {asked}")
    told = f"{account.points} points, told {_ago(account.answered_at)}"
    if account.expires is None:
        return Finding("account", True, f"{told}; no date of expiry")
    left = (account.expires - timezone.localdate()).days
    if left < 0:
        return Finding("account", False, f"{told}; they expired on {account.expires}")
    warning = "WARNING: " if left <= EXPIRY_NEAR.days else ""
    return Finding("account", True, f"{told}; {warning}they expire on {account.expires}")


def _dataset(dataset: Dataset) -> Finding:
    """What is held of it, and whether and how often this token may ask for more."""
    access = current_access(dataset.name)
    denial = access.denial_in_force()
    is_accepted = denial is None or denial.kind is not DenialKind.TOKEN
    says = "; ".join(
        [_held(dataset), _needs(dataset, access), _standing(dataset, access), _limit(access)]
    )
    return Finding(dataset.name, is_accepted, says)


def _held(dataset: Dataset) -> str:
    entries = SyncLedger.objects.filter(dataset=dataset.name)
    newest = entries.order_by("-updated_at").first()
    if newest is None:
        return "never asked for"
    good = entries.filter(state__in=GOOD_STATES).count()
    open_cells = entries.exclude(state__in=GOOD_STATES).count()
    return f"{good} cells good, {open_cells} open, last asked {_moment(newest.updated_at)}"


def _needs(dataset: Dataset, access: Access) -> str:
    has = "points are not known" if access.points is None else f"account has {access.points}"
    return f"needs {dataset.minimal_points} points, the {has}"


def _standing(dataset: Dataset, access: Access) -> str:
    """Whether it may be called, as the next call would find it, and how old that knowledge is."""
    if denial := access.denial_in_force():
        why = {
            DenialKind.PERMISSION: NOT_AVAILABLE,
            DenialKind.TOKEN: NOT_ACCEPTED,
            DenialKind.IP: "the token is used from too many addresses",
        }[denial.kind]
        return f"{why} (refused {_ago(denial.at)}, tried again from {_moment(denial.until)})"
    if spent := access.spent_in_force():
        return f"its calls of the {spent.unit} are used up until {_moment(spent.until)}"
    if access.answered_at is not None:
        return f"may be called, answered {_ago(access.answered_at)}"
    if access.points is not None and access.points < dataset.minimal_points:
        return f"{NOT_AVAILABLE} by its points, never tried"
    return "not known whether it may be called, never answered"


def _limit(access: Access) -> str:
    rules = rules_from_settings()
    calls = rules.in_force(access)
    if rules.remembers(access) and access.learned_at and calls == access.learned_limit:
        why = f"learned {_ago(access.learned_at)}"
    elif rules.max_calls is not None:
        why = "by the setting"
    elif access.set_limit is not None:
        why = "set by staff"
    elif rules.remembers(access) and access.learned_at and access.stated_limit is not None:
        why = f"stated {_ago(access.learned_at)}"
    else:
        why = "by the points" if access.points is not None else "until the points are known"
    return f"at most {calls} calls in {rules.window_seconds:g} s, {why}"


def _account_name() -> str:
    try:
        return account_of(*source_from_settings())
    except NoSource:
        return ""


def _moment(moment: dt.datetime) -> str:
    return f"{timezone.localtime(moment):%Y-%m-%d %H:%M %z}"


def _ago(moment: dt.datetime) -> str:
    return f"{timesince(moment)} ago".replace("\xa0", " ")
