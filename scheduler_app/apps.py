"""The scheduler as a Django app."""

from __future__ import annotations

from django.apps import AppConfig
from django.utils.module_loading import autodiscover_modules
from django.utils.translation import gettext_lazy as _


class SchedulerConfig(AppConfig):
    name = "scheduler_app"
    verbose_name = _("Scheduler")

    def ready(self) -> None:
        # Each app names these in modules of these names; importing them registers them.
        autodiscover_modules("jobs", "run_calendar", "metrics", "dashboard", "digest")
