"""The addresses of the market data's API; a slash at the end is optional everywhere."""

from __future__ import annotations

from django.urls import include, path, re_path
from rest_framework.routers import SimpleRouter

from datasync_app.api.call_days import CallDayListView
from datasync_app.api.cells import AcceptView, AskAgainView, CellView, RepairView
from datasync_app.api.coverage import CoverageView
from datasync_app.api.data import data_routes
from datasync_app.api.dataapi import dataapi
from datasync_app.api.endpoints import (
    AccountListView,
    EndpointListView,
    EndpointView,
    ForgetView,
)
from datasync_app.api.failures import TryAgainView
from datasync_app.api.memory import memory_routes
from datasync_app.api.report import ReportView
from datasync_app.api.stocks import BarsView, StockListView
from datasync_app.api.tasks import DailyHistoryView, FinanceHistoryView, TaskViewSet

CELL = r"api/sync/cells/(?P<dataset>[^/]+)/(?P<cell>[^/]+)"
ENDPOINT = r"api/tushare/endpoints/(?P<id>[^/]+)"

router = SimpleRouter()
router.trailing_slash = "/?"
router.register("tasks", TaskViewSet, basename="task")

urlpatterns = [
    re_path(r"^dataapi(?:/(?P<api_name>.*))?$", dataapi, name="dataapi"),
    re_path(r"^api/sync/daily-history/?$", DailyHistoryView.as_view(), name="sync-daily-history"),
    re_path(
        r"^api/sync/finance-history/?$", FinanceHistoryView.as_view(), name="sync-finance-history"
    ),
    re_path(r"^api/sync/report/?$", ReportView.as_view(), name="sync-report"),
    re_path(r"^api/sync/coverage/?$", CoverageView.as_view(), name="sync-coverage"),
    re_path(rf"^{CELL}/?$", CellView.as_view(), name="sync-cell"),
    re_path(rf"^{CELL}/accept/?$", AcceptView.as_view(), name="sync-cell-accept"),
    re_path(rf"^{CELL}/ask-again/?$", AskAgainView.as_view(), name="sync-cell-ask-again"),
    re_path(rf"^{CELL}/repair/?$", RepairView.as_view(), name="sync-cell-repair"),
    re_path(
        r"^api/sync/failures/(?P<id>[^/]+)/try-again/?$",
        TryAgainView.as_view(),
        name="sync-failure-try-again",
    ),
    re_path(r"^api/tushare/accounts/?$", AccountListView.as_view(), name="tushare-accounts"),
    re_path(r"^api/tushare/days/?$", CallDayListView.as_view(), name="tushare-days"),
    re_path(r"^api/tushare/endpoints/?$", EndpointListView.as_view(), name="tushare-endpoints"),
    re_path(rf"^{ENDPOINT}/?$", EndpointView.as_view(), name="tushare-endpoint"),
    re_path(rf"^{ENDPOINT}/forget/?$", ForgetView.as_view(), name="tushare-endpoint-forget"),
    *memory_routes(),
    *data_routes(),
    re_path(r"^api/stocks/?$", StockListView.as_view(), name="stocks"),
    re_path(r"^api/stocks/(?P<ts_code>[^/]+)/bars/?$", BarsView.as_view(), name="stock-bars"),
    path("api/sync/", include(router.urls)),
]
