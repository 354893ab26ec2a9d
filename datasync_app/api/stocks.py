"""Stocks by code or name, and the bars of one, for charts."""

from __future__ import annotations

import datetime as dt
from dataclasses import asdict
from typing import Any

from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_serializer
from rest_framework import serializers
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response

from datasync_app.api.coverage import date_of
from datasync_app.api.throttles import ThrottledView
from datasync_app.models import StockBasic
from datasync_app.reading import bars as reading
from datasync_app.reading.bars import Adjust, Why
from scheduler_app.api import documented as doc
from scheduler_app.api.queries import read_query, whole_number
from scheduler_app.errors import InvalidSchedule, short

DEFAULT_RANGE = dt.timedelta(days=365)
LONGEST_RANGE = dt.timedelta(days=3660)
STOCK_FIELDS = ["ts_code", "name", "industry", "list_status", "list_date", "delist_date"]


class StockSerializer(serializers.ModelSerializer[StockBasic]):
    class Meta:
        model = StockBasic
        fields = STOCK_FIELDS
        read_only_fields = STOCK_FIELDS


@extend_schema_serializer(many=False)
class StockListSerializer(serializers.Serializer[Any]):
    results = StockSerializer(many=True, read_only=True)


class BarSerializer(serializers.Serializer[Any]):
    trade_date = serializers.DateField(read_only=True)
    open = serializers.FloatField(read_only=True, allow_null=True)
    high = serializers.FloatField(read_only=True, allow_null=True)
    low = serializers.FloatField(read_only=True, allow_null=True)
    close = serializers.FloatField(read_only=True, allow_null=True)
    pre_close = serializers.FloatField(read_only=True, allow_null=True)
    pct_chg = serializers.FloatField(read_only=True, allow_null=True)
    vol = serializers.FloatField(read_only=True, allow_null=True)
    amount = serializers.FloatField(read_only=True, allow_null=True)


class AbsenceSerializer(serializers.Serializer[Any]):
    trade_date = serializers.DateField(read_only=True)
    kind = serializers.ChoiceField(choices=[(each, each) for each in Why], read_only=True)
    reason = serializers.CharField(read_only=True)
    cell_id = serializers.IntegerField(
        read_only=True, allow_null=True, help_text="the ledger's row of that day"
    )


class BarsSerializer(serializers.Serializer[Any]):
    ts_code = serializers.CharField(read_only=True)
    adjust = serializers.ChoiceField(choices=[(each, each) for each in Adjust], read_only=True)
    start = serializers.DateField(read_only=True)
    end = serializers.DateField(read_only=True)
    bars = BarSerializer(many=True, read_only=True)
    absent = AbsenceSerializer(
        many=True, read_only=True, help_text="trading days without a bar, and why"
    )
    doubt = serializers.CharField(
        read_only=True, help_text="why nobody can say which days are absent; else empty"
    )


class StockListView(ThrottledView):
    @extend_schema(
        operation_id="stocks",
        tags=["data"],
        parameters=[
            OpenApiParameter("q", OpenApiTypes.STR, description="how its code begins, or a name"),
            OpenApiParameter(
                "limit", {"type": "integer", "minimum": 1, "maximum": 100, "default": 20}
            ),
        ],
        responses=doc.answers(StockListSerializer, 429, *doc.READ_ERRORS),
    )
    def get(self, request: Request) -> Response:
        """Stocks by code, of all statuses."""
        given = read_query(request, {"q": str, "limit": whole_number(1, 100, 20)})
        stocks = StockBasic.objects.order_by("ts_code")
        if text := given.get("q", "").strip():
            stocks = stocks.filter(Q(ts_code__istartswith=text) | Q(name__icontains=text))
        return Response({"results": StockSerializer(stocks[: given["limit"]], many=True).data})


class BarsView(ThrottledView):
    @extend_schema(
        operation_id="bars",
        tags=["data"],
        parameters=[
            OpenApiParameter("ts_code", OpenApiTypes.STR, OpenApiParameter.PATH),
            OpenApiParameter("start", OpenApiTypes.STR, description="YYYYMMDD [a year before end]"),
            OpenApiParameter("end", OpenApiTypes.STR, description="YYYYMMDD [the newest bar]"),
            OpenApiParameter("adjust", OpenApiTypes.STR, enum=list(Adjust), default=Adjust.NONE),
        ],
        responses=doc.answers(BarsSerializer, 404, 429, *doc.READ_ERRORS),
    )
    def get(self, request: Request, ts_code: str) -> Response:
        """The bars of a stock, and why each other trading day of the range has none."""
        given = read_query(
            request, {"start": date_of("start"), "end": date_of("end"), "adjust": list(Adjust)}
        )
        newest = None if "\0" in ts_code else reading.newest_day(ts_code)
        if newest is None and ("\0" in ts_code or not StockBasic.objects.filter(pk=ts_code)):
            raise NotFound(_("There is neither a stock nor a bar of %s.") % short(ts_code))
        now = timezone.now()
        start, end = _range(given, newest or now.date())
        adjust = Adjust(given.get("adjust", Adjust.NONE))
        found = reading.bars(ts_code, start, end, adjust)
        absent, doubt = reading.absences(
            ts_code, start, end, (bar["trade_date"] for bar in found), now=now
        )
        body = {
            "ts_code": ts_code,
            "adjust": adjust,
            "start": start,
            "end": end,
            "bars": found,
            "absent": [asdict(each) for each in absent],
            "doubt": doubt,
        }
        return Response(BarsSerializer(body).data)


def _range(given: dict[str, Any], newest: dt.date) -> tuple[dt.date, dt.date]:
    """From start to end, a year where not both are given."""
    start, end = given.get("start"), given.get("end")
    if end is None:
        end = newest if start is None or start <= newest else start
    if start is None:
        start = max(end, dt.date.min + DEFAULT_RANGE) - DEFAULT_RANGE
    if start > end:
        said = _("The start %(start)s lies after the end %(end)s.")
        raise InvalidSchedule({"start": said % {"start": start, "end": end}})
    if end - start > LONGEST_RANGE:
        said = _("From %(start)s to %(end)s are %(days)d days; at most %(most)d can be asked for.")
        told = {"days": (end - start).days, "most": LONGEST_RANGE.days}
        raise InvalidSchedule({"start": said % {"start": start, "end": end, **told}})
    return start, end
