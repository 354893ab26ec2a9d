"""How the scheduler is: the health check for monitors, and its status for staff."""

from __future__ import annotations

import logging
from typing import Any

from django.db import Error as DatabaseProblem
from drf_spectacular.utils import extend_schema
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response

from scheduler_app import health
from scheduler_app.api import documented as doc
from scheduler_app.api.base import ApiView, ApiViewSet
from scheduler_app.api.serializers import HealthSerializer, StatusSerializer

logger = logging.getLogger(__name__)


class HealthView(ApiView):
    """For monitors: no login, and nothing that only staff may know."""

    authentication_classes = []
    permission_classes = [AllowAny]

    @extend_schema(
        operation_id="health",
        tags=["state"],
        auth=[],
        responses={200: HealthSerializer, 503: HealthSerializer},
    )
    def get(self, request: Request) -> Response:
        """200 if web, database and scheduler are well, else 503 and which of them is not."""
        state: dict[str, Any] = {"web": "ok", "database": "down", "scheduler": "unknown"}
        age = None
        try:
            status = health.scheduler_status()
        except DatabaseProblem as error:
            logger.error("action=healthz database down: %s", " ".join(str(error).split()))
        else:
            age = status.heartbeat_age_seconds
            state |= {"database": "ok", "scheduler": "ok" if status.is_alive else "down"}
        well = set(state.values()) == {"ok"}
        body = {"status": "ok" if well else "failing", **state, "heartbeat_age_seconds": age}
        return Response(body, status=200 if well else 503, headers={"Cache-Control": "no-store"})


@extend_schema(tags=["state"])
class StatusViewSet(ApiViewSet):
    @extend_schema(operation_id="status", responses=doc.answers(StatusSerializer, *doc.READ_ERRORS))
    def list(self, request: Request) -> Response:
        """The active scheduler process, its heartbeat, what it has loaded, and who stands by.

        A change has reached it when `revision_applied` is `revision_wanted`.
        """
        return Response(StatusSerializer(health.scheduler_status()).data)
