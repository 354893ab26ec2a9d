"""What the engine remembers and the calls it made, for staff to read.

The one thing that is edited here is the limit of an endpoint.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db import transaction
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import Truncator
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.forms import ActionForm

from datasync_app import call_charts
from datasync_app.cell_pages import CellPages, reason_given
from datasync_app.control import forget_learned
from datasync_app.datasets import DATASETS, get_dataset
from datasync_app.engine import ledger
from datasync_app.engine.finance.failures import try_anew
from datasync_app.errors import LedgerRefused
from datasync_app.models import (
    CallDay,
    EndpointAccess,
    StockBasic,
    SyncFailureRecord,
    SyncLedger,
    SyncQuarantine,
    SyncRestatement,
    SyncTask,
    TushareAccount,
    TushareCall,
)
from datasync_app.models.quota import LIMIT_RULE
from datasync_app.report_pages import ReportPages
from datasync_app.stock_pages import StockPages
from datasync_app.task_pages import TaskPages
from scheduler_app.admin import base, look
from scheduler_app.admin.paging import BoundedPaginator


class ReadOnlyAdmin(look.ReadOnly, base.ModelAdmin):
    """A table that only the engine writes."""

    # Each row costs the page some milliseconds.
    list_per_page = 50
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    paginator = BoundedPaginator


class ChartedAdmin(ReadOnlyAdmin):
    """A list with charts of its rows above it."""

    list_before_template = "datasync_app/charts.html"

    def charts(self, rows: Sequence[Any]) -> list[call_charts.Chart]:
        raise NotImplementedError

    def charted(self, changelist: Any) -> Sequence[Any]:
        """The rows that the charts show: by default those of the page."""
        return list(changelist.result_list)

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        answer = super().changelist_view(request, extra_context)
        context = getattr(answer, "context_data", None) or {}
        if changelist := context.get("cl"):
            context["charts"] = self.charts(self.charted(changelist))
        return answer


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
        why = Truncator(task.failure_reason).chars(200)
        return format_html('{}<span class="run-note run-error">{}</span>', task.job_type, why)

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
        "state",
        "received_rows",
        "absent",
        "last_error",
        "asked_again",
        "fetched",
    ]
    list_filter = ["dataset", "state"]
    search_fields = ["cell"]

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


@admin.register(SyncRestatement)
class SyncRestatementAdmin(ReadOnlyAdmin):
    list_display = ["at", "dataset", "cell", "kind", "key", "column", "old", "new"]
    list_filter = ["dataset", "kind"]
    search_fields = ["cell"]


@admin.register(SyncQuarantine)
class SyncQuarantineAdmin(ReadOnlyAdmin):
    list_display = ["at", "dataset", "cell", "key", "broken", "resolved_at", "resolved_by"]
    list_filter = ["dataset", ("resolved_at", admin.EmptyFieldListFilter)]
    search_fields = ["cell", "reason"]
    fields = ["dataset", "cell", "key", "row", "rules", "broken", "at", "last_seen_at", "resolved_at",
              "resolved_by"]  # fmt: skip
    readonly_fields = ["broken"]

    @admin.display(description=_("reason"), ordering="reason")
    def broken(self, entry: SyncQuarantine) -> str:
        """What the rules say, in the reader's language; of a rule that is no more, what it said."""
        known = {rule.name: rule.sentence for each in DATASETS.values() for rule in each.quarantine}
        names = entry.rules.split(",")
        if not known.keys() >= set(names):
            return entry.reason
        return gettext("; ").join(str(known[name]) for name in names)


@admin.register(SyncFailureRecord)
class SyncFailureRecordAdmin(ReadOnlyAdmin):
    """What could not be synced; staff may let the next run try it anew, as often as at first."""

    actions = ["try_again"]
    list_display = [
        "job_type",
        "code",
        "retry_count",
        "max_retries",
        "error_message",
        "last_attempt_at",
        "resolved_at",
    ]
    list_filter = ["job_type", ("resolved_at", admin.EmptyFieldListFilter)]
    search_fields = ["code"]

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


# What a sync found out of an endpoint.
ACCESS_FACTS = [
    "api_name",
    "token_fingerprint",
    "learned_limit",
    "stated_limit",
    "learned_at",
    "raised_at",
    "held_until",
    "spent_until",
    "spent_text",
    "denied_at",
    "denied_kind",
    "denied_text",
    "answered_at",
]


class EndpointLimitForm(forms.ModelForm):  # type: ignore[type-arg] # generic for mypy only
    # Django's own field would add a sentence of its own to the model's.
    set_limit = forms.IntegerField(
        label=_("Set limit"),
        required=False,
        error_messages={"invalid": LIMIT_RULE},
        help_text=EndpointAccess._meta.get_field("set_limit").help_text,
    )

    class Meta:
        model = EndpointAccess
        fields = ["set_limit"]


@admin.register(EndpointAccess)
class EndpointAccessAdmin(ChartedAdmin):
    """What is known of each endpoint; staff may set its limit, or let it all be found out anew."""

    form = EndpointLimitForm

    def charts(self, rows: Sequence[EndpointAccess]) -> list[call_charts.Chart]:
        return call_charts.of_limits(rows)

    actions = ["forget"]
    list_display = [
        "api_name",
        "token_fingerprint",
        "set_limit",
        "learned_limit",
        "stated_limit",
        "learned_at",
        "denied_kind_now",
        "denied_at",
        "spent_until",
        "held_until",
        "answered_at",
    ]
    list_filter = ["api_name", "token_fingerprint"]
    fields = ["set_limit", *ACCESS_FACTS]
    readonly_fields = ACCESS_FACTS

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return request.user.has_perm("datasync_app.change_endpointaccess")

    def save_model(
        self, request: HttpRequest, obj: EndpointAccess, form: object, change: bool
    ) -> None:
        # Whatever a sync learns meanwhile is not overwritten.
        obj.save(update_fields=["set_limit"])

    @admin.display(description=_("denied"))
    def denied_kind_now(self, access: EndpointAccess) -> str:
        return gettext(access.denied_kind) if access.denied_at and access.denied_kind else ""

    @admin.action(
        description=_("Forget what was learned, and ask again at the next run"),
        permissions=["change"],
    )
    def forget(self, request: HttpRequest, chosen: QuerySet[EndpointAccess]) -> None:
        count = forget_learned(chosen)
        self.message_user(
            request, _("%(count)d endpoints will be found out anew.") % {"count": count}
        )


@admin.register(TushareAccount)
class TushareAccountAdmin(ReadOnlyAdmin):
    list_display = ["token_fingerprint", "points", "expires", "answered_at", "asked_at"]


class EndpointFilter(admin.SimpleListFilter):
    """The endpoints of the datasets, instead of a DISTINCT over the whole journal."""

    title = _("api name")
    parameter_name = "api_name"

    def lookups(
        self, request: HttpRequest, model_admin: admin.ModelAdmin[Any]
    ) -> list[tuple[str, str]]:
        return [(name, name) for name in sorted({*DATASETS, "user"})]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        value = self.value()
        return queryset.filter(api_name=value) if value else queryset


@admin.register(TushareCall)
class TushareCallAdmin(ReadOnlyAdmin):
    list_display = [
        "at",
        "api_name",
        "params",
        "outcome",
        "rows",
        "duration_ms",
        "waited_ms",
        "code",
        "message",
    ]
    list_filter = ["outcome", EndpointFilter, ("at", admin.DateFieldListFilter)]


# Rows, one for each endpoint and day.
DAYS_CHARTED = 600


@admin.register(CallDay)
class CallDayAdmin(ChartedAdmin):
    """The journal by endpoint and day; the charts show about a month of it, whatever the page."""

    def charts(self, rows: Sequence[CallDay]) -> list[call_charts.Chart]:
        return call_charts.of_days(rows)

    def charted(self, changelist: Any) -> Sequence[CallDay]:
        return list(changelist.queryset.order_by("-day", "api_name")[:DAYS_CHARTED])

    list_display = [
        "day",
        "api_name",
        "calls",
        "rows",
        "median_ms",
        "slow_ms",
        "refusals",
        "failures",
        "busiest_minute",
        "token_fingerprint",
    ]
    list_display_links = None
    list_filter = [EndpointFilter]

    @admin.display(description=_("p50 (ms)"), ordering="p50_ms")
    def median_ms(self, row: CallDay) -> str:
        return f"{row.p50_ms:.0f}"

    @admin.display(description=_("p95 (ms)"), ordering="p95_ms")
    def slow_ms(self, row: CallDay) -> str:
        return f"{row.p95_ms:.0f}"

    @admin.display(description=_("quota used in the busiest minute"), ordering="quota_used")
    def busiest_minute(self, row: CallDay) -> str:
        return f"{row.quota_used:.0%}"
