"""The tables of the scheduler: schedules, executions, processes, and the revision counter.

The config table is the truth and APScheduler is told. The execution row is the claim: unique
(job_id, scheduled_for, attempt), inserted before anything starts.
"""

from __future__ import annotations

import uuid

from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext, gettext_noop
from django.utils.translation import gettext_lazy as _
from simple_history.models import HistoricalRecords

from scheduler_app.managers import ExecutionLogManager, JobConfigManager
from scheduler_app.notification_models import (
    ChannelKind,
    Delivery,
    JobState,
    Notification,
    NotificationChannel,
    NotificationKind,
)
from scheduler_app.policy_fields import Misfire, Overlap, PolicyFields
from scheduler_app.versioned import Versioned, get_who, set_who, who_field

__all__ = [
    "ASKED_FOR",
    "OF_A_SLOT",
    "OPEN_STATUSES",
    "Cause",
    "ChannelKind",
    "Delivery",
    "ExecutionLog",
    "JobConfig",
    "JobState",
    "LiveLog",
    "Notification",
    "NotificationChannel",
    "NotificationKind",
    "Role",
    "ScheduleRevision",
    "SchedulerLease",
    "SchedulerProcess",
    "Status",
    "StopRequest",
    "Trigger",
]


class Trigger(models.TextChoices):
    CRON = "cron", _("cron")
    INTERVAL = "interval", _("interval")


class Status(models.TextChoices):
    """What became of a slot. Every slot that does not run leaves a row that says why."""

    QUEUED = "QUEUED", _("queued")
    RUNNING = "RUNNING", _("running")
    SUCCESS = "SUCCESS", _("success")
    FAILED = "FAILED", _("failed")
    CANCELLED = "CANCELLED", _("cancelled")
    MISSED = "MISSED", _("missed")
    SKIPPED_OVERLAP = "SKIPPED_OVERLAP", _("skipped: still running")
    SKIPPED_CALENDAR = "SKIPPED_CALENDAR", _("skipped: not a run day")
    SKIPPED_PAUSED = "SKIPPED_PAUSED", _("skipped: paused")


OPEN_STATUSES = (Status.QUEUED, Status.RUNNING)


class Cause(models.TextChoices):
    SCHEDULE = "schedule", _("schedule")
    CATCH_UP = "catch_up", _("catch-up")
    MANUAL = "manual", _("manual")
    API = "api", _("API")
    RETRY = "retry", _("retry")
    FOLLOW_UP = "follow_up", _("follow-up")
    FIRST_START = "first_start", _("first start")


# A person asked for these runs: no pause and no deadline holds them up, no stop takes them away.
ASKED_FOR = (Cause.MANUAL, Cause.API)
# These stand for a slot, and go with their schedule.
OF_A_SLOT = (Cause.SCHEDULE, Cause.CATCH_UP, Cause.RETRY)


# What the scheduler notes on a schedule bumps no revision and makes no version.
NOTED = ["last_run_at", "last_slot", "schedule_since", "resumed_at"]


class JobConfig(Versioned, PolicyFields):
    """One schedule, as staff see it."""

    job_id = models.CharField(_("job"), max_length=100, unique=True)
    job_name = models.CharField(_("name"), max_length=200, blank=True)
    trigger = models.CharField(
        _("trigger"), max_length=10, choices=Trigger.choices, default=Trigger.CRON
    )
    cron_expression = models.CharField(_("cron expression"), max_length=100, blank=True)
    interval_seconds = models.PositiveIntegerField(_("interval in seconds"), null=True, blank=True)
    timezone = models.CharField(_("time zone"), max_length=64, default="Asia/Shanghai")
    enabled = models.BooleanField(_("enabled"), default=True)
    job_kwargs = models.JSONField(_("arguments"), default=dict, blank=True)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    updated_at = models.DateTimeField(_("changed"), auto_now=True)
    last_run_at = models.DateTimeField(_("last run"), null=True, blank=True, editable=False)
    # The last slot that ran or left a row saying why not: what comes after it was missed.
    last_slot = models.DateTimeField(null=True, blank=True, editable=False)
    # Set by a database trigger when the row begins to fire as it does now: an edit misses nothing.
    schedule_since = models.DateTimeField(null=True, blank=True, editable=False)

    objects = JobConfigManager()
    history = HistoricalRecords(
        table_name="scheduler_job_config_history",
        excluded_fields=NOTED,
        history_user_id_field=who_field(),
        history_user_getter=get_who,
        history_user_setter=set_who,
        history_change_reason_field=models.TextField(null=True),
    )

    class Meta:
        db_table = "scheduler_job_config"
        ordering = ["job_id"]
        verbose_name = _("schedule")
        verbose_name_plural = _("schedules")
        permissions = [
            ("trigger_jobconfig", gettext_noop("Can run a job now")),
            ("pause_jobconfig", gettext_noop("Can pause and resume a schedule")),
        ]
        constraints = [
            models.CheckConstraint(
                name="job_config_has_its_trigger",
                condition=(
                    (Q(trigger=Trigger.CRON) & ~Q(cron_expression=""))
                    | Q(trigger=Trigger.INTERVAL, interval_seconds__gte=1)
                ),
            ),
            models.CheckConstraint(
                name="job_config_policies_are_known",
                condition=Q(
                    misfire_policy__in=Misfire.values,
                    overlap_policy__in=Overlap.values,
                    retry_backoff__gte=1,
                    retry_backoff__lte=100,
                ),
            ),
        ]

    def __str__(self) -> str:
        # The name that the job itself has is known to the catalogue; a person's own stands as it is.
        return gettext(self.job_name) if self.job_name else self.job_id


class Role(models.TextChoices):
    """What a process is: one that fires schedules, one that runs what is handed to it, or a command
    that tracks a run of its own."""

    SCHEDULER = "scheduler", _("scheduler")
    WORKER = "worker", _("worker")
    COMMAND = "command", _("command")


class SchedulerProcess(models.Model):
    """A process that runs jobs, its heartbeat, and, for a `runscheduler`, what it has loaded."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    host = models.CharField(max_length=255)
    pid = models.IntegerField()
    role = models.CharField(max_length=10, choices=Role.choices, default=Role.SCHEDULER)
    started_at = models.DateTimeField()
    heartbeat_at = models.DateTimeField()
    stopped_at = models.DateTimeField(null=True)
    revision_applied = models.BigIntegerField(default=0)
    next_runs = models.JSONField(default=list)

    class Meta:
        db_table = "scheduler_process"
        indexes = [models.Index(fields=["-heartbeat_at"], name="process_by_heartbeat")]

    def __str__(self) -> str:
        return f"{self.host}:{self.pid}"


class SchedulerLease(models.Model):
    """One row: which `runscheduler` is active. `fence` grows with every change of hands."""

    fence = models.BigIntegerField(default=0)
    process = models.ForeignKey(SchedulerProcess, null=True, on_delete=models.SET_NULL)
    # By the database's clock: from this moment on another process may take the lease.
    expires_at = models.DateTimeField()

    class Meta:
        db_table = "scheduler_lease"

    def __str__(self) -> str:
        return f"fence {self.fence}"


class ExecutionLog(models.Model):
    """One execution, or one slot that did not run and why.

    A RUNNING one belongs to `process` under `fence`: the lease's number when it was claimed, NULL
    for a command's own run.
    """

    job_id = models.CharField(_("job"), max_length=100)
    scheduled_for = models.DateTimeField(_("scheduled for"))
    attempt = models.PositiveSmallIntegerField(_("attempt"), default=1)
    # For a queued one that may not start at once: a retry keeps its slot and waits for this.
    not_before = models.DateTimeField(_("not before"), null=True)
    status = models.CharField(_("status"), max_length=20, choices=Status.choices)
    caused_by = models.CharField(_("caused by"), max_length=20, choices=Cause.choices)
    triggered_by = models.CharField(_("who"), max_length=150, blank=True)
    process = models.ForeignKey(
        SchedulerProcess, verbose_name=_("process"), null=True, on_delete=models.SET_NULL
    )
    fence = models.BigIntegerField(null=True, editable=False)
    # Given to the workers, and taken over by none yet: until then it belongs to no process.
    handed_over_at = models.DateTimeField(null=True, editable=False)
    job_kwargs = models.JSONField(_("arguments"), default=dict)
    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(_("started"), null=True)
    finished_at = models.DateTimeField(_("finished"), null=True)
    duration_ms = models.PositiveBigIntegerField(_("duration in ms"), null=True)
    result = models.JSONField(_("result"), null=True)
    error_message = models.TextField(_("error"), blank=True)
    traceback = models.TextField(_("traceback"), blank=True)
    log = models.TextField(_("log"), blank=True)
    idempotency_key = models.CharField(max_length=255, null=True, editable=False)  # noqa: DJ001

    # Of this claim, not stored: why nobody could say whether its day is a run day.
    doubt = ""
    # Of this claim too: whether the schedule asks for a process of its own.
    in_own_process = False

    objects = ExecutionLogManager()

    class Meta:
        db_table = "scheduler_execution_log"
        ordering = ["-id"]
        verbose_name = _("execution")
        verbose_name_plural = _("executions")
        indexes = [
            # With the status, which a month of runs is counted by.
            models.Index(
                fields=["job_id", "started_at"], name="execution_by_start", include=["status"]
            ),
            # The newest executions of one job, by id, however long its history and the others'.
            models.Index(fields=["job_id", "-id"], name="execution_newest_by_job"),
            # The lists of the admin: a filter finds the newest of its rows, however rare they are.
            models.Index(fields=["status", "-id"], name="execution_by_status"),
            models.Index(fields=["caused_by", "-id"], name="execution_by_cause"),
            models.Index(fields=["job_id", "status", "-id"], name="execution_by_job_status"),
            models.Index(fields=["scheduled_for"], name="execution_by_slot"),
            models.Index(
                fields=["triggered_by", "-id"],
                name="execution_by_person",
                condition=~Q(triggered_by=""),
            ),
            models.Index(
                fields=["status"],
                name="execution_open",
                condition=Q(status__in=["QUEUED", "RUNNING"]),
            ),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["job_id", "scheduled_for", "attempt"], name="execution_is_the_claim"
            ),
            models.UniqueConstraint(
                fields=["job_id"],
                condition=Q(status="QUEUED", caused_by="follow_up"),
                name="execution_one_follow_up",
            ),
            # NULLs are distinct in PostgreSQL: only triggers that carry a key are compared.
            models.UniqueConstraint(
                fields=["job_id", "idempotency_key"], name="execution_once_per_key"
            ),
        ]

    def __str__(self) -> str:
        slot = timezone.localtime(self.scheduled_for)
        return f"{self.job_id} {slot:%Y-%m-%d %H:%M:%S %Z} #{self.attempt}"


class StopRequest(models.Model):
    """What was asked of a run under way: to stop at its next checkpoint (`at_once`), or else to
    finish, but that nothing follows it. A row of its own, so that asking never waits for a run
    that holds its execution locked."""

    execution = models.OneToOneField(
        ExecutionLog, primary_key=True, related_name="stop_request", on_delete=models.CASCADE
    )
    at_once = models.BooleanField()
    reason = models.TextField()
    asked_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        db_table = "scheduler_stop_request"

    def __str__(self) -> str:
        return self.reason


class LiveLog(models.Model):
    """What a run under way has logged so far; gone when it ends. No foreign key: it is written while
    the run has its execution locked."""

    execution_id = models.BigIntegerField(primary_key=True)
    text = models.TextField()
    written_at = models.DateTimeField()

    class Meta:
        db_table = "scheduler_live_log"

    def __str__(self) -> str:
        return f"execution {self.execution_id}"


class ScheduleRevision(models.Model):
    """One row. A database trigger bumps it when a scheduling column really changes."""

    value = models.BigIntegerField(default=0)

    class Meta:
        db_table = "scheduler_revision"

    def __str__(self) -> str:
        return str(self.value)
