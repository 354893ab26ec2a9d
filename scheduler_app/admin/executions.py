"""Executions for staff: to read, never to edit."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import Truncator
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from scheduler_app import going_on
from scheduler_app.admin import base, look
from scheduler_app.admin.paging import BoundedPaginator
from scheduler_app.models import ExecutionLog, JobConfig, Status
from scheduler_app.registry import registry


class JobFilter(admin.SimpleListFilter):
    """The jobs that exist, instead of a DISTINCT over the whole history."""

    title = _("job")
    parameter_name = "job_id"

    def lookups(
        self, request: HttpRequest, model_admin: admin.ModelAdmin[Any]
    ) -> Iterable[tuple[str, str]]:
        scheduled = JobConfig.objects.values_list("job_id", flat=True)
        return [(job_id, job_id) for job_id in sorted({*registry.ids(), *scheduled})]

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[ExecutionLog]
    ) -> QuerySet[ExecutionLog]:
        value = self.value()
        return queryset.filter(job_id=value) if value else queryset


@admin.register(ExecutionLog)
class ExecutionLogAdmin(look.ReadOnly, base.ModelAdmin):
    list_display = [
        "id",
        "job",
        "shown_status",
        "shown_slot",
        "shown_duration",
        "cause",
    ]
    list_filter = ["status", "caused_by", JobFilter]
    list_per_page = 50
    ordering = ["-id"]
    sortable_by = ()
    # Counting each filter's rows would read the whole history.
    show_facets = admin.ShowFacets.NEVER
    paginator = BoundedPaginator
    show_full_result_count = False
    fieldsets = [
        (None, {"fields": ["job_id", "shown_status", "error", "shown_result"]}),
        (
            _("When"),
            {
                "fields": [
                    "shown_slot",
                    "shown_not_before",
                    "shown_start",
                    "shown_end",
                    "shown_duration",
                ]
            },
        ),
        (_("Why"), {"fields": ["caused_by", "triggered_by", "attempt", "process", "shown_kwargs"]}),
        (_("Log"), {"fields": ["shown_log", "shown_traceback"]}),
    ]

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.stop_view)
        name = "scheduler_app_executionlog_stop"
        return [path("<int:execution_id>/stop/", view, name=name), *super().get_urls()]

    def stop_view(self, request: HttpRequest, execution_id: int) -> HttpResponse:
        """Ask a run under way to stop at its next checkpoint."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        if not (
            self.has_view_permission(request)
            and request.user.has_perm("scheduler_app.trigger_jobconfig")
        ):
            raise PermissionDenied
        running = ExecutionLog.objects.filter(pk=execution_id, status=Status.RUNNING)
        if running.exists():
            by = request.user.get_username()
            going_on.ask_to_stop(execution_id, f"stopped by {by}")
            said = gettext("Execution %d was asked to stop; it does at its next checkpoint.")
            self.message_user(request, said % execution_id, messages.SUCCESS)
        else:
            said = gettext("Execution %d is not running.")
            self.message_user(request, said % execution_id, messages.ERROR)
        return HttpResponseRedirect(reverse("admin:index"))

    def get_queryset(self, request: HttpRequest) -> QuerySet[ExecutionLog]:
        rows = super().get_queryset(request)
        if request.resolver_match and request.resolver_match.kwargs.get("object_id"):
            return rows.select_related("process")
        return rows.defer("log", "traceback", "result", "job_kwargs")

    @admin.display(description=_("status"))
    def shown_status(self, execution: ExecutionLog) -> SafeString:
        return look.badge(execution.status)

    @admin.display(description=_("duration"))
    def shown_duration(self, execution: ExecutionLog) -> str:
        if execution.duration_ms is None and execution.started_at and not execution.finished_at:
            passed = timezone.now() - execution.started_at
            so_far = look.duration(max(0, int(passed.total_seconds()) * 1000))
            return gettext("%(time)s so far") % {"time": so_far}
        return look.duration(execution.duration_ms)

    @admin.display(description=_("job"))
    def job(self, execution: ExecutionLog) -> SafeString:
        error = Truncator(execution.error_message).chars(200)
        return format_html('{}<span class="run-note run-error">{}</span>', execution.job_id, error)

    @admin.display(description=_("error"))
    def error(self, execution: ExecutionLog) -> SafeString | str:
        return look.block(execution.error_message)

    @admin.display(description=_("scheduled for"))
    def shown_slot(self, execution: ExecutionLog) -> SafeString | str:
        return look.local(execution.scheduled_for)

    @admin.display(description=_("not before"))
    def shown_not_before(self, execution: ExecutionLog) -> SafeString | str:
        return look.local(execution.not_before)

    @admin.display(description=_("started"))
    def shown_start(self, execution: ExecutionLog) -> SafeString | str:
        return look.local(execution.started_at)

    @admin.display(description=_("finished"))
    def shown_end(self, execution: ExecutionLog) -> SafeString | str:
        return look.local(execution.finished_at)

    @admin.display(description=_("caused by"))
    def cause(self, execution: ExecutionLog) -> SafeString:
        return format_html(
            '{} <span class="run-quiet">{}</span>',
            execution.get_caused_by_display(),
            execution.triggered_by,
        )

    @admin.display(description=_("result"))
    def shown_result(self, execution: ExecutionLog) -> SafeString | str:
        return look.as_json(execution.result)

    @admin.display(description=_("arguments"))
    def shown_kwargs(self, execution: ExecutionLog) -> SafeString | str:
        return look.as_json(execution.job_kwargs)

    @admin.display(description=_("log"))
    def shown_log(self, execution: ExecutionLog) -> SafeString | str:
        return look.block(execution.log)

    @admin.display(description=_("traceback"))
    def shown_traceback(self, execution: ExecutionLog) -> SafeString | str:
        return look.block(execution.traceback)
