"""Tables that only the engine writes, and charts above them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse

from datasync_app import call_charts
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
