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
            says = _("WARNING: %(file)s is readable by others: `chmod 600 %(quoted)s`") % {
                "file": path,
                "quoted": shlex.quote(str(path)),
            }
            yield Finding(_("settings"), True, says)


def _database() -> Finding:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT current_setting('server_version')")
            version = cursor.fetchone()[0]
    except (DatabaseError, OSError) as error:
        return Finding(_("database"), False, " ".join(str(error).split()) or type(error).__name__)
    kind = _("embedded") if settings.DATABASE_IS_EMBEDDED else _("from DATABASE_URL")
    return Finding(_("database"), True, f"PostgreSQL {version}, {kind}")


def _migrations() -> Finding:
    executor = MigrationExecutor(connection)
    missing = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if missing:
        return Finding(
            _("migrations"),
            False,
            _("%d are not applied: run `manage.py migrate`") % len(missing),
        )
    return Finding(_("migrations"), True, _("all applied"))


def _clock() -> Finding:
    with connection.cursor() as cursor:
        before = timezone.now()
        cursor.execute("SELECT clock_timestamp()")
        difference = abs((cursor.fetchone()[0] - before).total_seconds())
    return Finding(
        _("clock"),
        difference <= LARGEST_CLOCK_DIFFERENCE_SECONDS,
        _("%(seconds).1f s from the database's (at most %(most)d)")
        % {"seconds": difference, "most": LARGEST_CLOCK_DIFFERENCE_SECONDS},
    )


def _scheduler() -> Finding:
    status = scheduler_status()
    if not status.is_alive:
        age = status.heartbeat_age_seconds
        last = (
            _("no heartbeat was ever seen")
            if age is None
            else _("its last heartbeat is %d s old") % round(age)
        )
        return Finding(
            _("scheduler"),
            False,
            _("none is running (%s): start `manage.py runscheduler`") % last,
        )
    if status.active is None:
        return Finding(
            _("scheduler"), False, _("%s is taking over: ask again") % status.standbys[0]
        )
    if status.revision_applied != status.revision_wanted:
        return Finding(
            _("scheduler"), False, _("running, but it has not applied the latest schedules")
        )
    return Finding(_("scheduler"), True, _("running as %s") % status.active)


def _source() -> Finding:
    owner = stored_identity()
    held = _("the data belong to %s") % owner if owner else _("no data yet")
    try:
        _token, base_url = source_from_settings()
        refuse_foreign(base_url, has_token=bool(settings.TUSHARE_TOKEN))
    except DatasyncError as error:
        return Finding(_("source"), False, str(error))
    token = _("with a token") if settings.TUSHARE_TOKEN else _("without a token (sandbox)")
    return Finding(_("source"), True, f"{base_url} {token}; {held}")


def _ask_for_the_account() -> Iterator[Finding]:
    """What keeps it from being told, if anything does; what was told is read from the database."""
    with contextlib.closing(client_from_settings()) as client:
        try:
            client.account()
        except TushareError as failure:
            yield Finding(_("asked"), False, str(failure))


def _account() -> Finding:
    """What the last `user` call told of the account; it is made once a day, by the first sync."""
    denial = current_access("user").denial_in_force()
    if denial and denial.kind is DenialKind.TOKEN:
        return Finding(
            _("account"),
            False,
            f"{_(NOT_ACCEPTED)} " + _("It was refused %s.") % _ago(denial.at),
        )
    return _points()


def _points() -> Finding:
    account = TushareAccount.objects.filter(pk=_account_name()).first()
    if account is None:
        says = _("points not asked for yet: the first sync does, and `manage.py doctor --ask`")
        return Finding(_("account"), True, says)
    if account.answered_at is None:
        says = _("points asked for %s, without an answer yet: a sync asks again")
        return Finding(_("account"), True, says % _ago(account.asked_at))
    if account.points is None:
        says = _("the source does not tell the points, asked %s")
        return Finding(_("account"), True, says % _ago(account.answered_at))
    told = _("%(points)d points, told %(ago)s") % {
        "points": account.points,
        "ago": _ago(account.answered_at),
    }
    if account.expires is None:
        return Finding(_("account"), True, _("%s; no date of expiry") % told)
    left = (account.expires - timezone.localdate()).days
    if left < 0:
        return Finding(
            _("account"),
            False,
            _("%(told)s; they expired on %(day)s") % {"told": told, "day": account.expires},
        )
    says = _("%(told)s; they expire on %(day)s")
    if left <= EXPIRY_NEAR.days:
        says = _("%(told)s; WARNING: they expire on %(day)s")
    return Finding(_("account"), True, says % {"told": told, "day": account.expires})


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
        return _("never asked for")
    good = entries.filter(state__in=GOOD_STATES).count()
    open_cells = entries.exclude(state__in=GOOD_STATES).count()
    return _("cells: %(good)d good, %(open)d open; last asked %(moment)s") % {
        "good": good,
        "open": open_cells,
        "moment": _moment(newest.updated_at),
    }


def _needs(dataset: Dataset, access: Access) -> str:
    told = {"needed": dataset.minimal_points, "points": access.points}
    if access.points is None:
        return _("needs %(needed)d points, the points are not known") % told
    return _("needs %(needed)d points, the account has %(points)d") % told


def _standing(dataset: Dataset, access: Access) -> str:
    """Whether it may be called, as the next call would find it, and how old that knowledge is."""
    if denial := access.denial_in_force():
        why = {
            DenialKind.PERMISSION: _(NOT_AVAILABLE),
            DenialKind.TOKEN: _(NOT_ACCEPTED),
            DenialKind.IP: _("the token is used from too many addresses"),
        }[denial.kind]
        return _("%(why)s (refused %(ago)s, tried again from %(moment)s)") % {
            "why": why,
            "ago": _ago(denial.at),
            "moment": _moment(denial.until),
        }
    if spent := access.spent_in_force():
        says = {
            "minute": _("its calls of the minute are used up until %s"),
            "hour": _("its calls of the hour are used up until %s"),
            "day": _("its calls of the day are used up until %s"),
        }
        return says[spent.unit] % _moment(spent.until)
    if access.answered_at is not None:
        return _("may be called, answered %s") % _ago(access.answered_at)
    if access.points is not None and access.points < dataset.minimal_points:
        return _("%s by its points, never tried") % _(NOT_AVAILABLE)
    return _("not known whether it may be called, never answered")


def _limit(access: Access) -> str:
    rules = rules_from_settings()
    calls = rules.in_force(access)
    if rules.remembers(access) and access.learned_at and calls == access.learned_limit:
        why = _("learned %s") % _ago(access.learned_at)
    elif rules.max_calls is not None:
        why = _("by the setting")
    elif access.set_limit is not None:
        why = _("set by staff")
    elif rules.remembers(access) and access.learned_at and access.stated_limit is not None:
        why = _("stated %s") % _ago(access.learned_at)
    else:
        why = _("by the points") if access.points is not None else _("until the points are known")
    return _("at most %(calls)d calls in %(seconds)g s, %(why)s") % {
        "calls": calls,
        "seconds": rules.window_seconds,
        "why": why,
    }


def _account_name() -> str:
    try:
        return account_of(*source_from_settings())
    except NoSource:
        return ""


def _moment(moment: dt.datetime) -> str:
    return f"{timezone.localtime(moment):%Y-%m-%d %H:%M %z}"


def _ago(moment: dt.datetime) -> str:
    return (_("%s ago") % timesince(moment)).replace("\xa0", " ")
