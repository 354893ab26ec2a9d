"""Who may: reading needs a staff account, changing needs the model permission as well."""

from __future__ import annotations

from typing import Any, ClassVar

from django.utils.functional import Promise
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

NEEDS = _("This needs a staff account with the permission {permission}.")


class StaffMayRead(BasePermission):
    message: Promise = _("This needs a staff account.")

    def has_permission(self, request: Request, view: Any) -> bool:
        return bool(request.user and request.user.is_authenticated and request.user.is_staff)


class StaffWith(StaffMayRead):
    permission: ClassVar[str]

    def has_permission(self, request: Request, view: Any) -> bool:
        return super().has_permission(request, view) and request.user.has_perm(self.permission)


class MayChangeSchedules(StaffWith):
    permission = "scheduler_app.change_jobconfig"
    message = format_lazy(NEEDS, permission=permission)


class MayDeleteSchedules(StaffWith):
    permission = "scheduler_app.delete_jobconfig"
    message = format_lazy(NEEDS, permission=permission)


class MayPauseSchedules(StaffWith):
    permission = "scheduler_app.pause_jobconfig"
    message = format_lazy(NEEDS, permission=permission)


class MayTriggerJobs(StaffWith):
    permission = "scheduler_app.trigger_jobconfig"
    message = format_lazy(NEEDS, permission=permission)
