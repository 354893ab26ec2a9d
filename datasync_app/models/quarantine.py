"""Rows that break a rule of the market: kept apart, with the reason."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _


class SyncQuarantine(models.Model):
    """A row that the source sent and that is not among the data.

    `row` is the row as it was typed, `rules` the names of those it breaks, `reason` what they say.
    It stays open until a later fetch brings a row for its key that breaks none.
    """

    dataset = models.CharField(_("dataset"), max_length=50)
    cell = models.CharField(_("cell"), max_length=50)
    key = models.JSONField(_("key"))
    row = models.JSONField(_("row"))
    rules = models.CharField(_("rules"), max_length=200)
    reason = models.TextField(_("reason"))
    at = models.DateTimeField(_("at"))
    last_seen_at = models.DateTimeField(_("last seen at"))
    resolved_at = models.DateTimeField(_("resolved at"), null=True)
    resolved_by = models.CharField(_("resolved by"), max_length=200, blank=True)

    class Meta:
        db_table = "sync_quarantine"
        ordering = ["-at", "id"]
        verbose_name = _("row in quarantine")
        verbose_name_plural = _("quarantine")
        constraints = [
            models.UniqueConstraint(
                fields=["dataset", "cell", "key"],
                condition=Q(resolved_at__isnull=True),
                name="quarantine_one_open_per_key",
            )
        ]
        indexes = [models.Index(fields=["dataset", "-at"], name="quarantine_by_time")]

    def __str__(self) -> str:
        return f"{self.dataset} {self.cell}: {self.rules}"
