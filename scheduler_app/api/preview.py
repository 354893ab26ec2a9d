"""When a schedule would fire, before it is saved."""

from __future__ import annotations

from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from scheduler_app.api import documented as doc
from scheduler_app.api.base import ApiViewSet
from scheduler_app.api.serializers import PreviewSerializer
from scheduler_app.errors import InvalidSchedule, short
from scheduler_app.models import JobConfig, Trigger
from scheduler_app.overview import upcoming_or_error
from scheduler_app.policy_fields import EVERY_DAY
from scheduler_app.policy_rules import RULES

FIELDS = ("trigger", "cron_expression", "interval_seconds", "timezone", "run_calendar")


@extend_schema(tags=["jobs"])
class PreviewViewSet(ApiViewSet):
    @extend_schema(
        operation_id="preview",
        parameters=doc.PREVIEW_FIELDS,
        responses=doc.answers(PreviewSerializer, *doc.READ_ERRORS),
    )
    def list(self, request: Request) -> Response:
        """The next six runs of such a schedule, or the sentence that would refuse it.

        Nothing is stored. A schedule that cannot fire is an answer here, and no error.
        """
        given = request.query_params
        unknown = {
            name: _("There is no field %s.") % short(name)
            + " "
            + _("The fields are: %s.") % ", ".join(FIELDS)
            for name in given
            if name not in FIELDS
        }
        trigger = given.get("trigger", Trigger.CRON)
        if trigger not in Trigger.values:
            said = _("The trigger is %(value)s; it takes cron or interval.")
            unknown["trigger"] = said % {"value": short(trigger)}
        calendar = given.get("run_calendar", EVERY_DAY)
        if problem := RULES["run_calendar"].problem(calendar):
            unknown["run_calendar"] = _("The %(field)s is %(value)s; %(problem)s.") % {
                "field": "run_calendar",
                "value": short(calendar),
                "problem": problem,
            }
        if unknown:
            raise InvalidSchedule(unknown)
        config = JobConfig(
            trigger=trigger,
            cron_expression=given.get("cron_expression", ""),
            interval_seconds=_number(given.get("interval_seconds", "").strip()),
            timezone=given.get("timezone", "Asia/Shanghai"),
            run_calendar=calendar,
        )
        coming, error = upcoming_or_error(config)
        return Response(
            {
                "next_runs": [moment.isoformat() for moment in coming.runs],
                "days_left_out": [day.isoformat() for day in coming.left_out],
                "calendar_doubt": coming.doubt,
                "schedule_error": error,
            }
        )


def _number(text: str) -> int | str:
    """What is no number stays text, and is refused by the same sentence as when it is saved."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 18 else text
