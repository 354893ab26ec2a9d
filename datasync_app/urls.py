"""The addresses of the market data's API; a slash at the end is optional everywhere."""

from __future__ import annotations

from django.urls import include, path, re_path
from rest_framework.routers import SimpleRouter

from datasync_app.api.coverage import CoverageView
from datasync_app.api.tasks import DailyHistoryView, FinanceHistoryView, TaskViewSet

router = SimpleRouter()
router.trailing_slash = "/?"
router.register("tasks", TaskViewSet, basename="task")

urlpatterns = [
    re_path(r"^api/sync/daily-history/?$", DailyHistoryView.as_view(), name="sync-daily-history"),
    re_path(
        r"^api/sync/finance-history/?$", FinanceHistoryView.as_view(), name="sync-finance-history"
    ),
    re_path(r"^api/sync/coverage/?$", CoverageView.as_view(), name="sync-coverage"),
    path("api/sync/", include(router.urls)),
]
