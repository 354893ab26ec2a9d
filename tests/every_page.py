"""Every page of the admin, with something on each: for tests that look at all of them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

from django.contrib import admin
from django.contrib.auth.models import Group, User
from django.db.models import Model
from django.urls import reverse
from django.utils import timezone
from django_apscheduler.models import DjangoJob
from knox.models import AuthToken

import stocksync.urls  # noqa: F401  # the pages of the admin come with the addresses
from datasync_app.datasets.rules import HIGH_BELOW_LOW as BROKEN
from datasync_app.models import (
    EndpointAccess,
    StockBasic,
    SyncLedger,
    SyncQuarantine,
    SyncRestatement,
    SyncTask,
    TushareAccount,
)
from scheduler_app.admin.look import ReadOnly
from scheduler_app.models import ExecutionLog, JobConfig, NotificationChannel, Status
from scheduler_app.notifications.messages import write_test
from tests.datasync_app.factories import (
    NOW,
    EndpointAccessFactory,
    FailureFactory,
    LedgerFactory,
    SyncTaskFactory,
    TushareCallFactory,
)
from tests.datasync_app.stock_month import hold_stock
from tests.factories import ExecutionLogFactory
from tests.scheduler_app.web import scheduler_runs
from tests.webhook import channel

STOCK = "600000.SH"
CELL = {"dataset": "daily", "cell": "20200109", "key": {"ts_code": STOCK}, "at": NOW}


def hold_rows(boss: User) -> None:
    """Rows of every table that staff see, some of them in trouble."""
    now = timezone.now()
    ExecutionLogFactory.create(
        job_id="sync_daily_by_date", status=Status.FAILED, error_message="It broke."
    )
    running = ExecutionLogFactory.create(job_id="sync_stock_basic", running=True, started_at=now)
    LedgerFactory.create(
        state="partial",
        missing={STOCK: "unexplained"},
        next_attempt_at=now,
        fetched_at=now,
        doubt={"since": "2026-03-02T18:00:00+08:00", "lacks": "3", "such_as": [STOCK]},
    )
    SyncTaskFactory.create(
        expected_cells=10,
        current_offset=4,
        started_at=now - dt.timedelta(minutes=4),
        updated_at=now,
        execution_id=running.pk,
    )
    FailureFactory.create(error_message="抱歉，您没有访问该接口的权限")
    SyncQuarantine.objects.create(
        **CELL, row={}, rules=BROKEN.name, reason=str(BROKEN.sentence), last_seen_at=now,
        resolved_at=now,
    )  # fmt: skip
    SyncRestatement.objects.create(**CELL, kind="value", column="close", old="1", new="2")
    EndpointAccessFactory.create(learned_at=now, held_until=now, spent_until=now, denied_at=now)
    TushareAccount.objects.create(token_fingerprint="0123456789ab", points=2000, asked_at=now)
    TushareCallFactory.create(at=now)
    hold_stock(STOCK, "浦发银行", suspended=dt.date(2019, 6, 12))
    DjangoJob.objects.create(id="sync_stock_basic", next_run_time=now, job_state=b"")
    Group.objects.create(name="研究")
    AuthToken.objects.create(boss)
    write_test(channel(name="研究组", language="zh-hans"))
    scheduler_runs()
    schedule = JobConfig.objects.order_by("pk").first()
    assert schedule is not None
    schedule.cron_expression = "0 3 * * *"
    schedule.save()


def name_of(model: type[Model]) -> str:
    return f"admin:{model._meta.app_label}_{model._meta.model_name}"


def lists_and_forms() -> Iterator[str]:
    """The addresses that need no row: lists, forms for new rows, pages of our own."""
    yield from map(reverse, ("admin:index", "admin:password_change", "doctor"))
    for model, page in admin.site._registry.items():
        yield reverse(f"{name_of(model)}_changelist")
        if not isinstance(page, ReadOnly):
            yield reverse(f"{name_of(model)}_add")
    yield reverse("admin:datasync_app_syncledger_report")
    yield from of_days()


def of_days() -> Iterator[str]:
    """The calendar of a year, and the report of a week."""
    yield f"{reverse('admin:datasync_app_syncledger_calendar')}?dataset=daily&year=2020"
    report = reverse("admin:datasync_app_syncledger_report")
    yield f"{report}?start=20200106&end=20200110&dataset=daily"


def of_rows(*kinds: str) -> Iterator[str]:
    """The pages of a row of each table: its `change`, `history` and `delete`."""
    for model, page in admin.site._registry.items():
        if page.list_display_links is None:
            continue  # no link leads to a row of it
        for kind in kinds:
            if kind != "delete" or not isinstance(page, ReadOnly):
                yield of_a_row(model, kind)


def of_a_row(model: type[Model], kind: str) -> str:
    row = model._default_manager.order_by("pk").first()
    assert row is not None, f"there is no {model._meta.verbose_name}"
    return reverse(f"{name_of(model)}_{kind}", args=[row.pk])


def of_schedules() -> Iterator[str]:
    """What else there is of a schedule: its pause, and its versions."""
    schedule = JobConfig.objects.order_by("pk").first()
    assert schedule is not None
    yield f"{reverse('admin:scheduler_app_jobconfig_pause')}?ids={schedule.pk}"
    yield reverse("admin:scheduler_app_jobconfig_history", args=[schedule.pk])


def every_page() -> Iterator[str]:
    yield from lists_and_forms()
    yield from of_rows("change", "delete")
    yield from of_schedules()


def of_each_kind() -> Iterator[str]:
    """A page of each template and of each widget, with what is special about it."""
    yield from map(reverse, ("admin:index", "admin:password_change", "doctor"))
    yield reverse(f"{name_of(JobConfig)}_changelist")  # filters, actions, buttons in rows
    yield reverse(f"{name_of(EndpointAccess)}_changelist")  # charts above a list
    yield reverse(f"{name_of(NotificationChannel)}_add")  # fields that come and go
    yield of_a_row(JobConfig, "change")  # a form that previews
    yield of_a_row(User, "change")  # two lists side by side
    yield of_a_row(ExecutionLog, "change")  # a log
    yield of_a_row(SyncLedger, "change")  # missing codes, buttons
    yield of_a_row(SyncTask, "change")  # progress
    yield of_a_row(StockBasic, "change")  # candlesticks
    yield of_a_row(JobConfig, "delete")  # a question
    yield from of_days()
    yield from of_schedules()
