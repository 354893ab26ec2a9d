"""What the source said otherwise before: one row per value that a later fetch changed."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _


class RestatementKind(models.TextChoices):
    VALUE = "value", _("changed value")
    GONE = "gone", _("row gone")
    ROUNDING = "rounding", _("rounded anew")


class SyncRestatement(models.Model):
    """A change of what was held, written with the rows that made it.

    `value`: one column of one row, `old` and `new` as JSON (null is NULL, dates are YYYYMMDD).
    `gone`: two fetches agree that a row that was held is no more; `old` is the row.
    `rounding`: every change of the cell is under 0.1 %; one entry, without a key, whose `new` says
    how many values changed and by how much at most.
    """

    dataset = models.CharField(_("dataset"), max_length=50)
    cell = models.CharField(_("cell"), max_length=50)
    kind = models.CharField(_("kind"), max_length=10, choices=RestatementKind.choices)
    key = models.JSONField(_("key"), default=dict)
    column = models.CharField(_("column"), max_length=50, blank=True)
    old = models.JSONField(_("old"), null=True)
    new = models.JSONField(_("new"), null=True)
    at = models.DateTimeField(_("at"))

    class Meta:
        db_table = "sync_restatement"
        ordering = ["-at", "id"]
        verbose_name = _("restatement")
        verbose_name_plural = _("restatements")
        indexes = [
            models.Index(fields=["dataset", "cell"], name="restatement_by_cell"),
            models.Index(fields=["-at", "id"], name="restatement_by_time"),
        ]

    def __str__(self) -> str:
        return f"{self.dataset} {self.cell}: {self.get_kind_display()} {self.column}".rstrip()
