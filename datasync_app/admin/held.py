"""What is held: the stock list, the tasks that fetch, and the ledger that proves it."""

from __future__ import annotations

from django import forms
from django.contrib import admin, messages
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from unfold.forms import ActionForm

from datasync_app.admin.base import ReadOnlyAdmin
from datasync_app.cell_pages import CellPages, reason_given
from datasync_app.datasets import get_dataset
from datasync_app.engine import ledger
from datasync_app.errors import LedgerRefused
from datasync_app.models import StockBasic, SyncLedger, SyncTask
from datasync_app.report_pages import ReportPages
from datasync_app.stock_pages import StockPages
from datasync_app.task_pages import TaskPages
from scheduler_app.admin import look


@admin.register(StockBasic)
class StockBasicAdmin(StockPages, ReadOnlyAdmin):
    """Every code of the stock list; a code leads to its chart."""

    list_display = ["code", "name", "industry", "market", "list_status", "list_date"]
    list_filter = ["list_status"]
    search_fields = ["ts_code__istartswith", "name"]
    search_help_text = _("how its code begins, or a part of its name")

    @admin.display(description=_("code"), ordering="ts_code")
    def code(self, stock: StockBasic) -> str:
        return str(stock.pk)


@admin.register(SyncTask)
class SyncTaskAdmin(TaskPages, ReadOnlyAdmin):
    list_display = [
        "id",
        "job",
        "status",
        "progress",
        "total_processed",
        "began",
        "done_by",
    ]
    list_filter = ["status", "job_type"]

    @admin.display(description=_("progress"))
    def progress(self, task: SyncTask) -> str:
        of = "" if task.expected_cells is None else f" / {task.expected_cells}"
        return f"{task.current_offset}{of}"

    @admin.display(description=_("started"), ordering="started_at")
    def began(self, task: SyncTask) -> str:
        return look.local(task.started_at)

    @admin.display(description=_("job type"), ordering="job_type")
    def job(self, task: SyncTask) -> SafeString:
        return look.with_error(task.job_type, task.failure_reason)

    @admin.display(description=_("done, or done by"), ordering="completed_at")
    def done_by(self, task: SyncTask) -> str:
        return look.local(task.completed_at or task.eta)


class ReasonForm(ActionForm):  # type: ignore[misc]  # unfold has no types
    """The action's own line has room for the reason."""

    reason = forms.CharField(required=False, label=_("Reason"), strip=True)


@admin.register(SyncLedger)
class SyncLedgerAdmin(ReportPages, CellPages, ReadOnlyAdmin):
    """What is held; staff may ask for a cell again, or accept a partial one for a reason."""

    actions = ["ask_again", "accept"]
    action_form = ReasonForm
    list_display = [
        "dataset",
        "cell",
        "standing",
        "received_rows",
        "absent",
        "asked_again",
        "fetched",
    ]
    list_filter = ["dataset", "state"]
    search_fields = ["cell"]

    @admin.display(description=_("state"), ordering="state")
    def standing(self, entry: SyncLedger) -> SafeString:
        return look.with_error(entry.get_state_display(), entry.last_error)

    @admin.display(description=_("absent"))
    def absent(self, entry: SyncLedger) -> int:
        return len(entry.missing)

    @admin.display(description=_("next attempt"), ordering="next_attempt_at")
    def asked_again(self, entry: SyncLedger) -> str:
        return look.local(entry.next_attempt_at)

    @admin.display(description=_("fetched"), ordering="fetched_at")
    def fetched(self, entry: SyncLedger) -> str:
        return look.local(entry.fetched_at)

    @admin.action(description=_("Ask again at the next run"), permissions=["decide"])
    def ask_again(self, request: HttpRequest, chosen: QuerySet[SyncLedger]) -> None:
        for entry in chosen:
            ledger.reset(get_dataset(entry.dataset), entry.cell, now=timezone.now())
        self.message_user(
            request, _("%(count)d cells are asked for again.") % {"count": len(chosen)}
        )

    @admin.action(description=_("Accept as it is, for the reason given"), permissions=["decide"])
    def accept(self, request: HttpRequest, chosen: QuerySet[SyncLedger]) -> None:
        by = request.user.get_username()
        try:
            reason = reason_given(request)
            with transaction.atomic():
                for entry in chosen:
                    dataset = get_dataset(entry.dataset)
                    ledger.accept(dataset, entry.cell, by, reason, now=timezone.now())
        except LedgerRefused as refused:
            self.message_user(request, str(refused), messages.ERROR)
        else:
            self.message_user(request, _("%(count)d cells are accepted.") % {"count": len(chosen)})
