"""`{% scheduler_panel %}`: is the scheduler alive, what runs next, how did the last runs go."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django import template
from django.utils import timezone
from django.utils.safestring import SafeString

from scheduler_app import dashboard, health, history
from scheduler_app.models import ExecutionLog, JobConfig, Status
from scheduler_app.overview import overview
from scheduler_app.registry import registry
from scheduler_app.told import told
from scheduler_app.words import schedule_in_words

LATEST = 10

register = template.Library()
register.filter("told", told)


# The admin is imported when a page is rendered: unfold looks for tags while it is itself imported.


@register.filter
def moment(value: datetime | None) -> SafeString | str:
    from scheduler_app.admin import look

    return look.local(value)


@register.filter
def duration(milliseconds: int | None) -> str:
    from scheduler_app.admin import look

    return look.duration(milliseconds)


@register.filter
def so_far(started: datetime | None) -> str:
    from scheduler_app.admin import look

    return look.so_far(started) if started else ""


@register.filter
def execution_link(execution: ExecutionLog) -> SafeString:
    from scheduler_app.admin import look

    return look.execution_link(execution)


@register.inclusion_tag("scheduler_app/panel.html", takes_context=True)
def scheduler_panel(context: dict[str, Any]) -> dict[str, Any]:
    """What the person may see: each table needs the permission to view its rows."""
    from scheduler_app.admin import look

    request = context["request"]
    user = request.user
    panel: dict[str, Any] = {
        "request": request,
        "csrf_token": context.get("csrf_token"),
        "first": dashboard.rendered(request, first=True),
        "panels": dashboard.rendered(request, first=False),
        "status": health.scheduler_status(),
        "may_see_loaded": user.has_perm("django_apscheduler.view_djangojob"),
    }
    if user.has_perm("scheduler_app.view_jobconfig"):
        panel["jobs"] = [
            {
                "row": row,
                "words": schedule_in_words(row.config),
                "next": look.moment(row.next_runs[0]) if row.next_runs else look.NOTHING,
            }
            for row in overview(count=1)
        ]
    if user.has_perm("scheduler_app.view_executionlog"):
        job_ids = [*{*registry.ids(), *JobConfig.objects.values_list("job_id", flat=True)}]
        panel["may_stop"] = user.has_perm("scheduler_app.trigger_jobconfig")
        running = list(
            ExecutionLog.objects.filter(status=Status.RUNNING).defer(
                "log", "traceback", "result", "job_kwargs"
            )[:LATEST]
        )
        progress = dashboard.rendered_progress(request, running)
        panel["running"] = [(each, progress.get(each.pk, [])) for each in running]
        panel["failing"] = history.failing(job_ids)
        panel["chart"] = look.chart(history.last_days(job_ids, timezone.now()))
        panel["executions"] = ExecutionLog.objects.order_by("-id").defer(
            "log", "traceback", "result", "job_kwargs"
        )[:LATEST]
    return panel
