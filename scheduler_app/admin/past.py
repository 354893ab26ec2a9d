"""The history of a schedule: its versions, what each changed, and a button to go back to one."""

from __future__ import annotations

import logging
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import (
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    HttpResponseNotAllowed,
    HttpResponseRedirect,
)
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext

from scheduler_app import versions
from scheduler_app.admin import applied, base
from scheduler_app.errors import SchedulerError
from scheduler_app.models import JobConfig

logger = logging.getLogger(__name__)


class Past(base.ModelAdmin):
    """The part of the schedules' admin that shows versions and reverts to them."""

    def get_urls(self) -> list[URLPattern]:
        revert = path(
            "<int:pk>/history/<int:version_id>/revert/",
            self.admin_site.admin_view(self.revert_view),
            name="scheduler_app_jobconfig_revert",
        )
        return [revert, *super().get_urls()]

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        config = self.get_object(request, object_id)
        if config is None:
            self.message_user(request, gettext("There is no such schedule."), messages.ERROR)
            return HttpResponseRedirect(reverse("admin:scheduler_app_jobconfig_changelist"))
        if not self.has_view_permission(request, config):
            raise PermissionDenied
        context = {
            **self.admin_site.each_context(request),
            "title": gettext("Versions of %s") % config,
            "opts": JobConfig._meta,
            "original": config,
            "object": config,
            "versions": versions.versions(config),
            "at_most": versions.SHOWN_AT_MOST,
            "may_revert": self.has_change_permission(request, config),
            **(extra_context or {}),
        }
        return TemplateResponse(request, "admin/scheduler_app/jobconfig/versions.html", context)

    def revert_view(self, request: HttpRequest, pk: int, version_id: int) -> HttpResponseBase:
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        if not self.has_change_permission(request):
            raise PermissionDenied
        config = JobConfig.objects.filter(pk=pk).first()
        if config is None:
            self.message_user(request, gettext("There is no such schedule."), messages.ERROR)
            return HttpResponseRedirect(reverse("admin:scheduler_app_jobconfig_changelist"))
        return applied.telling(request, lambda: self._reverted(request, config, version_id))

    def _reverted(
        self, request: HttpRequest, config: JobConfig, version_id: int
    ) -> HttpResponseBase:
        try:
            versions.revert(config.job_id, version_id)
        except SchedulerError as error:
            said = gettext("Not changed: %s") % error
            self.message_user(request, said, messages.ERROR)
        else:
            said = gettext("The schedule is again what it was in version %d.") % version_id
            self.log_change(request, config, said)
            self.message_user(request, said, messages.SUCCESS)
            logger.info("action=admin_revert job_id=%s version=%s by=%s", config.job_id,
                        version_id, request.user)  # fmt: skip
        address = reverse("admin:scheduler_app_jobconfig_history", args=[config.pk])
        return HttpResponseRedirect(address)
