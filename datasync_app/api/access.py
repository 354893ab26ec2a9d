"""Who may decide about the data, and how a request that does not fit its state is refused."""

from __future__ import annotations

from django.utils.text import format_lazy
from rest_framework.exceptions import APIException

from scheduler_app.api.permissions import NEEDS, StaffWith


class MayDecideOnCells(StaffWith):
    permission = "datasync_app.change_syncledger"
    message = format_lazy(NEEDS, permission=permission)


class Conflict(APIException):
    status_code = 409
    default_code = "conflict"
