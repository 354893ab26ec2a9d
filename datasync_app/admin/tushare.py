"""The account of the source: what was learned of its endpoints, and the calls that were made."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from datasync_app import call_charts
from datasync_app.admin.base import ChartedAdmin, ReadOnlyAdmin
from datasync_app.control import forget_learned
from datasync_app.datasets import DATASETS
from datasync_app.models import CallDay, EndpointAccess, TushareAccount, TushareCall
from datasync_app.models.quota import LIMIT_RULE

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
        "asked",
        "outcome",
        "rows",
        "duration_ms",
        "waited_ms",
        "code",
        "message",
    ]
    list_filter = ["outcome", EndpointFilter, ("at", admin.DateFieldListFilter)]

    @admin.display(description=_("params"))
    def asked(self, call: TushareCall) -> str:
        return ", ".join(f"{name}={value}" for name, value in call.params.items())


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
