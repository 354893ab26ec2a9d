"""`manage.py restore FILE`: puts a backup in the place of everything StockSync holds."""

from __future__ import annotations

import datetime as dt
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import connection
from django.db.models.functions import Now
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from datasync_app.asking import confirm
from scheduler_app.models import Role, SchedulerProcess
from stocksync.notebooks import let_reader_read
from stocksync.postgres import dump
from stocksync.postgres.problems import PostgresProblem

ALIVE = dt.timedelta(seconds=60)


class Command(BaseCommand):
    help = gettext_noop(
        "Replace everything (data, schedules, accounts) by what `backup` wrote to FILE."
    )
    requires_system_checks: list[str] = []  # they are of the code: `make lint` makes them

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.description = _(self.help)
        parser.add_argument("file", type=Path, metavar="FILE")
        parser.add_argument("--yes", action="store_true", help=_("do not ask"))

    def handle(self, *args: Any, **options: Any) -> None:
        file: Path = options["file"]
        if not file.is_file():
            raise CommandError(_("There is no file %s.") % file)
        schema = settings.DATABASE_SCHEMA
        connection.ensure_connection()
        version: int = connection.pg_version  # type: ignore[attr-defined]
        params = dump.libpq_parameters(connection.get_connection_params())
        try:
            dump.check_is_backup(file, version, schema)
            self._refuse_while_running()
            question = _("Replace everything StockSync holds by %s?") % file
            if not options["yes"] and not confirm(question):
                raise CommandError(_("Nothing was changed. (`--yes` restores it without asking.)"))
            dump.restore(connection.connection, params, version, schema, file)
        except PostgresProblem as problem:
            raise CommandError(str(problem)) from problem
        # A backup may be older than this version.
        call_command("migrate", interactive=False, verbosity=0)
        let_reader_read(connection)
        self.stdout.write(_("Restored from %s.") % file)

    def _refuse_while_running(self) -> None:
        if SchedulerProcess._meta.db_table not in connection.introspection.table_names():
            return
        alive = SchedulerProcess.objects.filter(
            role__in=[Role.SCHEDULER, Role.WORKER],
            stopped_at=None,
            heartbeat_at__gt=Now() - ALIVE,
        ).first()
        if alive is not None:
            raise CommandError(
                _(
                    "The %(role)s %(process)s is running and would write into what is restored: "
                    "stop StockSync first; if it was killed, wait a minute."
                )
                % {"role": alive.get_role_display(), "process": alive}
            )
