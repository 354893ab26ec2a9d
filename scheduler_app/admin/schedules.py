"""Schedules for staff: edit, enable, disable, run now, and see at once what comes of it."""

from __future__ import annotations

import logging
from functools import partial
from operator import itemgetter
from typing import Any, cast

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Model, OuterRef, QuerySet, Subquery
from django.db.models.functions import Now
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponseBase, HttpResponseNotAllowed, JsonResponse
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from scheduler_app import configs, history, policies
from scheduler_app.admin import applied, look
from scheduler_app.admin.one_click import OneClick
from scheduler_app.admin.past import Past
from scheduler_app.admin.sparkline import sparkline
from scheduler_app.argument_fields import PREFIX
from scheduler_app.forms import POLICY_FIELDSETS, ScheduleForm, asks_for_arguments, form_for
from scheduler_app.models import ExecutionLog, JobConfig, Status
from scheduler_app.overview import upcoming_or_error
from scheduler_app.registry import RegisteredJob, registry
from scheduler_app.upcoming import Upcoming
from scheduler_app.words import schedule_in_words

logger = logging.getLogger(__name__)

# A run that waits for a later moment is no result.
_LAST = (
    ExecutionLog.objects.filter(job_id=OuterRef("job_id"))
    .exclude(status=Status.QUEUED, scheduled_for__gt=Now())
    .exclude(status=Status.QUEUED, not_before__gt=Now())
    .order_by("-started_at", "-id")
)


@admin.register(JobConfig)
class JobConfigAdmin(OneClick, Past):
    form = ScheduleForm
    list_display = [
        "shown_name",
        "when",
        "enabled",
        "next_run",
        "last_result",
        "durations",
        "at_one_click",
    ]
    list_per_page = 100
    actions = ["enable", "disable", "pause", "resume", "run_now"]
    readonly_fields = [
        "what",
        "given",
        "takes",
        "pause_now",
        "next_six",
        "last_result",
        "last_run",
        "not_built",
    ]

    class Media:
        js = ["scheduler_app/here.js", "scheduler_app/preview.js", "scheduler_app/typing.js"]

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.check_view)
        return [path("check/", view, name="scheduler_app_jobconfig_check"), *super().get_urls()]

    def check_view(self, request: HttpRequest) -> HttpResponseBase:
        """What saving the form would find wrong, field by field. Nothing is stored."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        asked = request.GET.get("of", "")
        obj = self.get_object(request, asked) if asked else None
        may = (
            self.has_change_permission(request, obj) if asked else self.has_add_permission(request)
        )
        if not may:
            raise PermissionDenied
        if asked and obj is None:
            return JsonResponse({"detail": gettext("There is no such schedule.")}, status=404)
        form = self.get_form(request, obj, change=obj is not None)(request.POST, instance=obj)
        return JsonResponse({"errors": form.errors})

    # What is shown

    def get_queryset(self, request: HttpRequest) -> QuerySet[JobConfig]:
        rows: QuerySet[JobConfig] = super().get_queryset(request)
        return rows.annotate(
            last_execution_id=Subquery(_LAST.values("pk")[:1]),
            last_status=Subquery(_LAST.values("status")[:1]),
        )

    def get_form(
        self, request: HttpRequest, obj: Model | None = None, change: bool = False, **kwargs: Any
    ) -> type[ModelForm[Any]]:
        """With a field for each argument of the job: of the row, or the one that is chosen."""
        form = form_for(self._job_of(request, obj), is_new=obj is None)
        return super().get_form(request, obj, change=change, **{"form": form, **kwargs})

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        initial: dict[str, Any] = super().get_changeform_initial_data(request)
        job = self._job_of(request, None)
        if job is not None:
            initial = {"job_name": job.name, "cron_expression": job.default_cron or ""} | initial
        return initial

    def _job_of(self, request: HttpRequest, obj: Model | None) -> RegisteredJob | None:
        if isinstance(obj, JobConfig):
            return _job(obj)
        chosen = request.POST.get("job_id") or request.GET.get("job_id", "")
        return registry.get(chosen) if chosen in registry else None

    def _fields_of_arguments(self, request: HttpRequest, obj: JobConfig | None) -> list[str]:
        job = self._job_of(request, obj)
        if obj is not None and not self.has_change_permission(request, obj):
            return ["given", "takes"]
        if job is not None and asks_for_arguments(job):
            named = [f"{PREFIX}{argument.name}" for argument in job.arguments]
            return named or ([] if obj is None else ["takes"])
        # What a new one takes is known once its job is chosen.
        return ["job_kwargs", "takes"] if obj else ["job_kwargs"] if job else []

    def get_fieldsets(self, request: HttpRequest, obj: JobConfig | None = None) -> Any:
        arguments = self._fields_of_arguments(request, obj)
        when = ["trigger", "cron_expression", "interval_seconds", "timezone", "run_calendar"]
        if obj is None:
            return [
                (None, {"fields": ["job_id", "job_name", "enabled"]}),
                (_("When"), {"fields": when}),
                *([(_("With"), {"fields": arguments})] if arguments else []),
                *POLICY_FIELDSETS,
            ]
        job = _job(obj)
        unfinished = ["not_built"] if job is None or job.not_built else []
        paused = ["pause_now"] if policies.paused(obj, timezone.now()) else []
        return [
            (None, {"fields": ["job_id", "what", *unfinished, "job_name", "enabled", *paused]}),
            (_("When"), {"fields": [*when, "next_six"]}),
            (_("With"), {"fields": arguments}),
            (_("Last run"), {"fields": ["last_result", "last_run"]}),
            *POLICY_FIELDSETS,
        ]

    def get_readonly_fields(self, request: HttpRequest, obj: JobConfig | None = None) -> list[str]:
        fields = cast("list[str]", super().get_readonly_fields(request, obj))
        return [*fields, "job_id"] if obj else fields

    @admin.display(description=_("name"), ordering="job_name")
    def shown_name(self, config: JobConfig) -> SafeString:
        return format_html(
            '{}<span class="run-note">{}</span><span class="run-note">{}</span>',
            config,
            config.job_id,
            self.not_built(config),
        )

    @admin.display(description=_("when"), ordering="cron_expression")
    def when(self, config: JobConfig) -> SafeString:
        return format_html(
            '<span title="{}">{}</span>', config.cron_expression, schedule_in_words(config)
        )

    @admin.display(description=_("next run"))
    def next_run(self, config: JobConfig) -> str:
        coming, error = upcoming_or_error(config, 1)
        if error or not coming.runs:
            return error or coming.pause or look.NOTHING
        return look.moment(coming.runs[0])

    @admin.display(description=_("next runs"))
    def next_six(self, config: JobConfig) -> SafeString | str:
        coming, error = upcoming_or_error(config)
        if error or not coming.runs:
            return error or _why_none(coming)
        runs = (
            (run.date(), format_html('<time datetime="{}" data-here>{}</time>', run.isoformat(),
                                     look.moment(run)))
            for run in coming.runs
        )  # fmt: skip
        out = gettext("left out by the run calendar")
        days = ((day, format_html("<s>{}</s> {}", look.day(day), out)) for day in coming.left_out)
        lines = sorted([*runs, *days], key=itemgetter(0))
        items = format_html_join("", "<li>{}</li>", ((line,) for _day, line in lines))
        notes = format_html_join(
            "", '<span class="run-note">{}</span>', ((note,) for note in _notes(coming))
        )
        return format_html('<ol class="run-times">{}</ol>{}', items, notes)

    @admin.display(description=_("paused"))
    def pause_now(self, config: JobConfig) -> str:
        return policies.paused(config, timezone.now())

    @admin.display(description=_("last result"))
    def last_result(self, config: JobConfig) -> SafeString | str:
        execution_id = getattr(config, "last_execution_id", None)
        if execution_id is None:
            return look.NOTHING
        return format_html(
            '<a href="{}">{}</a>',
            look.execution_address(execution_id),
            look.badge(getattr(config, "last_status", "")),
        )

    def get_changelist_instance(self, request: HttpRequest) -> ChangeList:
        shown = super().get_changelist_instance(request)
        laps = history.laps(config.job_id for config in shown.result_list)
        for config in shown.result_list:
            config.laps = laps.get(config.job_id, [])
            config.buttons = self.buttons(request, config)
        return shown

    @admin.display(description=_("durations"))
    def durations(self, config: JobConfig) -> SafeString | str:
        return sparkline(getattr(config, "laps", []))

    @admin.display(description=_("at one click"))
    def at_one_click(self, config: JobConfig) -> SafeString | str:
        return getattr(config, "buttons", "")

    @admin.display(description=_("last run"))
    def last_run(self, config: JobConfig) -> SafeString | str:
        return look.local(config.last_run_at)

    @admin.display(description=_("not built yet"))
    def not_built(self, config: JobConfig) -> str:
        job = _job(config)
        if job is None:
            return gettext("This version has no such job: the schedule is skipped.")
        return gettext(job.not_built) if job.not_built else ""

    @admin.display(description=_("what it does"))
    def what(self, config: JobConfig) -> str:
        job = _job(config)
        return gettext(job.summary) if job and job.summary else look.NOTHING

    @admin.display(description=_("arguments"))
    def given(self, config: JobConfig) -> SafeString | str:
        return look.as_json(config.job_kwargs)

    @admin.display(description=_("it takes"))
    def takes(self, config: JobConfig) -> str:
        job = _job(config)
        return (job.takes if job else "") or gettext("no arguments")

    # What is written

    def save_model(
        self, request: HttpRequest, obj: JobConfig, form: ModelForm[JobConfig], change: bool
    ) -> None:
        if change:
            # Never the whole row: the scheduler writes its own columns while this form is open.
            written = cast("ScheduleForm", form).written
            obj.save(update_fields=[*written, "updated_at"])
            if "enabled" in form.changed_data and not obj.enabled:
                transaction.on_commit(partial(configs.end_waiting, obj.job_id))
        else:
            obj.save()
        logger.info("action=admin_save job_id=%s by=%s", obj.job_id, request.user)

    def delete_model(self, request: HttpRequest, obj: JobConfig) -> None:
        job_id = obj.job_id
        obj.delete()
        transaction.on_commit(partial(configs.end_waiting, job_id))

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[JobConfig]) -> None:
        job_ids = list(queryset.values_list("job_id", flat=True))
        queryset.delete()
        for job_id in job_ids:
            transaction.on_commit(partial(configs.end_waiting, job_id))

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        may = {
            "may_run": bool(object_id) and self.has_trigger_permission(request),
            "may_pause": bool(object_id) and self.has_pause_permission(request),
        }
        context = {**may, **(extra_context or {})}
        view = super().changeform_view
        return applied.telling(request, lambda: view(request, object_id, form_url, context))

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> Any:
        view = super().delete_view
        return applied.telling(request, lambda: view(request, object_id, extra_context))

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> Any:
        view = super().changelist_view
        return applied.telling(request, lambda: view(request, extra_context))

    # What is done with many

    @admin.action(description=_("Enable the selected schedules"), permissions=["change"])
    def enable(self, request: HttpRequest, queryset: QuerySet[JobConfig]) -> None:
        for config in queryset:
            self._enable(request, config)

    @admin.action(description=_("Disable the selected schedules"), permissions=["change"])
    def disable(self, request: HttpRequest, queryset: QuerySet[JobConfig]) -> None:
        for config in queryset:
            self._disable(request, config)

    @admin.action(description=_("Run the selected jobs now"), permissions=["trigger"])
    def run_now(self, request: HttpRequest, queryset: QuerySet[JobConfig]) -> None:
        for config in queryset:
            self._queue(request, config)


def _why_none(coming: Upcoming) -> str:
    if coming.pause:
        return coming.pause
    if coming.left_out:
        return gettext("None: its run calendar leaves out every day on which it would fire.")
    return gettext("None: the schedule is off.")


def _notes(coming: Upcoming) -> list[str]:
    notes = []
    if coming.pause:
        notes.append(coming.pause)
    if coming.doubt:
        notes.append(gettext("Days that nobody knows count as run days: %s.") % coming.doubt)
    return notes


def _job(config: JobConfig) -> RegisteredJob | None:
    return registry.get(config.job_id) if config.job_id in registry else None
