"""What is not as it should be: values that the source changed, rows kept apart, what failed."""

from __future__ import annotations

from collections.abc import Mapping

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import Truncator
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from datasync_app.admin.base import ReadOnlyAdmin
from datasync_app.datasets import DATASETS
from datasync_app.engine.finance.failures import try_anew
from datasync_app.models import SyncFailureRecord, SyncLedger, SyncQuarantine, SyncRestatement
from datasync_app.reasons import in_words
from scheduler_app.admin import look


def key_in_words(key: Mapping[str, object]) -> str:
    """`600000.SH 20260316`: what tells the row from others; the digest of a version tells nobody."""
    return " ".join(str(value) for name, value in key.items() if name != "content") or look.NOTHING


def value_in_words(value: object) -> str:
    """A value as it is; of a row that is gone, or of many that were rounded, each with its name."""
    if isinstance(value, Mapping):
        value = ", ".join(f"{name} {each}" for name, each in value.items())
    return look.NOTHING if value is None else Truncator(str(value)).chars(look.SHOWN)


@admin.register(SyncRestatement)
class SyncRestatementAdmin(ReadOnlyAdmin):
    list_display = ["at", "dataset", "cell", "kind", "row_key", "column", "before", "after"]
    list_filter = ["dataset", "kind"]
    search_fields = ["cell"]

    @admin.display(description=_("key"))
    def row_key(self, change: SyncRestatement) -> str:
        return key_in_words(change.key)

    @admin.display(description=_("old"))
    def before(self, change: SyncRestatement) -> str:
        return value_in_words(change.old)

    @admin.display(description=_("new"))
    def after(self, change: SyncRestatement) -> str:
        return value_in_words(change.new)


@admin.register(SyncQuarantine)
class SyncQuarantineAdmin(ReadOnlyAdmin):
    list_display = ["at", "dataset", "cell", "row_key", "broken", "resolved", "by"]
    list_filter = ["dataset", ("resolved_at", admin.EmptyFieldListFilter)]
    search_fields = ["cell", "reason"]
    fields = ["dataset", "its_cell", "row_key", "broken", "rules", "shown_row", "at", "last_seen_at",
              "resolved", "by"]  # fmt: skip
    readonly_fields = ["its_cell", "row_key", "broken", "shown_row", "resolved", "by"]

    @admin.display(description=_("reason"), ordering="reason")
    def broken(self, entry: SyncQuarantine) -> str:
        """What the rules say, in the reader's language; of a rule that is no more, what it said."""
        known = {rule.name: rule.sentence for each in DATASETS.values() for rule in each.quarantine}
        names = entry.rules.split(",")
        if not known.keys() >= set(names):
            return entry.reason
        return gettext("; ").join(str(known[name]) for name in names)

    @admin.display(description=_("key"))
    def row_key(self, entry: SyncQuarantine) -> str:
        return key_in_words(entry.key)

    @admin.display(description=_("row"))
    def shown_row(self, entry: SyncQuarantine) -> SafeString | str:
        """In the order of the source's columns: what a row is of comes first."""
        dataset = DATASETS.get(entry.dataset)
        order = [*(dataset.field_names if dataset else ()), *entry.row]
        return look.as_json({name: entry.row[name] for name in order if name in entry.row})

    @admin.display(description=_("resolved at"), ordering="resolved_at")
    def resolved(self, entry: SyncQuarantine) -> str:
        return look.local(entry.resolved_at)

    @admin.display(description=_("resolved by"))
    def by(self, entry: SyncQuarantine) -> str:
        return in_words(entry.resolved_by)

    @admin.display(description=_("cell"))
    def its_cell(self, entry: SyncQuarantine) -> SafeString | str:
        cell = SyncLedger.objects.filter(dataset=entry.dataset, cell=entry.cell).first()
        if cell is None:
            return entry.cell
        address = reverse("admin:datasync_app_syncledger_change", args=[cell.pk])
        return format_html('<a href="{}" class="run-link">{}</a>', address, entry.cell)


@admin.register(SyncFailureRecord)
class SyncFailureRecordAdmin(ReadOnlyAdmin):
    """What could not be synced; staff may let the next run try it anew, as often as at first."""

    actions = ["try_again"]
    list_display = [
        "code",
        "job",
        "retries",
        "last_attempt",
        "resolved",
    ]
    list_filter = ["job_type", ("resolved_at", admin.EmptyFieldListFilter)]
    search_fields = ["code"]

    @admin.display(description=_("job type"), ordering="job_type")
    def job(self, failure: SyncFailureRecord) -> SafeString:
        return look.with_error(failure.job_type, failure.error_message)

    @admin.display(description=_("retries"), ordering="retry_count")
    def retries(self, failure: SyncFailureRecord) -> str:
        of = {"count": failure.retry_count, "all": failure.max_retries}
        return gettext("%(count)d of %(all)d") % of

    @admin.display(description=_("last attempt at"), ordering="last_attempt_at")
    def last_attempt(self, failure: SyncFailureRecord) -> str:
        return look.local(failure.last_attempt_at)

    @admin.display(description=_("resolved at"), ordering="resolved_at")
    def resolved(self, failure: SyncFailureRecord) -> str:
        return look.local(failure.resolved_at)

    def has_decide_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("datasync_app.change_syncfailurerecord")

    @admin.action(description=_("Try again at the next run"), permissions=["decide"])
    def try_again(self, request: HttpRequest, chosen: QuerySet[SyncFailureRecord]) -> None:
        waiting = chosen.filter(resolved_at=None)
        for record in waiting:
            try_anew(record, now=timezone.now())
        self.message_user(
            request, _("%(count)d failures are tried again.") % {"count": len(waiting)}
        )
