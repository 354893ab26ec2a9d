"""The page of the admin that says what data rest on, to be read and to be printed."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from datasync_app.datasets import DATASETS
from datasync_app.dates import market_day, parse_date, show_date
from datasync_app.errors import DatasyncError
from datasync_app.reports.digest import RECIPE
from datasync_app.reports.statement import Part, Report, make_report
from datasync_app.reports.words import lines_of, restated, verdict

# Pages are for people: of more, the command has all.
SHOWN = 500


class DayField(forms.CharField):
    """A date as YYYYMMDD."""

    def clean(self, value: Any) -> Any:
        text = super().clean(value)
        try:
            return parse_date(text)
        except ValueError as error:
            raise forms.ValidationError(f"{error}.") from None


class RangeForm(forms.Form):
    start = DayField(label=_("From"), max_length=20)
    end = DayField(label=_("To"), max_length=20)
    dataset = forms.MultipleChoiceField(
        label=_("Datasets"),
        required=False,
        choices=[(name, dataset.title) for name, dataset in DATASETS.items()],
        widget=forms.CheckboxSelectMultiple,
    )


class ReportPages(admin.ModelAdmin):  # type: ignore[type-arg]  # generic for mypy only
    """The part of the ledger's admin that makes a report of a range."""

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.report_view)
        return [
            path("report/", view, name="datasync_app_syncledger_report"),
            *super().get_urls(),
        ]

    def report_view(self, request: HttpRequest) -> HttpResponseBase:
        """A form; with a range, the report of it."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        now = timezone.now()
        form = RangeForm(request.GET or None, initial=_this_year(now))
        report = _made(form, now) if form.is_bound and form.is_valid() else None
        context: dict[str, Any] = {
            **self.admin_site.each_context(request),
            "title": gettext("Completeness report"),
            "form": form,
            "report": report,
            "recipe": gettext(RECIPE),
        }
        if report is not None:
            context["parts"] = [_shown(part) for part in report.parts]
        return TemplateResponse(request, "datasync_app/report.html", context)


def _this_year(now: dt.datetime) -> dict[str, str]:
    today = market_day(now)
    return {"start": f"{today.year}0101", "end": show_date(today)}


def _made(form: RangeForm, now: dt.datetime) -> Report | None:
    names = form.cleaned_data["dataset"] or list(DATASETS)
    datasets = [DATASETS[name] for name in names]
    first, last = form.cleaned_data["start"], form.cleaned_data["end"]
    try:
        return make_report(datasets, first, last, now=now)
    except DatasyncError as error:
        form.add_error("start", str(error))
        return None


def _shown(part: Part) -> dict[str, Any]:
    lines = lines_of(part.findings)
    return {
        "title": part.dataset.title,
        "name": part.dataset.name,
        "is_good": part.is_good,
        "verdict": verdict(part),
        "lines": lines[:SHOWN],
        "lines_left": max(0, len(lines) - SHOWN),
        "restatements": [(change, restated(change)) for change in part.restatements[:SHOWN]],
        "restatements_left": max(0, len(part.restatements) - SHOWN),
        "digests": part.digests,
    }
