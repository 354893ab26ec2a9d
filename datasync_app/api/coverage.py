"""What the ledger can prove, over HTTP."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

from django.utils import timezone
from django.utils.translation import gettext as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from datasync_app.api.serializers import CoverageListSerializer
from datasync_app.api.throttles import ThrottledView
from datasync_app.datasets import DATASETS
from datasync_app.dates import parse_date
from datasync_app.engine.coverage import cover
from datasync_app.errors import DatasyncError
from scheduler_app.api import documented as doc
from scheduler_app.api.queries import read_query
from scheduler_app.errors import InvalidSchedule


class CoverageView(ThrottledView):
    @extend_schema(
        operation_id="coverage",
        tags=["sync"],
        parameters=[
            OpenApiParameter(
                "dataset", OpenApiTypes.STR, enum=sorted(DATASETS), description="only this"
            ),
            OpenApiParameter("start", OpenApiTypes.STR, description="YYYYMMDD [the horizon]"),
            OpenApiParameter("end", OpenApiTypes.STR, description="YYYYMMDD [today]"),
        ],
        responses=doc.answers(CoverageListSerializer, 429, *doc.READ_ERRORS),
    )
    def get(self, request: Request) -> Response:
        """Per dataset: which due cells are good, which are not, and why."""
        given = read_query(
            request, {"dataset": sorted(DATASETS), "start": date_of("start"), "end": date_of("end")}
        )
        names = [given["dataset"]] if "dataset" in given else list(DATASETS)
        now = timezone.now()
        try:
            covered = [
                cover(DATASETS[name], given.get("start"), given.get("end"), now=now)
                for name in names
            ]
        except DatasyncError as error:
            raise InvalidSchedule({"start": str(error)}) from None
        return Response(
            {
                "complete": all(coverage.is_good for coverage in covered),
                "results": [coverage.as_json() for coverage in covered],
            }
        )


def date_of(name: str) -> Callable[[str | None], dt.date | None]:
    def read(text: str | None) -> dt.date | None:
        try:
            return None if text is None else parse_date(text)
        except ValueError as error:
            raise ValueError(
                _("The %(name)s: %(error)s.") % {"name": name, "error": error}
            ) from None

    return read
