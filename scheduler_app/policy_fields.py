"""The columns of a schedule that say what becomes of its slots. 0 means none, for every limit."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

DAY_SECONDS = 24 * 3600
EVERY_DAY = "every_day"


class Misfire(models.TextChoices):
    """What becomes of slots that nobody could start when they were due."""

    SKIP = "skip", _("leave them out")
    RUN_ONCE = "run_once", _("run the latest once")
    RUN_ALL = "run_all", _("run all of them within the window")


class Overlap(models.TextChoices):
    """What becomes of a slot whose job is still running."""

    SKIP = "skip", _("leave the new one out")
    QUEUE_ONE = "queue_one", _("let one wait")
    CANCEL_RUNNING = "cancel_running", _("ask the running one to stop")


class PolicyFields(models.Model):
    misfire_policy = models.CharField(
        _("missed slots"),
        max_length=20,
        choices=Misfire.choices,
        default=Misfire.RUN_ONCE,
        db_default=Misfire.RUN_ONCE,
    )
    misfire_window_seconds = models.PositiveIntegerField(
        _("window of missed slots, in seconds"), default=DAY_SECONDS, db_default=DAY_SECONDS
    )
    overlap_policy = models.CharField(
        _("while it still runs"),
        max_length=20,
        choices=Overlap.choices,
        default=Overlap.SKIP,
        db_default=Overlap.SKIP,
    )
    start_deadline_seconds = models.PositiveIntegerField(
        _("start deadline in seconds"), default=0, db_default=0
    )
    run_calendar = models.CharField(
        _("run calendar"), max_length=50, default=EVERY_DAY, db_default=EVERY_DAY
    )
    time_limit_seconds = models.PositiveIntegerField(
        _("time limit in seconds"), default=0, db_default=0
    )
    runs_in_subprocess = models.BooleanField(
        _("in a process of its own"), default=False, db_default=False
    )
    max_retries = models.PositiveSmallIntegerField(_("retries"), default=2, db_default=2)
    retry_delay_seconds = models.PositiveIntegerField(
        _("first retry after seconds"), default=60, db_default=60
    )
    retry_backoff = models.FloatField(_("each further delay times"), default=5.0, db_default=5.0)
    pause_after_failures = models.PositiveSmallIntegerField(
        _("pause after failures in a row"), default=0, db_default=0
    )
    success_by = models.CharField(
        _("alarm without a success by"), max_length=5, blank=True, default="", db_default=""
    )
    paused_at = models.DateTimeField(_("paused since"), null=True, blank=True, editable=False)
    paused_until = models.DateTimeField(_("paused until"), null=True, blank=True, editable=False)
    paused_by = models.CharField(
        _("paused by"), max_length=150, blank=True, default="", db_default="", editable=False
    )
    paused_reason = models.CharField(
        _("reason of the pause"),
        max_length=500,
        blank=True,
        default="",
        db_default="",
        editable=False,
    )
    # Failures before this moment do not count towards the next pause.
    resumed_at = models.DateTimeField(null=True, blank=True, editable=False)
    retention_days = models.PositiveIntegerField(
        _("keep executions for days"), default=90, db_default=90
    )
    retention_runs = models.PositiveIntegerField(
        _("keep at most so many executions"), default=0, db_default=0
    )

    class Meta:
        abstract = True
