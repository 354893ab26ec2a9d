"""Single cells of the ledger: what a person decides about them."""

from __future__ import annotations

from django.utils import timezone
from django.utils.translation import gettext as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse

from datasync_app import control
from datasync_app.api.access import Conflict, MayDecideOnCells
from datasync_app.api.serializers import AcceptBody, CellSerializer, NoBody
from datasync_app.datasets import get_dataset
from datasync_app.datasets.base import Dataset
from datasync_app.engine import ledger
from datasync_app.errors import LedgerRefused, UnknownDataset
from datasync_app.models import SyncLedger
from scheduler_app.api import documented as doc
from scheduler_app.api.base import ApiView, read_body
from scheduler_app.api.permissions import MayTriggerJobs, StaffMayRead
from scheduler_app.api.serializers import ExecutionSerializer
from scheduler_app.errors import InvalidSchedule, short

CELL = [
    OpenApiParameter("dataset", OpenApiTypes.STR, OpenApiParameter.PATH),
    OpenApiParameter("cell", OpenApiTypes.STR, OpenApiParameter.PATH),
]


class CellView(ApiView):
    permission_classes = [StaffMayRead]

    @extend_schema(
        tags=["sync"],
        operation_id="cell",
        parameters=CELL,
        responses=doc.answers(CellSerializer, 404, *doc.READ_ERRORS),
    )
    def get(self, request: Request, dataset: str, cell: str) -> Response:
        """One cell: its state, the codes that are missing and why, disputes and doubts."""
        _known(dataset)
        entry = SyncLedger.objects.filter(dataset=dataset, cell=cell).first()
        if entry is None:
            raise NotFound(
                _("The ledger has no cell %(cell)s of %(dataset)s.")
                % {"cell": short(cell), "dataset": dataset}
            )
        return Response(CellSerializer(entry).data)


class AcceptView(ApiView):
    permission_classes = [MayDecideOnCells]

    @extend_schema(
        tags=["sync"],
        operation_id="cell_accept",
        parameters=CELL,
        request=AcceptBody,
        responses=doc.answers(CellSerializer, 409, *doc.WRITE_ERRORS),
    )
    def post(self, request: Request, dataset: str, cell: str) -> Response:
        """Let a partial cell count as complete, for a reason; the missing codes stay named."""
        reason = read_body(request, AcceptBody).get("reason")
        if not isinstance(reason, str) or not reason.strip():
            raise InvalidSchedule(
                {
                    "reason": _("The reason is %s; it takes a sentence that says why.")
                    % short(reason)
                }
            )
        known = _known(dataset)
        by = request.user.get_username()
        try:
            entry = ledger.accept(known, cell, by, reason, now=timezone.now())
        except LedgerRefused as refused:
            raise Conflict(str(refused)) from None
        return Response(CellSerializer(entry).data)


class AskAgainView(ApiView):
    permission_classes = [MayDecideOnCells]

    @extend_schema(
        tags=["sync"],
        operation_id="cell_ask_again",
        parameters=CELL,
        request=NoBody,
        responses=doc.answers(CellSerializer, 409, *doc.WRITE_ERRORS),
    )
    def post(self, request: Request, dataset: str, cell: str) -> Response:
        """Ask for the cell again at the next run; what a person accepted is judged anew."""
        read_body(request, NoBody)
        try:
            entry = ledger.reset(_known(dataset), cell, now=timezone.now())
        except LedgerRefused as refused:
            raise Conflict(str(refused)) from None
        return Response(CellSerializer(entry).data)


class RepairView(ApiView):
    # Deciding about a cell, and running the job that asks for it.
    permission_classes = [MayDecideOnCells, MayTriggerJobs]

    @extend_schema(
        tags=["sync"],
        operation_id="cell_repair",
        parameters=[*CELL, doc.LOCATION],
        request=NoBody,
        responses=doc.answers(ExecutionSerializer, 409, *doc.WRITE_ERRORS, status=202),
    )
    def post(self, request: Request, dataset: str, cell: str) -> Response:
        """Ask for the cell now: the run that does so is queued."""
        read_body(request, NoBody)
        try:
            execution = control.repair(_known(dataset), cell, by=request.user.get_username())
        except LedgerRefused as refused:
            raise Conflict(str(refused)) from None
        return Response(
            ExecutionSerializer(execution).data,
            status=202,
            headers={"Location": reverse("execution-detail", kwargs={"id": execution.pk})},
        )


def _known(dataset: str) -> Dataset:
    try:
        return get_dataset(dataset)
    except UnknownDataset as unknown:
        raise NotFound(str(unknown)) from None
