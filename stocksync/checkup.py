"""What `doctor` looks at. It asks only what is known here: no call of the quota is spent on it."""

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

from datasync_app.datasets import DATASETS
from datasync_app.datasets.base import Dataset
from datasync_app.engine.denial import NOT_AVAILABLE
from datasync_app.engine.identity import refuse_foreign, stored_identity
from datasync_app.errors import DatasyncError
from datasync_app.models import GOOD_STATES, EndpointAccess, SyncLedger, TushareAccount
from datasync_app.tushare.account_watch import EXPIRY_NEAR
from datasync_app.tushare.from_settings import (
    current_limit,
    rules_from_settings,
    source_from_settings,
)
from datasync_app.tushare.limits import account_of
from datasync_app.tushare.outcomes import NoSource
from scheduler_app.health import scheduler_status
from stocksync import environment

LARGEST_CLOCK_DIFFERENCE_SECONDS = 5.0


@dataclass(frozen=True)
class Finding:
    what: str
    ok: bool
    says: str


def checkup() -> Iterator[Finding]:
    """The findings in order; without a database only what can be told without it."""
    database = _database()
    yield database
    yield from _env_file(environment.BASE_DIR / ".env")
    if database.ok:
        migrations = _migrations()
        yield migrations
        yield _clock()
        if migrations.ok:
            yield _scheduler()
            yield _source()
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


def _account() -> Finding:
    """What the last `user` call told of the account; it is made once a day, by the first sync."""
    account = TushareAccount.objects.filter(pk=_account_name()).first()
    if account is None or account.answered_at is None:
        return Finding("account", True, "points not asked for yet: the first sync does")
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
    entries = SyncLedger.objects.filter(dataset=dataset.name)
    good = entries.filter(state__in=GOOD_STATES).count()
    newest = entries.order_by("-updated_at").first()
    access = _access(dataset)
    if newest is None:
        return Finding(dataset.name, True, f"never asked for ({access})")
    if newest.state not in GOOD_STATES and newest.last_error.startswith(NOT_AVAILABLE):
        return Finding(dataset.name, True, f"{NOT_AVAILABLE} ({access})")
    when = f"{timezone.localtime(newest.updated_at):%Y-%m-%d %H:%M %z}"
    open_cells = entries.exclude(state__in=GOOD_STATES).count()
    text = f"{good} cells good, {open_cells} open, last asked {when} ({access})"
    return Finding(dataset.name, True, text)


def _access(dataset: Dataset) -> str:
    """From the tables only: no call is spent on finding out."""
    needs = f"needs {dataset.minimal_points} points"
    known = EndpointAccess.objects.filter(
        token_fingerprint=_account_name(), api_name=dataset.name
    ).first()
    if known is None:
        return needs
    now = timezone.now()
    if known.denied_at:
        return f"{needs}; denied {_ago(known.denied_at)}: {known.denied_kind}"
    if known.spent_until and known.spent_until > now:
        return f"{needs}; used up until {timezone.localtime(known.spent_until):%Y-%m-%d %H:%M %z}"
    rules = rules_from_settings()
    limit = current_limit(dataset.name)
    may = f"may be called, answered {_ago(known.answered_at)}" if known.answered_at else "not sure"
    at = f"{limit} calls in {rules.window_seconds:g} s"
    taught = known.learned_at is not None and now < known.learned_at + rules.learned_lasts
    learned = f", learned {_ago(known.learned_at)}" if taught and known.learned_at else ""
    return f"{needs}; {may}; at most {at}{learned}"


def _account_name() -> str:
    try:
        return account_of(*source_from_settings())
    except NoSource:
        return ""


def _ago(moment: dt.datetime) -> str:
    return f"{timesince(moment)} ago".replace("\xa0", " ")
