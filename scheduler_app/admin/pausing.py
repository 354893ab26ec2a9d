"""Pause and resume schedules: a page that asks why and until when, and two actions."""

from __future__ import annotations

import logging
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponseBase, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from scheduler_app import pauses
from scheduler_app.admin import applied, base
from scheduler_app.errors import InvalidSchedule
from scheduler_app.models import JobConfig

logger = logging.getLogger(__name__)


class PauseForm(forms.Form):
    reason = forms.CharField(
        label=_("Reason"),
        required=False,
        max_length=pauses.REASON_AT_MOST,
        widget=forms.TextInput(attrs={"class": "vTextField"}),
        help_text=_("Shown to the others, and in the row of each slot that does not run."),
    )
    until = forms.DateTimeField(
        label=_("Until"),
        required=False,
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}),
        help_text=_("It goes on by itself then, in the time of this page; empty: until resumed."),
    )


class Pausing(base.ModelAdmin):
    """The part of the schedules' admin that pauses and resumes them."""

    @admin.action(description=_("Pause the selected schedules"), permissions=["pause"])
    def pause(self, request: HttpRequest, queryset: QuerySet[JobConfig]) -> HttpResponseRedirect:
        ids = ",".join(str(pk) for pk in queryset.values_list("pk", flat=True))
        address = reverse("admin:scheduler_app_jobconfig_pause")
        return HttpResponseRedirect(f"{address}?{urlencode({'ids': ids})}")

    @admin.action(description=_("Resume the selected schedules"), permissions=["pause"])
    def resume(self, request: HttpRequest, queryset: QuerySet[JobConfig]) -> None:
        for config in queryset:
            self._resume(request, config)

    def _resume(self, request: HttpRequest, config: JobConfig) -> None:
        pauses.resume(config.job_id, by=request.user.get_username(), now=timezone.now())
        said = gettext("Resumed %s.") % config.job_id
        self.log_change(request, config, said)
        self.message_user(request, said, messages.SUCCESS)

    def has_pause_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("scheduler_app.pause_jobconfig")

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.pause_view)
        return [path("pause/", view, name="scheduler_app_jobconfig_pause"), *super().get_urls()]

    def pause_view(self, request: HttpRequest) -> HttpResponseBase:
        if not (self.has_view_permission(request) and self.has_pause_permission(request)):
            raise PermissionDenied
        ids = [part for part in request.GET.get("ids", "").split(",") if part.isdecimal()]
        # What is longer is no id of ours.
        configs = list(JobConfig.objects.filter(pk__in=[pk for pk in ids if len(pk) <= 18]))
        if not configs:
            self.message_user(request, gettext("There is no such schedule."), messages.ERROR)
            return _to_the_list()
        return applied.telling(request, lambda: self._pause_page(request, configs))

    def _pause_page(self, request: HttpRequest, configs: list[JobConfig]) -> HttpResponseBase:
        form = PauseForm(request.POST or None)
        base.dress(form)
        if request.method == "POST" and form.is_valid() and self._paused(request, configs, form):
            return _to_the_list()
        context: dict[str, Any] = {
            **self.admin_site.each_context(request),
            "title": gettext("Pause schedules"),
            "opts": JobConfig._meta,
            "configs": configs,
            "form": form,
        }
        template = "admin/scheduler_app/jobconfig/pause.html"
        return TemplateResponse(request, template, context)

    def _paused(self, request: HttpRequest, configs: list[JobConfig], form: PauseForm) -> bool:
        for config in configs:
            try:
                pauses.pause(
                    config.job_id,
                    by=request.user.get_username(),
                    reason=form.cleaned_data["reason"],
                    until=form.cleaned_data["until"],
                    now=timezone.now(),
                )
            except InvalidSchedule as problem:
                for field, sentence in problem.errors.items():
                    form.add_error(field, sentence)
                return False
            said = gettext("Paused %s.") % config.job_id
            self.log_change(request, config, said)
            self.message_user(request, said, messages.SUCCESS)
        return True


def _to_the_list() -> HttpResponseRedirect:
    return HttpResponseRedirect(reverse("admin:scheduler_app_jobconfig_changelist"))
