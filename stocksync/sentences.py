"""What a person at the screen is told of a database error, instead of a traceback."""

from __future__ import annotations

import psycopg
from django.conf import settings
from django.db import Error, InterfaceError, OperationalError, ProgrammingError, connection
from django.db.migrations.executor import MigrationExecutor
from django.utils.translation import gettext as _

from stocksync.postgres.problems import PostgresProblem

# Undefined table, schema, column and function.
NOT_THERE = frozenset({"42P01", "3F000", "42703", "42883"})


def sentence_for(error: Error | psycopg.Error) -> str | None:
    """One sentence, or None for an error that only its traceback explains."""
    if isinstance(error, OperationalError | InterfaceError | psycopg.OperationalError):
        return _away(error)
    cause = error.__cause__ if isinstance(error, ProgrammingError) else error
    return _unmigrated() if getattr(cause, "sqlstate", None) in NOT_THERE else None


def _away(error: Exception) -> str:
    reason = " ".join(str(error).split()) or type(error).__name__
    if isinstance(error.__cause__, PostgresProblem):
        return reason
    if settings.DATABASE_IS_EMBEDDED:
        return _("The database cannot be used: %s") % reason
    return _("The database that DATABASE_URL names cannot be used: %s") % reason


def _unmigrated() -> str | None:
    """None when every migration is applied: then the error is ours, not the database's age."""
    try:
        executor = MigrationExecutor(connection)
        missing = executor.migration_plan(executor.loader.graph.leaf_nodes())
    except (Error, psycopg.Error):
        return None
    if not missing:
        return None
    if not executor.loader.applied_migrations:
        return _("The database has no tables of ours yet: run `manage.py migrate`.")
    return _(
        "The database is of another version, %d migrations are not applied: run `manage.py migrate`."
    ) % len(missing)
