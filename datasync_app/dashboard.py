"""The data's part of the overview: their source, first steps, tasks, freshness by dataset, calls."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from django.conf import settings
from django.db import connection
from django.http import HttpRequest
from django.utils import timezone

from datasync_app import run_panel
from datasync_app.dates import SHANGHAI, market_day
from datasync_app.engine.freshness import freshness
from datasync_app.engine.identity import is_generated, refuse_foreign, stored_identity
from datasync_app.errors import DatasyncError
from datasync_app.models import SyncTask, TaskStatus, TushareAccount
from datasync_app.tushare.from_settings import source_from_settings
from datasync_app.tushare.limits import account_of
from scheduler_app.dashboard import Panel, register_panel, register_progress, register_run_panel

# As the view of calls by day counts, for one day, which the index on the time finds.
_CALLS = """
    SELECT api_name, sum(calls)::int, sum(refusals)::int, max(calls / greatest(quota, 1)::float8)
    FROM (
        SELECT api_name, token_fingerprint, date_trunc('minute', at), count(*) AS calls,
            count(*) FILTER (WHERE outcome IN ('rate_limited', 'denied')) AS refusals,
            max(quota) AS quota
        FROM tushare_call WHERE at >= %s GROUP BY 1, 2, 3
    ) AS minutes
    GROUP BY api_name ORDER BY 2 DESC, 1
"""


@dataclass(frozen=True)
class CallsToday:
    """The calls of an endpoint since midnight in Shanghai; `busiest` is the share of its limit
    that its busiest minute used, in percent."""

    api_name: str
    calls: int
    refusals: int
    busiest: int


def calls_today(now: dt.datetime) -> list[CallsToday]:
    """The endpoints that were called today, the most called first. One query."""
    midnight = dt.datetime.combine(market_day(now), dt.time(), tzinfo=SHANGHAI)
    with connection.cursor() as cursor:
        cursor.execute(_CALLS, [midnight])
        return [
            CallsToday(name, calls, refusals, round(used * 100))
            for name, calls, refusals, used in cursor.fetchall()
        ]


def _source(request: HttpRequest) -> dict[str, object]:
    """Whose data these are, and who is asked for more; nobody is asked here."""
    identity = stored_identity()
    facts = {"identity": identity, "is_generated": identity is not None and is_generated(identity)}
    try:
        token, address = source_from_settings()
        refuse_foreign(address, has_token=bool(settings.TUSHARE_TOKEN))
    except DatasyncError as error:
        return {**facts, "problem": str(error)}
    account = None
    if request.user.has_perm("datasync_app.view_tushareaccount"):
        account = TushareAccount.objects.filter(pk=account_of(token, address)).first()
    return {**facts, "address": address, "account": account}


def _first_steps(request: HttpRequest) -> dict[str, object] | None:
    if settings.TUSHARE_TOKEN:
        return None
    identity = stored_identity()
    # Real data whose token was taken out are no sandbox.
    return {} if identity is None or is_generated(identity) else None


def _tasks(request: HttpRequest) -> dict[str, object] | None:
    if not request.user.has_perm("datasync_app.view_synctask"):
        return None
    live = SyncTask.objects.filter(
        status__in=[TaskStatus.RUNNING, TaskStatus.PENDING, TaskStatus.PAUSED]
    )
    tasks = list(live[:20])
    may_steer = request.user.has_perm("scheduler_app.trigger_jobconfig")
    return {"tasks": tasks, "may_steer": may_steer} if tasks else None


def _progress(request: HttpRequest, execution_ids: list[int]) -> dict[int, dict[str, object]]:
    if not request.user.has_perm("datasync_app.view_synctask"):
        return {}
    under_way = SyncTask.objects.filter(status=TaskStatus.RUNNING, execution_id__in=execution_ids)
    return {task.execution_id: {"task": task} for task in under_way if task.execution_id}


def _freshness(request: HttpRequest) -> dict[str, object] | None:
    if not request.user.has_perm("datasync_app.view_syncledger"):
        return None
    return {"datasets": freshness()}


def _calls(request: HttpRequest) -> dict[str, object] | None:
    if not request.user.has_perm("datasync_app.view_callday"):
        return None
    now = timezone.now()
    return {"endpoints": calls_today(now), "day": market_day(now)}


for panel in (
    Panel("source", "datasync_app/panels/source.html", _source, first=True),
    Panel("first_steps", "datasync_app/panels/first_steps.html", _first_steps, first=True),
    Panel("tasks", "datasync_app/panels/tasks.html", _tasks, first=True),
    Panel("freshness", "datasync_app/panels/freshness.html", _freshness),
    Panel("calls", "datasync_app/panels/calls.html", _calls),
):
    register_panel(panel)
register_progress("task", "datasync_app/panels/progress.html", _progress)
register_run_panel("datasets", "datasync_app/panels/run.html", run_panel.facts)
