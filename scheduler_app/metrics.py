"""What Prometheus is told: read from the database when it asks, so that any web worker can answer, and
any scheduler.

Each app registers a source in a module `metrics.py`. What happened is counted over the last hour: rows
are deleted in time, and a count of what is left would run backwards.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime

from django.db import InterfaceError, OperationalError, connection, connections, transaction
from django.db.models import Count
from django.utils import timezone
from prometheus_client import CollectorRegistry, generate_latest, start_http_server
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from scheduler_app import health
from scheduler_app.models import OPEN_STATUSES, ExecutionLog, JobConfig, SchedulerLease
from scheduler_app.policies import paused

logger = logging.getLogger(__name__)

Source = Callable[[], Iterable[Metric]]

_sources: dict[str, Source] = {}


def register_metrics(name: str, source: Source) -> None:
    """Ask `source` too, each time. Its queries have to be cheap."""
    _sources[name] = source


def as_text() -> bytes:
    """All metrics in Prometheus' text format.

    Raises:
        django.db.OperationalError: the database is away.
    """
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_All())
    return generate_latest(registry)


@contextmanager
def served(host: str, port: int, own: Source) -> Iterator[int]:
    """Answer Prometheus from this process meanwhile; the port, as 0 takes a free one.

    `own` is what this process knows of itself: that is told while the database is away, too.

    Raises:
        OSError: the port is taken, or the host is not this machine's.
    """
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_OfAProcess(own))
    server, thread = start_http_server(port, host, registry)
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _All(Collector):
    def collect(self) -> Iterator[Metric]:
        failed = GaugeMetricFamily(
            "stocksync_metrics_failed", "1 where a source of metrics failed", labels=["source"]
        )
        for name, source in sorted(_sources.items()):
            metrics = _asked(name, source)
            failed.add_metric([name], metrics is None)
            yield from metrics or []
        yield failed

    def describe(self) -> Iterator[Metric]:
        # Asked at registration; nothing is known before the database is.
        return iter(())


class _OfAProcess(_All):
    def __init__(self, own: Source) -> None:
        self._own = own

    def collect(self) -> Iterator[Metric]:
        yield from self._own()
        try:
            told = list(super().collect())
        except (OperationalError, InterfaceError) as error:
            logger.warning("action=metrics: the database is away: %s", error)
            told = []
        finally:
            # Each question is answered in a thread of its own.
            connections.close_all()
        yield gauge("database_answers", "1 while the database answers this process", bool(told))
        yield from told


def _asked(name: str, source: Source) -> list[Metric] | None:
    """The metrics of one source, or None if it fails: the others are told all the same."""
    try:
        with transaction.atomic():
            return list(source())
    except (OperationalError, InterfaceError):
        raise
    except Exception:
        logger.exception("action=metrics source=%s failed", name)
        return None


def gauge(name: str, says: str, value: float | None) -> GaugeMetricFamily:
    """One number; nothing where it is not known."""
    made = GaugeMetricFamily(f"stocksync_{name}", says)
    if value is not None:
        made.add_metric([], value)
    return made


def gauges(
    name: str,
    says: str,
    labels: Iterable[str],
    values: Iterable[tuple[Iterable[str], float | None]],
) -> GaugeMetricFamily:
    """One number for each set of labels; those that are not known are left out."""
    made = GaugeMetricFamily(f"stocksync_{name}", says, labels=list(labels))
    for of, value in values:
        if value is not None:
            made.add_metric(list(of), float(value))
    return made


_LAST_HOUR = """
    SELECT wanted.job_id, ran.status, count(*),
        percentile_cont(0.5) WITHIN GROUP (ORDER BY ran.duration_ms) / 1000,
        max(ran.duration_ms) / 1000.0
    FROM unnest(%s::text[]) AS wanted (job_id)
    CROSS JOIN LATERAL (
        SELECT status, duration_ms FROM scheduler_execution_log
        WHERE job_id = wanted.job_id AND started_at > statement_timestamp() - interval '1 hour'
    ) AS ran
    GROUP BY wanted.job_id, ran.status
"""
_LATENESS = """
    SELECT percentile_cont(ARRAY[0.5, 0.99, 1]) WITHIN GROUP (ORDER BY ran.late)
    FROM unnest(%s::text[]) AS wanted (job_id)
    CROSS JOIN LATERAL (
        SELECT extract(epoch FROM started_at - scheduled_for) AS late FROM scheduler_execution_log
        WHERE job_id = wanted.job_id AND started_at > statement_timestamp() - interval '1 hour'
            AND caused_by = 'schedule' AND attempt = 1 AND process_id IS NOT NULL
    ) AS ran
"""
# The newest that succeeded, looked for among a job's last thousand.
_LAST_SUCCESS = """
    SELECT wanted.job_id, extract(epoch FROM max(newest.finished_at))
    FROM unnest(%s::text[]) AS wanted (job_id)
    CROSS JOIN LATERAL (
        SELECT status, finished_at FROM scheduler_execution_log
        WHERE job_id = wanted.job_id ORDER BY started_at DESC LIMIT 1000
    ) AS newest
    WHERE newest.status = 'SUCCESS' GROUP BY wanted.job_id
"""


def scheduler_metrics() -> Iterator[Metric]:
    """Who leads, what it has applied, how late slots start, how runs end."""
    status = health.scheduler_status()
    applied = status.revision_applied
    yield gauge("lease_held", "1 while a scheduler is active", status.active is not None)
    fence = SchedulerLease.objects.values_list("fence", flat=True).first()
    yield gauge("lease_fence", "grows each time another scheduler takes over", fence)
    yield gauge("schedulers_standing_by", "schedulers that would take over", len(status.standbys))
    yield gauge(
        "scheduler_heartbeat_age_seconds",
        "since the active scheduler last wrote that it lives",
        status.heartbeat_age_seconds,
    )
    yield gauge(
        "revision_lag",
        "changes of schedules that the active scheduler has not applied",
        None if applied is None else max(0, status.revision_wanted - applied),
    )
    configs = list(JobConfig.objects.all())
    yield gauges("schedules", "schedules by state", ["state"], _states(configs, timezone.now()))
    yield from _executions([config.job_id for config in configs])


def _states(configs: list[JobConfig], now: datetime) -> list[tuple[list[str], float]]:
    states = [
        "off" if not config.enabled else "paused" if paused(config, now) else "on"
        for config in configs
    ]
    return [([state], states.count(state)) for state in ("on", "paused", "off")]


def _executions(scheduled: list[str]) -> Iterator[Metric]:
    found = ExecutionLog.objects.filter(status__in=OPEN_STATUSES).order_by()
    counts = dict(found.values_list("status").annotate(Count("id")))
    yield gauges(
        "executions_open",
        "executions that run or wait",
        ["status"],
        [([status], counts.get(status, 0)) for status in OPEN_STATUSES],
    )
    with connection.cursor() as cursor:
        cursor.execute(_LAST_HOUR, [scheduled])
        hour = cursor.fetchall()
        cursor.execute(_LATENESS, [scheduled])
        late = cursor.fetchone()[0] or []
        cursor.execute(_LAST_SUCCESS, [scheduled])
        succeeded = cursor.fetchall()
    yield gauges(
        "runs_last_hour",
        "executions begun in the last hour, by outcome",
        ["job_id", "status"],
        [([job_id, status], count) for job_id, status, count, _median, _longest in hour],
    )
    yield gauges(
        "run_seconds_last_hour",
        "how long the runs of the last hour took",
        ["job_id", "status", "quantile"],
        [
            ([job_id, status, quantile], seconds)
            for job_id, status, _count, median, longest in hour
            for quantile, seconds in (("0.5", median), ("1", longest))
        ],
    )
    yield gauges(
        "fire_lateness_seconds_last_hour",
        "from the moment of a slot to the start of its run, over all schedules",
        ["quantile"],
        zip((["0.5"], ["0.99"], ["1"]), late, strict=False),
    )
    yield gauges(
        "last_success_timestamp_seconds",
        "when a run of the job last succeeded",
        ["job_id"],
        [([job_id], at) for job_id, at in succeeded],
    )


register_metrics("scheduler", scheduler_metrics)
