"""The JSON of the API: what it answers, and what it takes."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema_field, extend_schema_serializer
from rest_framework import serializers

from scheduler_app import live_log
from scheduler_app.api.newest import PageSerializer
from scheduler_app.errors import short
from scheduler_app.models import Cause, ExecutionLog, JobConfig, Status, Trigger
from scheduler_app.overview import JobOverview
from scheduler_app.policies import paused
from scheduler_app.policy_fields import Misfire, Overlap

EXECUTION_FIELDS = [
    "id",
    "job_id",
    "scheduled_for",
    "not_before",
    "started_at",
    "finished_at",
    "status",
    "duration_ms",
    "error_message",
    "caused_by",
    "triggered_by",
    "attempt",
    "result",
]
JSON_OBJECT = {"type": "object", "additionalProperties": {}}


@extend_schema_field(JSON_OBJECT)
class JSONObjectField(serializers.JSONField):
    """A JSON object, in an answer."""


@extend_schema_field({**JSON_OBJECT, "nullable": True})
class ResultField(serializers.JSONField):
    """A run's own summary, or null."""


class ExecutionSerializer(serializers.ModelSerializer[ExecutionLog]):
    status = serializers.ChoiceField(choices=Status.choices, read_only=True)
    caused_by = serializers.ChoiceField(choices=Cause.choices, read_only=True)
    result = ResultField(read_only=True)

    class Meta:
        model = ExecutionLog
        fields = EXECUTION_FIELDS
        read_only_fields = EXECUTION_FIELDS


class ExecutionDetailSerializer(ExecutionSerializer):
    """One execution, with its arguments, its log and the traceback of its failure."""

    job_kwargs = JSONObjectField(read_only=True)
    process = serializers.StringRelatedField[Any](
        help_text="host:pid of the process that ran it", allow_null=True
    )
    log = serializers.SerializerMethodField(
        help_text="its last 500 lines; while it runs, as far as they were written"
    )

    class Meta:
        model = ExecutionLog
        fields = [*EXECUTION_FIELDS, "job_kwargs", "process", "traceback", "log"]
        read_only_fields = fields

    def get_log(self, execution: ExecutionLog) -> str:
        return live_log.so_far(execution)


@extend_schema_serializer(many=False)
class ExecutionListSerializer(PageSerializer):
    results = ExecutionSerializer(many=True, read_only=True)


@extend_schema_serializer(many=False)
class LogSerializer(serializers.Serializer[Any]):
    """What a run has logged so far; ask again until it has ended."""

    status = serializers.ChoiceField(choices=Status.choices, read_only=True)
    ended = serializers.BooleanField(read_only=True)
    log = serializers.CharField(read_only=True)


class PauseSerializer(serializers.Serializer[JobConfig]):
    since = serializers.DateTimeField(source="paused_at", read_only=True)
    until = serializers.DateTimeField(source="paused_until", read_only=True, allow_null=True)
    by = serializers.CharField(source="paused_by", read_only=True)
    reason = serializers.CharField(source="paused_reason", read_only=True)


class JobSerializer(serializers.Serializer[JobOverview]):
    job_id = serializers.CharField(read_only=True)
    job_name = serializers.CharField(read_only=True, source="name")
    summary = serializers.SerializerMethodField(help_text="what the job does")
    not_built = serializers.SerializerMethodField(help_text="what this version cannot do yet")
    takes = serializers.SerializerMethodField(help_text="the arguments of job_kwargs, in words")
    registered = serializers.SerializerMethodField(
        help_text="false for a schedule whose job this version does not know"
    )
    trigger = serializers.ChoiceField(
        choices=Trigger.choices, source="config.trigger", read_only=True
    )
    cron_expression = serializers.CharField(source="config.cron_expression", read_only=True)
    interval_seconds = serializers.IntegerField(
        source="config.interval_seconds", allow_null=True, read_only=True
    )
    timezone = serializers.CharField(source="config.timezone", read_only=True)
    enabled = serializers.BooleanField(source="config.enabled", read_only=True)
    job_kwargs = JSONObjectField(source="config.job_kwargs", read_only=True)
    next_runs = serializers.SerializerMethodField(
        help_text="the next six, with the offset of the schedule's time zone"
    )
    days_left_out = serializers.SerializerMethodField(
        help_text="days before the last of these on which it would fire but for its run calendar"
    )
    calendar_doubt = serializers.CharField(
        source="upcoming.doubt",
        help_text="why nobody can say of some days whether they are run days, so that it runs; "
        "else empty",
        read_only=True,
    )
    goes_on_at = serializers.DateTimeField(
        help_text="when a run that waits for its quota, or failed, goes on by itself; else null",
        allow_null=True,
        read_only=True,
    )
    schedule_error = serializers.CharField(
        help_text="why the schedule cannot fire; else empty", read_only=True
    )
    last_execution = ExecutionSerializer(allow_null=True, read_only=True)

    paused = serializers.SerializerMethodField(help_text="the pause that holds now, or null")
    run_calendar = serializers.CharField(source="config.run_calendar", read_only=True)
    misfire_policy = serializers.ChoiceField(
        choices=Misfire.choices, source="config.misfire_policy", read_only=True
    )
    misfire_window_seconds = serializers.IntegerField(
        source="config.misfire_window_seconds", read_only=True
    )
    start_deadline_seconds = serializers.IntegerField(
        source="config.start_deadline_seconds", read_only=True
    )
    overlap_policy = serializers.ChoiceField(
        choices=Overlap.choices, source="config.overlap_policy", read_only=True
    )
    time_limit_seconds = serializers.IntegerField(
        source="config.time_limit_seconds", read_only=True
    )
    runs_in_subprocess = serializers.BooleanField(
        source="config.runs_in_subprocess", read_only=True
    )
    max_retries = serializers.IntegerField(source="config.max_retries", read_only=True)
    retry_delay_seconds = serializers.IntegerField(
        source="config.retry_delay_seconds", read_only=True
    )
    retry_backoff = serializers.FloatField(source="config.retry_backoff", read_only=True)
    pause_after_failures = serializers.IntegerField(
        source="config.pause_after_failures", read_only=True
    )
    success_by = serializers.CharField(
        source="config.success_by",
        read_only=True,
        help_text="channels are told when nothing succeeded by then; else empty",
    )
    retention_days = serializers.IntegerField(source="config.retention_days", read_only=True)
    retention_runs = serializers.IntegerField(source="config.retention_runs", read_only=True)

    def get_summary(self, row: JobOverview) -> str:
        return _translated(row.job.summary) if row.job else ""

    def get_not_built(self, row: JobOverview) -> str:
        return _translated(row.job.not_built) if row.job else ""

    def get_takes(self, row: JobOverview) -> str:
        return row.job.takes if row.job else ""

    def get_registered(self, row: JobOverview) -> bool:
        return row.job is not None

    def get_days_left_out(self, row: JobOverview) -> list[date]:
        return list(row.upcoming.left_out)

    @extend_schema_field(PauseSerializer(allow_null=True))
    def get_paused(self, row: JobOverview) -> dict[str, Any] | None:
        config = row.config
        if not paused(config, timezone.now()):
            return None
        return PauseSerializer(config).data

    def get_next_runs(self, row: JobOverview) -> list[datetime]:
        # As text: DRF would turn them into the zone of the settings.
        return [moment.isoformat() for moment in row.next_runs]  # type: ignore[misc]


@extend_schema_serializer(many=False)
class JobListSerializer(serializers.Serializer[Any]):
    results = JobSerializer(many=True, read_only=True)


@extend_schema_serializer(many=False)
class PreviewSerializer(serializers.Serializer[Any]):
    next_runs = serializers.ListField(
        child=serializers.DateTimeField(),
        help_text="the next six, with the offset of the schedule's time zone",
        read_only=True,
    )
    days_left_out = serializers.ListField(
        child=serializers.DateField(),
        help_text="days before the last of these on which it would fire but for its run calendar",
        read_only=True,
    )
    calendar_doubt = serializers.CharField(
        help_text="why nobody can say of some days whether they are run days, so that it runs; "
        "else empty",
        read_only=True,
    )
    schedule_error = serializers.CharField(
        help_text="why such a schedule cannot fire; else empty", read_only=True
    )


class ProcessSerializer(serializers.Serializer[Any]):
    host = serializers.CharField(read_only=True)
    pid = serializers.IntegerField(read_only=True)


class NextRunSerializer(serializers.Serializer[Any]):
    job_id = serializers.CharField(read_only=True)
    at = serializers.DateTimeField(read_only=True, allow_null=True)


@extend_schema_serializer(many=False)
class StatusSerializer(serializers.Serializer[Any]):
    """The scheduler as its lease and heartbeats tell it; `active` is null when none leads."""

    active = ProcessSerializer(read_only=True, allow_null=True)
    standbys = ProcessSerializer(
        many=True, read_only=True, help_text="processes that beat and would take over"
    )
    heartbeat_age_seconds = serializers.FloatField(read_only=True, allow_null=True)
    revision_wanted = serializers.IntegerField(read_only=True)
    revision_applied = serializers.IntegerField(read_only=True, allow_null=True)
    next_runs = NextRunSerializer(many=True, read_only=True)


class HealthSerializer(serializers.Serializer[Any]):
    """Each part is ok, down or (the scheduler without a database) unknown."""

    status = serializers.ChoiceField(choices=["ok", "failing"], read_only=True)
    web = serializers.ChoiceField(choices=["ok"], read_only=True)
    database = serializers.ChoiceField(choices=["ok", "down"], read_only=True)
    scheduler = serializers.ChoiceField(choices=["ok", "down", "unknown"], read_only=True)
    heartbeat_age_seconds = serializers.FloatField(allow_null=True, read_only=True)


class ProblemSerializer(serializers.Serializer[Any]):
    """An error (RFC 9457). `errors` maps a field of the request to sentences about it."""

    type = serializers.CharField(read_only=True)
    title = serializers.CharField(read_only=True)
    status = serializers.IntegerField(read_only=True)
    detail = serializers.CharField(read_only=True)
    errors = serializers.DictField(  # type: ignore[assignment]  # a field, not the property
        child=serializers.ListField(child=serializers.CharField()), read_only=True
    )


def _translated(text: str) -> str:
    return _(text) if text else ""


class _AsGiven(serializers.Field[Any, Any, Any, Any]):
    """Passed on as it came: `configs` checks it, so that API and admin say the same sentences."""

    def __init__(self, **options: Any) -> None:
        super().__init__(required=False, allow_null=True, **options)

    def to_internal_value(self, data: Any) -> Any:
        return data


@extend_schema_field({"type": "string", "nullable": True})
class TextAsGiven(_AsGiven):
    pass


@extend_schema_field({"type": "integer", "nullable": True})
class NumberAsGiven(_AsGiven):
    pass


@extend_schema_field({**JSON_OBJECT, "nullable": True})
class ObjectAsGiven(_AsGiven):
    pass


class Body(serializers.Serializer[Any]):
    """A JSON object with the named fields and no other; null is as good as not given."""

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        if not isinstance(data, Mapping):
            raise serializers.ValidationError(
                {"": [_("The body is a JSON object, not %s.") % short(data) + f" {self._valid()}"]}
            )
        unknown = [name for name in data if name not in self.fields]
        if unknown:
            raise serializers.ValidationError(
                {
                    short(name).strip("'\""): [
                        _("There is no field %s.") % short(name) + f" {self._valid()}"
                    ]
                    for name in unknown[:10]
                }
            )
        return {name: value for name, value in data.items() if value is not None}

    def _valid(self) -> str:
        if not self.fields:
            return _("It takes no field.")
        return _("The fields are: %s.") % ", ".join(self.fields)


@extend_schema_field({"type": "number", "nullable": True})
class FactorAsGiven(_AsGiven):
    pass


@extend_schema_field({"type": "boolean", "nullable": True})
class YesOrNoAsGiven(_AsGiven):
    pass


class PolicyBody(Body):
    """What becomes of slots. As it was when not given; 0 is none."""

    run_calendar = TextAsGiven(help_text="every_day, or a calendar that leaves days out")
    misfire_policy = TextAsGiven(help_text="missed slots: skip, run_once or run_all")
    misfire_window_seconds = NumberAsGiven(help_text="how far back run_all goes")
    start_deadline_seconds = NumberAsGiven(help_text="a later start is no start but missed")
    overlap_policy = TextAsGiven(help_text="skip, queue_one or cancel_running")
    time_limit_seconds = NumberAsGiven(help_text="a longer run fails at its next checkpoint")
    runs_in_subprocess = YesOrNoAsGiven(help_text="the time limit then ends it for certain")
    max_retries = NumberAsGiven(help_text="further attempts after a failure")
    retry_delay_seconds = NumberAsGiven(help_text="before the first of them")
    retry_backoff = FactorAsGiven(help_text="each further delay is so many times the one before")
    pause_after_failures = NumberAsGiven(help_text="pause after so many failures in a row")
    success_by = TextAsGiven(help_text="alarm without a success by HH:MM; empty text: never")
    retention_days = NumberAsGiven(help_text="executions are kept for so long")
    retention_runs = NumberAsGiven(help_text="and at most so many of them")


class CronBody(Body):
    cron_expression = TextAsGiven(help_text="five fields; or give hour and minute")
    hour = NumberAsGiven(help_text="0 to 23: every day at that time")
    minute = NumberAsGiven(help_text="0 to 59 [0]")
    timezone = TextAsGiven(help_text="such as Asia/Shanghai; as it was when not given")
    job_kwargs = ObjectAsGiven(help_text="the job's arguments; as they were when not given")
    job_name = TextAsGiven()


class ScheduleBody(CronBody, PolicyBody):
    pass


class IntervalBody(Body):
    interval_seconds = NumberAsGiven(help_text="or give interval_minutes")
    interval_minutes = NumberAsGiven()
    job_kwargs = ObjectAsGiven(help_text="the job's arguments; as they were when not given")
    job_name = TextAsGiven()


class StartBody(IntervalBody, PolicyBody):
    pass


class StopBody(Body):
    pass


class EnableBody(Body):
    pass


class AgainBody(Body):
    pass


class CancelBody(Body):
    pass


class PauseBody(Body):
    reason = TextAsGiven(help_text="for the others; at most 500 characters")
    until = TextAsGiven(help_text="such as 2026-03-02T18:00:00+08:00; until resumed when not given")


class ResumeBody(Body):
    pass


class TriggerBody(Body):
    job_kwargs = ObjectAsGiven(help_text="for this run; those of the schedule when not given")
