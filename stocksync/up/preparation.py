"""Migrations and the admin account. A process of its own, so that the runner stays small.

python -m stocksync.up.preparation
"""

from __future__ import annotations

import os
import secrets
import sys
from pathlib import Path

import django
from django.core.management import call_command
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.db.utils import NotSupportedError

from stocksync.postgres import dump
from stocksync.postgres.problems import PostgresProblem
from stocksync.spoken import spoken as _

ADMIN = "admin"


def prepare() -> None:
    """Bring the database to this version, and make the admin account when there is none."""
    from django.conf import settings

    check_reachable()
    if dump.undo_interrupted_restore(connection.connection, settings.DATABASE_SCHEMA):
        say(_("Brought back what a restore that did not end had set aside."))
    migrate()
    make_admin(settings.VAR_DIR / "admin-password")
    warn_of_foreign_data()


def check_reachable() -> None:
    from django.conf import settings

    try:
        connection.ensure_connection()
    except (DatabaseError, NotSupportedError) as error:
        reason = " ".join(str(error).split())
        if settings.DATABASE_IS_EMBEDDED:
            sys.exit(f"stocksync: {reason}")
        sentence = _(
            "The database that DATABASE_URL names cannot be used (%(reason)s): start that server, "
            "correct DATABASE_URL, or unset it to use the embedded PostgreSQL."
        )
        sys.exit("stocksync: " + sentence % {"reason": reason})


def migrate() -> None:
    executor = MigrationExecutor(connection)
    missing = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if missing:
        say(
            _("Bringing the database to this version (%(count)s migrations).")
            % {"count": len(missing)}
        )
        call_command("migrate", interactive=False, verbosity=0)


def make_admin(password_file: Path) -> None:
    """An account for the first person; never a second one, and never a new password."""
    from django.contrib.auth import get_user_model

    users = get_user_model().objects
    if users.filter(is_superuser=True).exists():
        return
    # The file first: a password that nobody can read would lock everybody out.
    if not password_file.exists():
        with open(password_file, "x", opener=_for_the_owner) as file:
            file.write(secrets.token_urlsafe(15) + "\n")
    users.create_superuser(ADMIN, "", password_file.read_text().strip())


def warn_of_foreign_data() -> None:
    """Say now what every sync would be refused for: the data are of another source."""
    from django.conf import settings

    from datasync_app.engine.identity import refuse_foreign
    from datasync_app.errors import SourceMismatch

    # Without a token or an address the sandbox that is about to start will be asked.
    base_url = settings.TUSHARE_BASE_URL or "http://127.0.0.1"
    try:
        refuse_foreign(base_url, has_token=bool(settings.TUSHARE_TOKEN))
    except SourceMismatch as mismatch:
        say(_("WARNING: every sync is refused. %(mismatch)s") % {"mismatch": mismatch})


def say(text: str) -> None:
    sys.stdout.write(f"stocksync: {text}\n")
    sys.stdout.flush()


def _for_the_owner(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "stocksync.settings")
    django.setup()
    try:
        prepare()
    except PostgresProblem as problem:
        sys.exit(f"stocksync: {problem}")
