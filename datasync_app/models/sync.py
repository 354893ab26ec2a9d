"""The memory of the engine: source identity, ledger, tasks and failures."""

from __future__ import annotations

import datetime as dt

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _


class CellState(models.TextChoices):
    DUE = "due", _("due")
    COMPLETE = "complete", _("complete")
    PARTIAL = "partial", _("partial")
    EMPTY_CONFIRMED = "empty_confirmed", _("empty, confirmed")
    TRUNCATED = "truncated", _("truncated")
    FAILED = "failed", _("failed")


GOOD_STATES = (CellState.COMPLETE, CellState.EMPTY_CONFIRMED)


class SourceIdentity(models.Model):
    """One row: the source this database belongs to, stored with its first cell."""

    identity = models.CharField(max_length=200)
    recorded_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        db_table = "sync_source_identity"

    def __str__(self) -> str:
        return self.identity


class DatasetState(models.Model):
    """What holds for a whole dataset: how far back it is kept."""

    dataset = models.CharField(max_length=50, primary_key=True)
    horizon = models.DateField(null=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        db_table = "sync_dataset_state"

    def __str__(self) -> str:
        return self.dataset


class SyncLedger(models.Model):
    """One row per dataset and cell: what is held, what is not, and why.

    `missing` maps each code that was expected and did not come to its reason; `missing_since` is
    when just this set was first found missing, so that a later fetch can agree with it. `disputes`
    maps each code that a sister dataset of that date holds and this one lacks, without a suspension,
    to those sisters. `doubt` is an answer with fewer rows than are held, which waits for a second
    one to agree. A cell that a person accepted as it is names them and their reason. `not_asked` are
    columns that are kept only since its rows were fetched: NULL in them says nothing.
    """

    dataset = models.CharField(_("dataset"), max_length=50)
    cell = models.CharField(_("cell"), max_length=50)
    cell_date = models.DateField(_("cell date"), null=True)
    state = models.CharField(_("state"), max_length=20, choices=CellState.choices)
    expected_rows = models.IntegerField(_("expected rows"), null=True)
    received_rows = models.IntegerField(_("received rows"), default=0)
    missing = models.JSONField(_("missing"), default=dict)
    missing_since = models.DateTimeField(_("missing since"), null=True)
    disputes = models.JSONField(_("disputes"), default=dict, db_default={})
    fingerprint = models.CharField(_("fingerprint"), max_length=64, blank=True)
    fetched_at = models.DateTimeField(_("fetched at"), null=True)
    next_attempt_at = models.DateTimeField(_("next attempt at"), null=True)
    attempts = models.PositiveIntegerField(_("attempts"), default=0)
    last_error = models.TextField(_("last error"), blank=True)
    doubt = models.JSONField(_("doubt"), null=True)
    not_asked = models.JSONField(_("columns not asked for"), default=list, db_default=[])
    accepted_by = models.CharField(
        _("accepted by"), max_length=150, blank=True, default="", db_default=""
    )
    accepted_reason = models.TextField(_("accepted reason"), blank=True, default="", db_default="")
    updated_at = models.DateTimeField(_("updated at"), auto_now=True)

    class Meta:
        db_table = "sync_ledger"
        verbose_name = _("ledger cell")
        verbose_name_plural = _("ledger")
        ordering = ["dataset", "-cell"]
        constraints = [
            models.UniqueConstraint(fields=["dataset", "cell"], name="ledger_one_row_per_cell")
        ]
        indexes = [
            models.Index(fields=["dataset", "cell_date"], name="ledger_by_date"),
            models.Index(
                fields=["dataset", "next_attempt_at"],
                name="ledger_to_ask",
                condition=Q(next_attempt_at__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.dataset} {self.cell}: {self.get_state_display()}"


class TaskStatus(models.TextChoices):
    PENDING = "PENDING", _("pending")
    RUNNING = "RUNNING", _("running")
    COMPLETED = "COMPLETED", _("completed")
    FAILED = "FAILED", _("failed")
    PAUSED = "PAUSED", _("paused")


class TaskWish(models.TextChoices):
    """What a person asked of a task under way; it ends so between two cells."""

    PAUSE = "pause", _("pause")
    CANCEL = "cancel", _("cancel")


class SyncTask(models.Model):
    """A piece of work of the engine. The database allows one RUNNING task per job type.

    `current_offset` counts finished cells of `expected_cells`; the ledger is what a resumed task
    relies on. `resume_at` is set on a task that was parked because only time was missing.
    `resumed_at` and `offset_then` mark where it last began to run, for its rate.
    """

    job_type = models.CharField(_("job type"), max_length=100)
    status = models.CharField(
        _("status"), max_length=10, choices=TaskStatus.choices, default=TaskStatus.PENDING
    )
    wanted = models.CharField(
        _("wanted"), max_length=10, choices=TaskWish.choices, default="", blank=True, db_default=""
    )
    wanted_by = models.CharField(
        _("wanted by"), max_length=150, default="", blank=True, db_default=""
    )
    current_offset = models.PositiveIntegerField(_("current offset"), default=0)
    expected_cells = models.PositiveIntegerField(_("expected cells"), null=True)
    batch_size = models.PositiveIntegerField(_("batch size"), default=50)
    total_processed = models.PositiveBigIntegerField(_("total processed"), default=0)
    started_at = models.DateTimeField(_("started at"), null=True)
    resumed_at = models.DateTimeField(_("resumed at"), null=True)
    offset_then = models.PositiveIntegerField(_("offset then"), default=0, db_default=0)
    resume_at = models.DateTimeField(_("resume at"), null=True)
    updated_at = models.DateTimeField(_("updated at"))
    completed_at = models.DateTimeField(_("completed at"), null=True)
    config = models.JSONField(_("config"), default=dict)
    failure_reason = models.TextField(_("failure reason"), blank=True)
    execution_id = models.BigIntegerField(_("execution id"), null=True)

    class Meta:
        db_table = "sync_task"
        ordering = ["-id"]
        verbose_name = _("sync task")
        verbose_name_plural = _("sync tasks")
        constraints = [
            models.UniqueConstraint(
                fields=["job_type"],
                condition=Q(status="RUNNING"),
                name="sync_task_one_running_per_job_type",
            )
        ]

    def __str__(self) -> str:
        return f"{self.job_type} #{self.pk}: {self.get_status_display()}"

    @property
    def cells_per_minute(self) -> float | None:
        """The rate since it last began to run, or None where nothing can be said yet."""
        since = self.resumed_at or self.started_at
        done = self.current_offset - self.offset_then
        if since is None or done <= 0 or self.updated_at <= since:
            return None
        return done * 60 / (self.updated_at - since).total_seconds()

    @property
    def eta(self) -> dt.datetime | None:
        """When a running task will have finished its cells, at the rate so far."""
        rate = self.cells_per_minute
        if self.status != TaskStatus.RUNNING or rate is None or self.expected_cells is None:
            return None
        left = max(self.expected_cells - self.current_offset, 0)
        return self.updated_at + dt.timedelta(minutes=left / rate)


class SyncFailureRecord(models.Model):
    """A code that could not be synced, to be tried again up to `max_retries` times."""

    job_type = models.CharField(_("job type"), max_length=100)
    code = models.CharField(_("code"), max_length=50)
    error_message = models.TextField(_("error message"))
    retry_count = models.PositiveSmallIntegerField(_("retry count"), default=0)
    max_retries = models.PositiveSmallIntegerField(_("max retries"), default=3)
    last_attempt_at = models.DateTimeField(_("last attempt at"))
    resolved_at = models.DateTimeField(_("resolved at"), null=True)

    class Meta:
        db_table = "sync_failure_record"
        verbose_name = _("failure")
        verbose_name_plural = _("failures")
        constraints = [
            models.UniqueConstraint(
                fields=["job_type", "code"],
                condition=Q(resolved_at__isnull=True),
                name="failure_one_open_per_code",
            )
        ]

    def __str__(self) -> str:
        return f"{self.job_type} {self.code}"
