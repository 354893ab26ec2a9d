"""Datasets, the Tushare client and the sync engine as a Django app."""

from __future__ import annotations

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class DatasyncConfig(AppConfig):
    name = "datasync_app"
    verbose_name = _("Market data")

    def ready(self) -> None:
        from datasync_app.session import close_with_execution
        from scheduler_app.recovery import run_cut_off

        run_cut_off.connect(close_with_execution, dispatch_uid="datasync_app.session")
