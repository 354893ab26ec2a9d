"""The JSON of the API: what it answers, and what it takes."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from scheduler_app.errors import short
from scheduler_app.models import Cause, ExecutionLog, Status, Trigger
from scheduler_app.overview import JobOverview

EXECUTION_FIELDS = [
    "id",
    "job_id",
    "scheduled_for",
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

    class Meta:
        model = ExecutionLog
        fields = [*EXECUTION_FIELDS, "job_kwargs", "process", "traceback", "log"]
        read_only_fields = fields


class ExecutionListSerializer(serializers.Serializer[Any]):
    results = ExecutionSerializer(many=True, read_only=True)


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
    goes_on_at = serializers.DateTimeField(
        help_text="when a run that waits for its quota goes on by itself; else null",
        allow_null=True,
        read_only=True,
    )
    schedule_error = serializers.CharField(
        help_text="why the schedule cannot fire; else empty", read_only=True
    )
    last_execution = ExecutionSerializer(allow_null=True, read_only=True)

    def get_summary(self, row: JobOverview) -> str:
        return row.job.summary if row.job else ""

    def get_not_built(self, row: JobOverview) -> str:
        return row.job.not_built if row.job else ""

    def get_takes(self, row: JobOverview) -> str:
        return row.job.takes if row.job else ""

    def get_registered(self, row: JobOverview) -> bool:
        return row.job is not None

    def get_next_runs(self, row: JobOverview) -> list[datetime]:
        # As text: DRF would turn them into the zone of the settings.
        return [moment.isoformat() for moment in row.next_runs]  # type: ignore[misc]


class JobListSerializer(serializers.Serializer[Any]):
    results = JobSerializer(many=True, read_only=True)


class PreviewSerializer(serializers.Serializer[Any]):
    next_runs = serializers.ListField(
        child=serializers.DateTimeField(),
        help_text="the next six, with the offset of the schedule's time zone",
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
                {"": [f"The body is a JSON object, not {short(data)}. {self._valid()}"]}
            )
        unknown = [name for name in data if name not in self.fields]
        if unknown:
            raise serializers.ValidationError(
                {
                    short(name).strip("'\""): [f"There is no field {short(name)}. {self._valid()}"]
                    for name in unknown[:10]
                }
            )
        return {name: value for name, value in data.items() if value is not None}

    def _valid(self) -> str:
        return f"The fields are: {', '.join(self.fields)}." if self.fields else "It takes no field."


class ScheduleBody(Body):
    cron_expression = TextAsGiven(help_text="five fields; or give hour and minute")
    hour = NumberAsGiven(help_text="0 to 23: every day at that time")
    minute = NumberAsGiven(help_text="0 to 59 [0]")
    timezone = TextAsGiven(help_text="such as Asia/Shanghai; as it was when not given")
    job_kwargs = ObjectAsGiven(help_text="the job's arguments; as they were when not given")
    job_name = TextAsGiven()


class StartBody(Body):
    interval_seconds = NumberAsGiven(help_text="or give interval_minutes")
    interval_minutes = NumberAsGiven()
    job_kwargs = ObjectAsGiven(help_text="the job's arguments; as they were when not given")
    job_name = TextAsGiven()


class StopBody(Body):
    pass


class TriggerBody(Body):
    job_kwargs = ObjectAsGiven(help_text="for this run; those of the schedule when not given")
