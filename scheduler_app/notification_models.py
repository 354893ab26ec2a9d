"""The tables of notifications: where they go, what waits to be sent, and what was last told of a job."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _


class ChannelKind(models.TextChoices):
    """What is sent to an address."""

    MESSAGES = "messages", _("messages to people")
    HEARTBEAT = "heartbeat", _("a ping every minute")


class NotificationChannel(models.Model):
    """An address, and what it hears of. The address is a secret: it is stored sealed, and never shown."""

    name = models.CharField(_("name"), max_length=100, unique=True)
    kind = models.CharField(
        _("what is sent"),
        max_length=10,
        choices=ChannelKind.choices,
        default=ChannelKind.MESSAGES,
    )
    sealed_address = models.TextField(editable=False)
    # What may be shown of the address: the service that it belongs to.
    service = models.CharField(_("service"), max_length=100, editable=False)
    enabled = models.BooleanField(_("enabled"), default=True)
    on_change = models.BooleanField(_("when a schedule fails or works again"), default=True)
    digest_at = models.TimeField(_("daily digest at"), null=True, blank=True)
    language = models.CharField(_("language"), max_length=10, default="en")
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    # The last day, in the time zone of the settings, whose digest was written or is not wanted.
    digest_on = models.DateField(null=True, editable=False)
    last_sent_at = models.DateTimeField(_("last sent"), null=True, editable=False)
    last_error = models.TextField(_("last error"), blank=True, default="", editable=False)

    class Meta:
        db_table = "scheduler_notification_channel"
        ordering = ["name"]
        verbose_name = _("notification channel")
        verbose_name_plural = _("notification channels")

    def __str__(self) -> str:
        return self.name


class NotificationKind(models.TextChoices):
    FAILING = "failing", _("fails")
    RECOVERED = "recovered", _("works again")
    PAUSED = "paused", _("paused itself")
    NO_SUCCESS = "no_success", _("no success in time")
    DIGEST = "digest", _("daily digest")
    TEST = "test", _("test")


class Delivery(models.TextChoices):
    WAITING = "waiting", _("waiting")
    SENT = "sent", _("sent")
    GIVEN_UP = "given_up", _("given up")


class Notification(models.Model):
    """A message for one channel. Written with what it tells of, in one transaction; sent later."""

    channel = models.ForeignKey(
        NotificationChannel, verbose_name=_("channel"), on_delete=models.CASCADE
    )
    kind = models.CharField(_("kind"), max_length=20, choices=NotificationKind.choices)
    subject = models.CharField(_("subject"), max_length=200)
    body = models.TextField(_("message"))
    state = models.CharField(
        _("state"), max_length=10, choices=Delivery.choices, default=Delivery.WAITING
    )
    created_at = models.DateTimeField(_("created"))
    not_before = models.DateTimeField(_("not before"))
    attempts = models.PositiveSmallIntegerField(_("attempts"), default=0)
    sent_at = models.DateTimeField(_("sent"), null=True)
    error = models.TextField(_("error"), blank=True, default="")

    class Meta:
        db_table = "scheduler_notification"
        ordering = ["-id"]
        verbose_name = _("notification")
        verbose_name_plural = _("notifications")
        indexes = [
            models.Index(
                fields=["not_before"],
                name="notification_waiting",
                condition=Q(state="waiting"),
            ),
        ]

    def __str__(self) -> str:
        return self.subject


class JobState(models.Model):
    """What was last found of a scheduled job, so that people are told of changes and of nothing else."""

    job_id = models.CharField(max_length=100, unique=True)
    failing = models.BooleanField()
    since = models.DateTimeField()
    # The beginning of a pause by itself that was told of, and the day of the last alarm.
    pause_told = models.DateTimeField(null=True)
    alarmed_on = models.DateField(null=True)

    class Meta:
        db_table = "scheduler_job_state"

    def __str__(self) -> str:
        return f"{self.job_id}: {'failing' if self.failing else 'fine'} since {self.since}"
