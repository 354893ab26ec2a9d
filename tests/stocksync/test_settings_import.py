"""Importing the settings starts nothing."""

from __future__ import annotations

from django.db import connection


def test_it_uses_the_private_server(db: None) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_schema(), current_user")
        assert cursor.fetchone()[0] == "stocksync"
