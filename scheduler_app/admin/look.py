"""How a moment, a status and an execution look on a page."""

from __future__ import annotations

import json
from datetime import date, datetime

from django.db.models import Model
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import Truncator
from django.utils.translation import gettext

from scheduler_app.history import Day
from scheduler_app.models import ExecutionLog, Status
from scheduler_app.words import WEEKDAYS

NOTHING = "–"
SHOWN = 200  # characters of an error in a list


def moment(value: datetime | None) -> str:
    """`Mon 2026-03-02 18:00 CST`, in the zone the value carries; seconds only where there are."""
    if value is None:
        return NOTHING
    seconds = ":%S" if value.second else ""
    return f"{day(value)} {value:%H:%M{seconds} %Z}"


def day(value: date) -> str:
    """`Mon 2026-03-02`."""
    return f"{WEEKDAYS[value.weekday()]} {value:%Y-%m-%d}"


def local(value: datetime | None) -> SafeString | str:
    """A moment as the database gave it, in the time zone of the settings, on one line."""
    if value is None:
        return NOTHING
    return format_html('<span class="run-moment">{}</span>', moment(timezone.localtime(value)))


def duration(milliseconds: int | None) -> str:
    """`340 ms`, `12.3 s`, `4 min 05 s`, `2 h 10 min`."""
    if milliseconds is None:
        return NOTHING
    if milliseconds < 1000:
        return gettext("%d ms") % milliseconds
    seconds = milliseconds // 1000
    if seconds < 60:
        return gettext("%.1f s") % (milliseconds / 1000)
    if seconds < 3600:
        said = {"minutes": seconds // 60, "seconds": f"{seconds % 60:02}"}
        return gettext("%(minutes)d min %(seconds)s s") % said
    said = {"hours": seconds // 3600, "minutes": f"{seconds % 3600 // 60:02}"}
    return gettext("%(hours)d h %(minutes)s min") % said


def with_error(what: str, error: str) -> SafeString:
    """A cell of a list, and under it the beginning of what went wrong."""
    why = Truncator(error).chars(SHOWN)
    return format_html('{}<span class="run-note run-error">{}</span>', what, why)


def so_far(started: datetime) -> str:
    """`1 min 05 s so far`, of what runs."""
    passed = timezone.now() - started
    time = duration(max(0, int(passed.total_seconds()) * 1000))
    return gettext("%(time)s so far") % {"time": time}


def badge(status: str) -> SafeString:
    return format_html(
        '<span class="run-status run-{}">{}</span>', status.lower(), Status(status).label
    )


def execution_address(execution_id: int) -> str:
    return reverse("admin:scheduler_app_executionlog_change", args=[execution_id])


def execution_link(execution: ExecutionLog) -> SafeString:
    return format_html(
        '<a href="{}">{}</a>', execution_address(execution.pk), badge(execution.status)
    )


def queued(execution: ExecutionLog) -> SafeString:
    """What a person is told of a run that was just queued, with the way to it."""
    said = gettext("Queued: %(execution)s of %(job)s.")
    link = format_html(
        '<a href="{}">{}</a>',
        execution_address(execution.pk),
        gettext("execution %d") % execution.pk,
    )
    return format_html(said.replace("%(execution)s", "{0}").replace("%(job)s", "{1}"), link,
                       execution.job_id)  # fmt: skip


def as_json(value: object) -> SafeString | str:
    if value in (None, {}):
        return NOTHING
    return block(json.dumps(value, indent=2, ensure_ascii=False))


def block(text: str) -> SafeString | str:
    return format_html('<pre class="run-text" tabindex="0">{}</pre>', text) if text else NOTHING


def chart(days: list[Day]) -> dict[str, str]:
    """The runs by day, as Chart.js takes them, and the same in words."""
    kinds = (
        (gettext("succeeded"), "#2e9e5b", [day.succeeded for day in days]),
        (gettext("failed"), "#d64545", [day.failed for day in days]),
        (gettext("others"), "#94a3b8", [day.others for day in days]),
    )
    data = {
        "labels": [f"{day.date:%m-%d}" for day in days],
        "datasets": [
            {"label": label, "backgroundColor": color, "data": counts}
            for label, color, counts in kinds
        ],
    }
    axis = {"stacked": True, "grid": {"display": False}, "ticks": {"precision": 0}}
    options = {
        "maintainAspectRatio": False,
        "animation": False,
        "plugins": {"legend": {"display": True, "position": "bottom"}},
        "scales": {"x": axis, "y": {**axis, "beginAtZero": True}},
    }
    words = gettext("%(succeeded)d succeeded, %(failed)d failed, %(others)d others") % {
        "succeeded": sum(day.succeeded for day in days),
        "failed": sum(day.failed for day in days),
        "others": sum(day.others for day in days),
    }
    return {"data": json.dumps(data), "options": json.dumps(options), "words": words}


class ReadOnly:
    """For a ModelAdmin: a table that only the scheduler writes."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False
