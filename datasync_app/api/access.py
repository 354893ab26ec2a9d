"""Who may decide about the data, and how a request that does not fit its state is refused."""

from __future__ import annotations

from rest_framework.exceptions import APIException

from scheduler_app.api.permissions import StaffWith


class MayDecideOnCells(StaffWith):
    permission = "datasync_app.change_syncledger"
    message = f"This needs a staff account with the permission {permission}."


class Conflict(APIException):
    status_code = 409
    default_code = "conflict"
