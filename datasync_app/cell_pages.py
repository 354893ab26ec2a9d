"""Pages of the admin about cells: the year of a dataset as a calendar, and what is decided about one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import (
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    HttpResponseNotAllowed,
    HttpResponseRedirect,
)
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from datasync_app import control, heat_map
from datasync_app.datasets import DATASETS, get_dataset
from datasync_app.engine import ledger
from datasync_app.errors import DatasyncError, LedgerRefused
from datasync_app.models import SyncLedger
from datasync_app.reasons import in_words
from scheduler_app.admin.look import queued
from scheduler_app.errors import short

CODES_SHOWN = 50
REASON = forms.CharField(required=False, max_length=1000)


class CellPages(admin.ModelAdmin):  # type: ignore[type-arg]  # generic for mypy only
    """The part of the ledger's admin that shows it as a calendar, and a cell with what it lacks."""

    change_form_outer_before_template = "datasync_app/cell.html"
    fieldsets = [
        (None, {"fields": ["dataset", "cell", "state", "received_rows", "expected_rows"]}),
        (_("What is wrong"), {"fields": ["last_error", "lacking", "missing_since", "disputed",
                                         "doubted", "unasked"]}),
        (_("When"), {"fields": ["fetched_at", "attempts", "next_attempt_at"]}),
        (_("What a person decided"), {"fields": ["accepted_by", "accepted_reason"]}),
    ]  # fmt: skip
    readonly_fields = ["lacking", "disputed", "doubted", "unasked"]

    @admin.display(description=_("missing codes"))
    def lacking(self, entry: SyncLedger) -> SafeString | str:
        by_reason: dict[str, list[str]] = {}
        for code, reason in sorted(entry.missing.items()):
            by_reason.setdefault(in_words(reason), []).append(code)
        return _listed(by_reason)

    @admin.display(description=_("in dispute"))
    def disputed(self, entry: SyncLedger) -> SafeString | str:
        by_sisters: dict[str, list[str]] = {}
        for code, sisters in sorted(entry.disputes.items()):
            held = gettext("held by %s") % ", ".join(sisters)
            by_sisters.setdefault(held, []).append(code)
        return _listed(by_sisters)

    @admin.display(description=_("in doubt"))
    def doubted(self, entry: SyncLedger) -> str:
        if not entry.doubt:
            return "–"
        said = gettext(
            "An answer since %(since)s lacks %(lacks)s of the rows that are held: %(such)s."
        )
        such = ", ".join(entry.doubt["such_as"])
        return said % {"since": entry.doubt["since"], "lacks": entry.doubt["lacks"], "such": such}

    @admin.display(description=_("columns not asked for"))
    def unasked(self, entry: SyncLedger) -> str:
        return ", ".join(entry.not_asked) or "–"

    def has_decide_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("datasync_app.change_syncledger")

    def has_repair_permission(self, request: HttpRequest) -> bool:
        """Repairing runs a job."""
        may_run = request.user.has_perm("scheduler_app.trigger_jobconfig")
        return self.has_decide_permission(request) and may_run

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        context = {
            "may_decide": self.has_decide_permission(request),
            "may_repair": self.has_repair_permission(request),
            **(extra_context or {}),
        }
        return super().changeform_view(request, object_id, form_url, context)

    def get_urls(self) -> list[URLPattern]:
        name = "datasync_app_syncledger"
        wrap = self.admin_site.admin_view
        return [
            path("calendar/", wrap(self.calendar_view), name=f"{name}_calendar"),
            path("<int:pk>/decide/", wrap(self.decide_view), name=f"{name}_decide"),
            *super().get_urls(),
        ]

    def calendar_view(self, request: HttpRequest) -> HttpResponseBase:
        """The year of a dataset; by default the daily bars of the newest year."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        years = heat_map.years()
        chosen = [dataset for name, dataset in DATASETS.items() if name in years]
        context: dict[str, Any] = {
            **self.admin_site.each_context(request),
            "title": gettext("Data coverage"),
            "datasets": chosen,
        }
        if chosen:
            default = "daily" if "daily" in years else chosen[0].name
            name = self._asked(request, "dataset", [each.name for each in chosen], default)
            of_dataset = list(years[name])
            shown = map(str, of_dataset)
            year = int(self._asked(request, "year", shown, str(of_dataset[-1])))
            months = heat_map.months(DATASETS[name], year, now=timezone.now())
            context |= {
                "dataset": DATASETS[name],
                "years": of_dataset,
                "year": year,
                "months": months,
                "counts": heat_map.counts(months),
            }
        return TemplateResponse(request, "datasync_app/calendar.html", context)

    def _asked(self, request: HttpRequest, name: str, valid: Iterable[str], default: str) -> str:
        """What the query asks for, or the default, with a sentence where it is not valid."""
        known = list(valid)
        asked = request.GET.get(name, default)
        if asked in known:
            return asked
        said = gettext("%(asked)s is no %(name)s of the ledger; it has %(known)s.")
        told = {"asked": short(asked), "name": name, "known": ", ".join(known)}
        self.message_user(request, said % told, messages.ERROR)
        return default

    def decide_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Ask for a cell again, or accept a partial one for a reason, as the API does."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        if not (self.has_view_permission(request) and self.has_decide_permission(request)):
            raise PermissionDenied
        entry = SyncLedger.objects.filter(pk=pk).first()
        if entry is None:
            self.message_user(request, gettext("There is no such cell."), messages.ERROR)
            return HttpResponseRedirect(reverse("admin:datasync_app_syncledger_changelist"))
        try:
            self.message_user(request, self._decided(request, entry), messages.SUCCESS)
        except DatasyncError as refused:
            self.message_user(request, str(refused), messages.ERROR)
        address = reverse("admin:datasync_app_syncledger_change", args=[pk])
        return HttpResponseRedirect(address)

    def _decided(self, request: HttpRequest, entry: SyncLedger) -> str:
        dataset, now = get_dataset(entry.dataset), timezone.now()
        wish = request.POST.get("wish", "")
        if wish == "ask_again":
            ledger.reset(dataset, entry.cell, now=now)
            return gettext("The cell is asked for again at the next run.")
        if wish == "accept":
            by = request.user.get_username()
            ledger.accept(dataset, entry.cell, by, reason_given(request), now=now)
            return gettext("The cell is accepted as it is.")
        if wish == "repair":
            if not self.has_repair_permission(request):
                raise PermissionDenied
            return queued(control.repair(dataset, entry.cell, by=request.user.get_username()))
        raise LedgerRefused(gettext("A cell can be repaired, asked for again, or accepted."))


def reason_given(request: HttpRequest) -> str:
    """The reason that was typed in. Raises LedgerRefused where it cannot be stored."""
    try:
        return str(REASON.clean(request.POST.get("reason", "")))
    except ValidationError as problem:
        raise LedgerRefused(" ".join(problem.messages)) from None


def _listed(codes: Mapping[str, list[str]]) -> SafeString | str:
    """Codes under their reasons, the first of them by name."""
    if not codes:
        return "–"

    def shown(of_reason: list[str]) -> str:
        more = len(of_reason) - CODES_SHOWN
        named = ", ".join(of_reason[:CODES_SHOWN])
        return named + (gettext(" and %d more") % more if more > 0 else "")

    lines = ((reason, len(each), shown(each)) for reason, each in codes.items())
    return format_html("<ul>{}</ul>", format_html_join("", "<li>{} ({}): {}</li>", lines))
