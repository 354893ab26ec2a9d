"""The project itself, as an app: it holds the commands about the installation as a whole."""

from __future__ import annotations

from django.apps import AppConfig


class StocksyncConfig(AppConfig):
    name = "stocksync"
    verbose_name = "StockSync"
