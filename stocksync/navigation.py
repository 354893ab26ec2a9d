"""The menu of the admin: what a person may not see is not in it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest
from django.urls import reverse, reverse_lazy
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _


def menu() -> list[dict[str, Any]]:
    return [
        {
            "items": [
                {"title": _("Overview"), "icon": "home", "link": reverse_lazy("admin:index")},
                {"title": _("Doctor"), "icon": "stethoscope", "link": reverse_lazy("doctor")},
            ]
        },
        {
            "title": _("Scheduler"),
            "items": [
                _table(_("Schedules"), "schedule", "scheduler_app", "jobconfig"),
                _table(_("Executions"), "history", "scheduler_app", "executionlog"),
            ],
        },
        {
            "title": _("Notifications"),
            "items": [
                _table(_("Channels"), "campaign", "scheduler_app", "notificationchannel"),
                _table(_("Messages"), "outbox", "scheduler_app", "notification"),
            ],
        },
        {
            "title": _("Market data"),
            "items": [
                {
                    **_table(_("Coverage"), "calendar_month", "datasync_app", "syncledger"),
                    "link": reverse_lazy("admin:datasync_app_syncledger_calendar"),
                },
                {
                    **_table(_("Report"), "verified", "datasync_app", "syncledger"),
                    "link": reverse_lazy("admin:datasync_app_syncledger_report"),
                },
                {
                    **_table(_("Ledger"), "fact_check", "datasync_app", "syncledger"),
                    "active": _is_ledger,
                },
                _table(_("Stocks"), "candlestick_chart", "datasync_app", "stockbasic"),
                _table(_("Tasks"), "sync", "datasync_app", "synctask"),
                _table(_("Failures"), "error", "datasync_app", "syncfailurerecord"),
                _table(_("Restatements"), "edit_note", "datasync_app", "syncrestatement"),
                _table(_("Quarantine"), "report", "datasync_app", "syncquarantine"),
            ],
        },
        {
            "title": _("Tushare"),
            "items": [
                _table(_("Endpoints"), "speed", "datasync_app", "endpointaccess"),
                _table(_("Calls by day"), "bar_chart", "datasync_app", "callday"),
                _table(_("Call journal"), "list_alt", "datasync_app", "tusharecall"),
                _table(_("Accounts"), "badge", "datasync_app", "tushareaccount"),
            ],
        },
        {
            "title": _("People"),
            "items": [
                _table(_("Users"), "person", "auth", "user"),
                _table(_("Groups"), "group", "auth", "group"),
                _table(_("API tokens"), "key", "knox", "authtoken"),
            ],
        },
    ]


def _table(title: Promise | str, icon: str, app: str, model: str) -> dict[str, Any]:
    return {
        "title": title,
        "icon": icon,
        "link": reverse_lazy(f"admin:{app}_{model}_changelist"),
        "permission": _may_view(app, model),
    }


def _is_ledger(request: HttpRequest) -> bool:
    """On the ledger's own pages; calendar and report lie beneath its address."""
    ledger = reverse("admin:datasync_app_syncledger_changelist")
    others = [reverse(f"admin:datasync_app_syncledger_{page}") for page in ("calendar", "report")]
    return request.path.startswith(ledger) and not request.path.startswith(tuple(others))


def _may_view(app: str, model: str) -> Callable[[HttpRequest], bool]:
    def may(request: HttpRequest) -> bool:
        # As Django's own list of apps: who may change rows may see them.
        user = request.user
        return any(user.has_perm(f"{app}.{what}_{model}") for what in ("view", "change"))

    return may
