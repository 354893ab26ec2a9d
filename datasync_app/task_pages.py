"""The admin's way to steer a task."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _

from datasync_app import control
from datasync_app.errors import TaskRefused
from datasync_app.models import SyncTask
from scheduler_app.errors import SchedulerError

WISHES = {"pause": control.pause, "resume": control.resume, "cancel": control.cancel}


class TaskPages(admin.ModelAdmin):  # type: ignore[type-arg]  # generic for mypy only
    """The part of the tasks' admin that pauses, resumes and cancels them, as the API does."""

    change_form_outer_before_template = "datasync_app/task.html"

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        context = {"may_steer": self.has_steer_permission(request), **(extra_context or {})}
        return super().changeform_view(request, object_id, form_url, context)

    def has_steer_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("scheduler_app.trigger_jobconfig")

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.steer_view)
        name = "datasync_app_synctask_steer"
        return [path("<int:task_id>/steer/", view, name=name), *super().get_urls()]

    def steer_view(self, request: HttpRequest, task_id: int) -> HttpResponse:
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        if not (self.has_view_permission(request) and self.has_steer_permission(request)):
            raise PermissionDenied
        wish = WISHES.get(request.POST.get("wish", ""))
        if wish is None:
            self.message_user(
                request, _("A task can be paused, resumed or cancelled."), messages.ERROR
            )
            return _back(request, task_id)
        try:
            task = wish(task_id, by=request.user.get_username())
        except SyncTask.DoesNotExist:
            self.message_user(request, _("There is no task %d.") % task_id, messages.ERROR)
        except (TaskRefused, SchedulerError) as refused:
            self.message_user(request, str(refused), messages.ERROR)
        else:
            said = _("Task %(task)s: asked to %(wish)s between two cells.")
            now = _("Task %(task)s is %(status)s now.")
            told = {"task": task.pk, "wish": task.get_wanted_display()}
            self.message_user(
                request,
                said % told if task.wanted else now % {**told, "status": task.get_status_display()},
                messages.SUCCESS,
            )
        return _back(request, task_id)


def _back(request: HttpRequest, task_id: int) -> HttpResponseRedirect:
    """To the page of the task where the button was there, else to the overview."""
    if request.POST.get("back") == "task":
        return HttpResponseRedirect(reverse("admin:datasync_app_synctask_change", args=[task_id]))
    return HttpResponseRedirect(reverse("admin:index"))
