"""One job as the API finds it and answers with it."""

from __future__ import annotations

import logging

from rest_framework.request import Request
from rest_framework.response import Response

from scheduler_app.api.etags import etag
from scheduler_app.api.serializers import JobSerializer
from scheduler_app.errors import UnknownJob
from scheduler_app.overview import JobOverview, overview
from scheduler_app.registry import registry

logger = logging.getLogger(__name__)


def find(job_id: str) -> JobOverview:
    """Raises UnknownJob for one that is neither registered nor scheduled."""
    rows = [] if "\0" in job_id else overview([job_id])
    if not rows:
        raise UnknownJob(job_id, registry.ids())
    return rows[0]


def answer(job_id: str) -> Response:
    row = find(job_id)
    headers = {"ETag": etag(row.config)} if row.config.pk else {}
    return Response(JobSerializer(row).data, headers=headers)


def note(request: Request, job_id: str) -> None:
    """Log who changed what."""
    logger.info(
        "action=api_%s job_id=%s by=%s",
        "delete" if request.method == "DELETE" else request.path.rstrip("/").rpartition("/")[2],
        job_id,
        request.user.get_username(),
    )


def changed(request: Request, job_id: str) -> Response:
    """The job as it is now."""
    note(request, job_id)
    return answer(job_id)
