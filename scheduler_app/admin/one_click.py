"""What a row of the list does at one click: run, switch on or off, resume. Pausing asks why first."""

from __future__ import annotations

import logging
from collections.abc import Callable

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import (
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    HttpResponseNotAllowed,
    HttpResponseRedirect,
)
from django.middleware.csrf import get_token
from django.template.loader import render_to_string
from django.urls import URLPattern, path, reverse
from django.utils.safestring import SafeString
from django.utils.translation import gettext

from scheduler_app import configs
from scheduler_app.admin import applied, look
from scheduler_app.admin.pausing import Pausing
from scheduler_app.errors import SchedulerError
from scheduler_app.models import Cause, JobConfig

logger = logging.getLogger(__name__)

LIST = "admin:scheduler_app_jobconfig_changelist"


class OneClick(Pausing):
    """The part of the schedules' admin that acts on one row, as its actions do on many."""

    def get_urls(self) -> list[URLPattern]:
        views: dict[str, Callable[..., HttpResponseBase]] = {
            "run": self.run_view,
            "enable": self.enable_view,
            "disable": self.disable_view,
            "resume": self.resume_view,
        }
        return [
            *(path(f"<int:pk>/{name}/", self.admin_site.admin_view(view),
                   name=f"scheduler_app_jobconfig_{name}") for name, view in views.items()),
            *super().get_urls(),
        ]  # fmt: skip

    def has_trigger_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("scheduler_app.trigger_jobconfig")

    def run_view(self, request: HttpRequest, pk: int) -> HttpResponseBase:
        """Queue a run; back to the schedule, or to the list with `?to=list`."""
        may = self.has_view_permission(request) and self.has_trigger_permission(request)
        return self._act(request, pk, self._queue, may=may)

    def enable_view(self, request: HttpRequest, pk: int) -> HttpResponseBase:
        return self._act(request, pk, self._enable, may=self.has_change_permission(request))

    def disable_view(self, request: HttpRequest, pk: int) -> HttpResponseBase:
        return self._act(request, pk, self._disable, may=self.has_change_permission(request))

    def resume_view(self, request: HttpRequest, pk: int) -> HttpResponseBase:
        may = self.has_view_permission(request) and self.has_pause_permission(request)
        return self._act(request, pk, self._resume, may=may)

    def _act(
        self,
        request: HttpRequest,
        pk: int,
        act: Callable[[HttpRequest, JobConfig], None],
        *,
        may: bool,
    ) -> HttpResponseBase:
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        if not may:
            raise PermissionDenied
        config = JobConfig.objects.filter(pk=pk).first()
        if config is None:
            none = gettext("There is no such schedule.")
            return HttpResponse(none, status=404, content_type="text/plain; charset=utf-8")

        def acted() -> HttpResponseBase:
            act(request, config)
            if request.GET.get("to") == "list":
                return HttpResponseRedirect(reverse(LIST))
            page = reverse("admin:scheduler_app_jobconfig_change", args=[config.pk])
            return HttpResponseRedirect(page)

        return applied.telling(request, acted)

    # What is done, with a message for the person

    def _enable(self, request: HttpRequest, config: JobConfig) -> None:
        try:
            configs.enable(config.job_id)
        except SchedulerError as error:
            said = gettext("Still off: %(job)s. %(why)s") % {"job": config.job_id, "why": error}
            self.message_user(request, said, messages.ERROR)
        else:
            if not config.enabled:
                self._tell(request, config, gettext("Enabled %s.") % config.job_id, "enable")

    def _disable(self, request: HttpRequest, config: JobConfig) -> None:
        # Also where it is off already: a run under way at that time may have parked since.
        configs.stop(config.job_id)
        if config.enabled:
            self._tell(request, config, gettext("Disabled %s.") % config.job_id, "disable")

    def _queue(self, request: HttpRequest, config: JobConfig) -> None:
        """The work is done by the scheduler process; here a row is queued and named."""
        by = request.user.get_username()
        try:
            execution, _created = configs.queue_run(config.job_id, Cause.MANUAL, triggered_by=by)
        except SchedulerError as error:
            said = gettext("Not queued: %(job)s. %(why)s") % {"job": config.job_id, "why": error}
            self.message_user(request, said, messages.ERROR)
            return
        logger.info("action=admin_run job_id=%s execution=%s by=%s", config.job_id, execution.pk,
                    by)  # fmt: skip
        self.message_user(request, look.queued(execution), messages.SUCCESS)

    def _tell(self, request: HttpRequest, config: JobConfig, said: str, done: str) -> None:
        self.log_change(request, config, said)
        self.message_user(request, said, messages.SUCCESS)
        logger.info("action=admin_%s job_id=%s by=%s", done, config.job_id, request.user)

    # How it looks

    def buttons(self, request: HttpRequest, config: JobConfig) -> SafeString:
        """The buttons of a row, for what this person may do with it."""
        facts = {
            "config": config,
            "may_run": self.has_trigger_permission(request),
            "may_change": self.has_change_permission(request),
            "may_pause": self.has_pause_permission(request),
            "csrf_token": get_token(request),
        }
        return render_to_string("scheduler_app/row_buttons.html", facts)
