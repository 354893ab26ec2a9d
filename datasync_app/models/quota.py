"""What is known of an account at Tushare, and what was called: limits, denials, slots, journal.

Tokens are never stored; an account is named by the fingerprint of its token. `db_default` is used
throughout, because the limiter writes these tables on a connection of its own, in plain SQL.
"""

from __future__ import annotations

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

LARGEST_LIMIT = 100_000
LIMIT_RULE = _("The limit must be a whole number of calls per minute from 1 to 100,000, or empty.")


class EndpointAccess(models.Model):
    """One endpoint as one account may call it. Limits are calls per minute.

    `stated_limit` is what a refusal said, `learned_limit` what is kept to since; `set_limit` is
    set by staff and wins over both. Nothing is let go before `held_until`. The calls of an hour or
    a day are used up until `spent_until`.
    """

    token_fingerprint = models.CharField(_("token fingerprint"), max_length=12)
    api_name = models.CharField(_("api name"), max_length=64)
    stated_limit = models.PositiveIntegerField(_("stated limit"), null=True)
    learned_limit = models.PositiveIntegerField(_("learned limit"), null=True)
    learned_at = models.DateTimeField(_("learned at"), null=True)
    raised_at = models.DateTimeField(_("raised at"), null=True)
    set_limit = models.PositiveIntegerField(
        _("set limit"),
        null=True,
        blank=True,
        validators=[
            MinValueValidator(1, message=LIMIT_RULE),
            MaxValueValidator(LARGEST_LIMIT, message=LIMIT_RULE),
        ],
        help_text=_(
            "Calls per minute for the whole account, of which TUSHARE_QUOTA_SHARE is used. Wins over what "
            "was learned and over the account's points, but not over TUSHARE_RATE_LIMIT_MAX_CALLS. "
            "Empty: what was learned counts, or else the points."
        ),
    )
    held_until = models.DateTimeField(_("held until"), null=True)
    spent_until = models.DateTimeField(_("spent until"), null=True)
    spent_limit = models.PositiveIntegerField(_("spent limit"), null=True)
    spent_unit = models.CharField(_("spent unit"), max_length=10, default="", db_default="")
    spent_code = models.IntegerField(_("spent code"), null=True)
    spent_text = models.TextField(_("spent text"), default="", db_default="")
    denied_kind = models.CharField(_("denied kind"), max_length=20, default="", db_default="")
    denied_at = models.DateTimeField(_("denied at"), null=True)
    denied_code = models.IntegerField(_("denied code"), null=True)
    denied_text = models.TextField(_("denied text"), default="", db_default="")
    answered_at = models.DateTimeField(_("answered at"), null=True)
    updated_at = models.DateTimeField(_("updated at"), db_default=Now())

    class Meta:
        db_table = "tushare_endpoint_access"
        ordering = ["token_fingerprint", "api_name"]
        verbose_name = _("endpoint access")
        verbose_name_plural = _("endpoint access")
        constraints = [
            models.UniqueConstraint(
                fields=["token_fingerprint", "api_name"], name="access_one_row_per_endpoint"
            )
        ]

    def __str__(self) -> str:
        return f"{self.api_name} ({self.token_fingerprint})"


class TushareAccount(models.Model):
    """What the `user` call told of an account, and when it was last made."""

    token_fingerprint = models.CharField(_("token fingerprint"), max_length=12, primary_key=True)
    points = models.PositiveIntegerField(_("points"), null=True)
    expires = models.DateField(_("expires"), null=True)
    answered_at = models.DateTimeField(_("answered at"), null=True)
    asked_at = models.DateTimeField(_("asked at"))

    class Meta:
        db_table = "tushare_account"
        verbose_name = _("Tushare account")
        verbose_name_plural = _("Tushare accounts")

    def __str__(self) -> str:
        return self.token_fingerprint


class CallSlot(models.Model):
    """A call that counts against its endpoint's limit until `frees_at`, for all processes."""

    token_fingerprint = models.CharField(max_length=12)
    api_name = models.CharField(max_length=64)
    frees_at = models.DateTimeField()

    class Meta:
        db_table = "tushare_slot"
        indexes = [
            models.Index(
                fields=["token_fingerprint", "api_name", "frees_at"], name="slot_by_endpoint"
            )
        ]

    def __str__(self) -> str:
        return f"{self.api_name} until {self.frees_at}"


class CallOutcome(models.TextChoices):
    ROWS = "rows", pgettext_lazy("of a call", "rows")
    EMPTY = "empty", _("empty")
    TRUNCATED = "truncated", _("truncated")
    RATE_LIMITED = "rate_limited", _("rate limited")
    DENIED = "denied", _("denied")
    BAD_REQUEST = "bad_request", _("bad request")
    MISMATCHED = "mismatched", _("mismatched")
    TRANSPORT = "transport", _("transport")


class TushareCall(models.Model):
    """The journal: one call that was let go, and what became of it. `quota` was its limit then."""

    at = models.DateTimeField(_("at"))
    token_fingerprint = models.CharField(_("token fingerprint"), max_length=12)
    api_name = models.CharField(_("api name"), max_length=64)
    params = models.JSONField(_("params"), default=dict)
    duration_ms = models.PositiveIntegerField(_("duration ms"))
    waited_ms = models.PositiveIntegerField(_("waited ms"))
    quota = models.PositiveIntegerField(_("quota"))
    rows = models.PositiveIntegerField(_("rows"), null=True)
    outcome = models.CharField(_("outcome"), max_length=20, choices=CallOutcome.choices)
    code = models.IntegerField(_("code"), null=True)
    message = models.TextField(_("message"), blank=True)

    class Meta:
        db_table = "tushare_call"
        ordering = ["-at"]
        verbose_name = _("call")
        verbose_name_plural = _("call journal")
        indexes = [
            models.Index(fields=["at"], name="call_by_time"),
            models.Index(fields=["api_name", "at"], name="call_by_endpoint"),
            models.Index(
                fields=["-at"],
                name="call_not_answered",
                condition=~Q(outcome__in=["rows", "empty", "truncated"]),
            ),
        ]

    def __str__(self) -> str:
        at = timezone.localtime(self.at)
        return f"{self.api_name} {at:%Y-%m-%d %H:%M:%S %Z}: {self.get_outcome_display()}"


class PastDay(models.Model):
    """The calls of a day that is over, counted once; of later days the journal itself is counted.

    Columns as those of `CallDay`."""

    day = models.DateField()
    token_fingerprint = models.CharField(max_length=12)
    api_name = models.CharField(max_length=64)
    calls = models.BigIntegerField()
    rows = models.BigIntegerField()
    p50_ms = models.FloatField()
    p95_ms = models.FloatField()
    waited_ms = models.BigIntegerField()
    refusals = models.BigIntegerField()
    failures = models.BigIntegerField()
    quota_used = models.FloatField()

    class Meta:
        db_table = "tushare_past_day"
        constraints = [
            models.UniqueConstraint(
                fields=["day", "token_fingerprint", "api_name"], name="past_day_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.api_name} {self.day}"


class CallDay(models.Model):
    """A view of past days and the journal: one endpoint on one day in Shanghai, as one account
    called it.

    `quota_used` is the busiest minute's calls as a share of the limit that held.
    """

    id = models.CharField(_("id"), max_length=100, primary_key=True)
    day = models.DateField(_("day"))
    token_fingerprint = models.CharField(_("token fingerprint"), max_length=12)
    api_name = models.CharField(_("api name"), max_length=64)
    calls = models.PositiveIntegerField(_("calls"))
    rows = models.PositiveBigIntegerField(_("rows"))
    p50_ms = models.FloatField(_("p50 ms"))
    p95_ms = models.FloatField(_("p95 ms"))
    waited_ms = models.PositiveBigIntegerField(_("waited ms"))
    refusals = models.PositiveIntegerField(_("refusals"))
    failures = models.PositiveIntegerField(pgettext_lazy("number", "failures"))
    quota_used = models.FloatField(_("quota used"))

    class Meta:
        managed = False
        db_table = "tushare_call_day"
        ordering = ["-day", "api_name"]
        verbose_name = _("calls of a day")
        verbose_name_plural = _("calls by day")

    def __str__(self) -> str:
        return f"{self.api_name} {self.day}"
