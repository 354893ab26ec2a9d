"""Datasets, the Tushare client and the sync engine as a Django app."""

from __future__ import annotations

from django.apps import AppConfig


class DatasyncConfig(AppConfig):
    name = "datasync_app"
    verbose_name = "Market data"
