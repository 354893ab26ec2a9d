"""The JSON of the market data's API."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_serializer
from rest_framework import serializers

from datasync_app.models import CellState, SyncLedger, SyncTask, TaskStatus
from scheduler_app.api.newest import PageSerializer
from scheduler_app.api.serializers import (
    Body,
    JSONObjectField,
    ProblemSerializer,
    ResultField,
    TextAsGiven,
)

TASK_FIELDS = [
    "id",
    "job_type",
    "status",
    "wanted",
    "wanted_by",
    "current_offset",
    "expected_cells",
    "total_processed",
    "cells_per_minute",
    "eta",
    "batch_size",
    "config",
    "execution_id",
    "started_at",
    "resumed_at",
    "updated_at",
    "resume_at",
    "completed_at",
    "failure_reason",
]


class TaskSerializer(serializers.ModelSerializer[SyncTask]):
    status = serializers.ChoiceField(choices=TaskStatus.choices, read_only=True)
    wanted = serializers.CharField(
        read_only=True, help_text="pause or cancel, where it is asked for and not yet done"
    )
    current_offset = serializers.IntegerField(read_only=True, help_text="cells finished")
    total_processed = serializers.IntegerField(read_only=True, help_text="rows stored")
    cells_per_minute = serializers.FloatField(read_only=True, allow_null=True)
    eta = serializers.DateTimeField(read_only=True, allow_null=True)
    config = JSONObjectField(read_only=True)

    class Meta:
        model = SyncTask
        fields = TASK_FIELDS
        read_only_fields = TASK_FIELDS


CELL_FIELDS = [
    "dataset",
    "cell",
    "cell_date",
    "state",
    "expected_rows",
    "received_rows",
    "missing",
    "disputes",
    "doubt",
    "not_asked",
    "accepted_by",
    "accepted_reason",
    "attempts",
    "fetched_at",
    "next_attempt_at",
    "last_error",
]


class CellSerializer(serializers.ModelSerializer[SyncLedger]):
    state = serializers.ChoiceField(choices=CellState.choices, read_only=True)
    missing = JSONObjectField(read_only=True, help_text="code -> why it has no row")
    disputes = JSONObjectField(read_only=True, help_text="code -> sister datasets that hold it")
    doubt = ResultField(
        read_only=True, help_text="an answer with fewer rows, until a second one agrees"
    )
    not_asked = serializers.ListField(
        child=serializers.CharField(),
        read_only=True,
        help_text="columns that are kept only since the rows were fetched",
    )

    class Meta:
        model = SyncLedger
        fields = CELL_FIELDS
        read_only_fields = CELL_FIELDS


class AcceptBody(Body):
    reason = TextAsGiven(help_text="why the cell is right as it is")


class DatasetSerializer(serializers.Serializer[Any]):
    dataset = serializers.CharField(read_only=True)
    title = serializers.CharField(read_only=True)
    key = serializers.ListField(child=serializers.CharField(), read_only=True)
    columns = serializers.DictField(child=serializers.CharField(), read_only=True)
    filters = serializers.ListField(child=serializers.CharField(), read_only=True)
    address = serializers.CharField(read_only=True)


@extend_schema_serializer(many=False)
class DatasetListSerializer(serializers.Serializer[Any]):
    results = DatasetSerializer(many=True, read_only=True)


@extend_schema_serializer(many=False)
class TaskListSerializer(PageSerializer):
    results = TaskSerializer(many=True, read_only=True)


class ConflictSerializer(ProblemSerializer):
    """A problem that names the task in the way."""

    task = TaskSerializer(read_only=True)


class HistoryBody(Body):
    start = TextAsGiven(help_text="the first date, YYYYMMDD; by default the setting of the job")


class NoBody(Body):
    pass


class CoverageListSerializer(serializers.Serializer[Any]):
    """Each as `manage.py coverage --json` prints it."""

    complete = serializers.BooleanField(
        read_only=True, help_text="whether everything due in the range is good"
    )
    results = serializers.ListField(child=JSONObjectField(), read_only=True)
