"""The project itself, as an app: it holds the commands about the installation as a whole."""

from __future__ import annotations

from django.apps import AppConfig
from django.db.models.signals import post_migrate


class StocksyncConfig(AppConfig):
    name = "stocksync"
    verbose_name = "StockSync"

    def ready(self) -> None:
        from stocksync.notebooks import after_migrate

        post_migrate.connect(after_migrate, sender=self, dispatch_uid="stocksync.notebooks")
