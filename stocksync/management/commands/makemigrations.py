"""Django's `makemigrations`, without its look at the migration history in the database.

That look only warns about a rare mistake, and would start the embedded server for it.
"""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.commands import makemigrations
from django.db import connection


class Command(makemigrations.Command):
    def handle(self, *args: Any, **options: Any) -> None:
        engine = connection.settings_dict["ENGINE"]
        if settings.DATABASE_IS_EMBEDDED:
            connection.settings_dict["ENGINE"] = "django.db.backends.dummy"
        try:
            super().handle(*args, **options)
        finally:
            connection.settings_dict["ENGINE"] = engine
