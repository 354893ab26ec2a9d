"""The addresses of the scheduler's API; a slash at the end is optional everywhere."""

from __future__ import annotations

from django.urls import include, path, re_path
from rest_framework.routers import SimpleRouter

from scheduler_app.api.channels import ChannelViewSet
from scheduler_app.api.executions import ExecutionViewSet
from scheduler_app.api.jobs import JobViewSet
from scheduler_app.api.messages import MessageViewSet
from scheduler_app.api.metrics import MetricsView
from scheduler_app.api.preview import PreviewViewSet
from scheduler_app.api.state import HealthView, StatusViewSet
from scheduler_app.api.tokens import TokenViewSet

router = SimpleRouter()
router.trailing_slash = "/?"
router.register("status", StatusViewSet, basename="status")
router.register("jobs", JobViewSet, basename="job")
router.register("preview", PreviewViewSet, basename="preview")
router.register("executions", ExecutionViewSet, basename="execution")

notifications = SimpleRouter()
notifications.trailing_slash = "/?"
notifications.register("channels", ChannelViewSet, basename="channel")
notifications.register("messages", MessageViewSet, basename="message")

tokens = SimpleRouter()
tokens.trailing_slash = "/?"
tokens.register("tokens", TokenViewSet, basename="token")

urlpatterns = [
    re_path(r"^healthz/?$", HealthView.as_view(), name="healthz"),
    re_path(r"^metrics/?$", MetricsView.as_view(), name="metrics"),
    path("api/scheduler/", include(router.urls)),
    path("api/notifications/", include(notifications.urls)),
    path("api/", include(tokens.urls)),
]
