"""Executions for staff: to read, never to edit."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import (
    HttpRequest,
    HttpResponse,
    HttpResponseNotAllowed,
    HttpResponseRedirect,
    JsonResponse,
)
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from scheduler_app import configs, dashboard, execution_search, going_on, live_log
from scheduler_app.admin import base, look
from scheduler_app.admin.paging import BoundedPaginator
from scheduler_app.errors import SchedulerError
from scheduler_app.models import Cause, ExecutionLog, JobConfig, Status
from scheduler_app.registry import registry
from scheduler_app.told import told


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
    # Searched by `execution_search`; the list shows its box for these.
    search_fields = ["pk"]
    search_help_text = _(
        "A number, a job, who asked for it, a day (2026-03-02), or words of an error of the newest "
        "5,000 failures."
    )
    ordering = ["-id"]
    sortable_by = ()
    # Counting each filter's rows would read the whole history.
    show_facets = admin.ShowFacets.NEVER
    paginator = BoundedPaginator
    show_full_result_count = False
    fieldsets = [
        (None, {"fields": ["job_id", "shown_status", "error"]}),
        (_("Log"), {"fields": ["shown_log", "shown_traceback"]}),
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
        (
            _("Why"),
            {
                "fields": [
                    "caused_by",
                    "triggered_by",
                    "attempt",
                    "attempts",
                    "process",
                    "shown_kwargs",
                ]
            },
        ),
        (_("Result"), {"fields": ["shown_result"]}),
    ]

    class Media:
        js = ["scheduler_app/tail.js"]

    def get_urls(self) -> list[URLPattern]:
        views = {"stop": self.stop_view, "again": self.again_view, "tail": self.tail_view}
        return [
            *(path(f"<int:execution_id>/{name}/", self.admin_site.admin_view(view),
                   name=f"scheduler_app_executionlog_{name}") for name, view in views.items()),
            *super().get_urls(),
        ]  # fmt: skip

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[ExecutionLog], search_term: str
    ) -> tuple[QuerySet[ExecutionLog], bool]:
        return execution_search.find(queryset, search_term), False

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        execution = self.get_object(request, object_id) if object_id else None
        if execution is not None:
            may = request.user.has_perm("scheduler_app.trigger_jobconfig")
            running = execution.status == Status.RUNNING
            extra_context = {
                "may_stop": may and running,
                "may_run_again": may and execution.finished_at is not None
                and execution.job_id in registry,
                "told": dashboard.rendered_of_run(request, execution),
                "progress": dashboard.rendered_progress(request, [execution] if running else [])
                .get(execution.pk, []),
                **(extra_context or {}),
            }  # fmt: skip
        return super().changeform_view(request, object_id, form_url, extra_context)

    def tail_view(self, request: HttpRequest, execution_id: int) -> HttpResponse:
        """The log of a run so far, as JSON, and whether it has ended."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        execution = ExecutionLog.objects.filter(pk=execution_id).first()
        if execution is None:
            return JsonResponse({"detail": gettext("There is no such execution.")}, status=404)
        return JsonResponse(
            {
                "status": execution.status,
                "log": live_log.so_far(execution),
                "ended": execution.finished_at is not None,
            }
        )

    def again_view(self, request: HttpRequest, execution_id: int) -> HttpResponse:
        """Queue a run of the same job with the same arguments."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        self._check_may_run(request)
        execution = ExecutionLog.objects.filter(pk=execution_id).first()
        if execution is None:
            self.message_user(request, gettext("There is no such execution."), messages.ERROR)
            return HttpResponseRedirect(reverse("admin:scheduler_app_executionlog_changelist"))
        try:
            again, _created = configs.queue_run(
                execution.job_id,
                Cause.MANUAL,
                triggered_by=request.user.get_username(),
                job_kwargs=execution.job_kwargs,
            )
        except SchedulerError as error:
            said = gettext("Not queued: %(job)s. %(error)s")
            told = said % {"job": execution.job_id, "error": error}
            self.message_user(request, told, messages.ERROR)
            return HttpResponseRedirect(look.execution_address(execution_id))
        self.message_user(request, look.queued(again), messages.SUCCESS)
        return HttpResponseRedirect(look.execution_address(again.pk))

    def _check_may_run(self, request: HttpRequest) -> None:
        may = request.user.has_perm("scheduler_app.trigger_jobconfig")
        if not (self.has_view_permission(request) and may):
            raise PermissionDenied

    def stop_view(self, request: HttpRequest, execution_id: int) -> HttpResponse:
        """Ask a run under way to stop at its next checkpoint."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        self._check_may_run(request)
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
            return look.so_far(execution.started_at)
        return look.duration(execution.duration_ms)

    @admin.display(description=_("job"))
    def job(self, execution: ExecutionLog) -> SafeString:
        return look.with_error(execution.job_id, told(execution.error_message))

    @admin.display(description=_("error"))
    def error(self, execution: ExecutionLog) -> SafeString | str:
        return look.block(told(execution.error_message))

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

    @admin.display(description=_("attempts at this slot"))
    def attempts(self, execution: ExecutionLog) -> SafeString | str:
        """Found by the index that makes a slot start once."""
        others = ExecutionLog.objects.filter(
            job_id=execution.job_id, scheduled_for=execution.scheduled_for
        ).exclude(pk=execution.pk)
        links = ((look.execution_address(pk), number, look.badge(status)) for pk, number, status
                 in others.order_by("attempt").values_list("pk", "attempt", "status"))  # fmt: skip
        return format_html_join(" ", '<a href="{}">{} {}</a>', links) or look.NOTHING

    @admin.display(description=_("log"))
    def shown_log(self, execution: ExecutionLog) -> SafeString | str:
        if execution.status != Status.RUNNING:
            return look.block(execution.log)
        return format_html(
            '<pre class="run-text" data-tail="{}" data-seconds="{}" tabindex="0">{}</pre>',
            reverse("admin:scheduler_app_executionlog_tail", args=[execution.pk]),
            live_log.EVERY_SECONDS,
            live_log.so_far(execution),
        )

    @admin.display(description=_("traceback"))
    def shown_traceback(self, execution: ExecutionLog) -> SafeString | str:
        return look.block(execution.traceback)
