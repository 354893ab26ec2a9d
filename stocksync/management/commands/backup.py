"""`manage.py backup FILE`: everything StockSync holds, in PostgreSQL's own format."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import connection
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from stocksync.postgres import dump
from stocksync.postgres.problems import PostgresProblem


class Command(BaseCommand):
    help = gettext_noop(
        "Write everything (data, schedules, accounts) to FILE; `restore` reads it back."
    )
    requires_system_checks: list[str] = []  # they are of the code: `make lint` makes them

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.description = _(self.help)
        parser.add_argument("file", type=Path, metavar="FILE")
        parser.add_argument(
            "--overwrite", action="store_true", help=_("replace FILE where it exists already")
        )

    def handle(self, *args: Any, **options: Any) -> None:
        file: Path = options["file"]
        if not file.absolute().parent.is_dir():
            raise CommandError(_("The folder %s does not exist.") % file.absolute().parent)
        if file.is_dir():
            raise CommandError(
                _("%(folder)s is a folder: name the file to write, such as %(file)s.")
                % {"folder": file, "file": file / "stocksync.backup"}
            )
        if file.exists() and not options["overwrite"]:
            raise CommandError(
                _("%s exists already: name another file, or replace it with --overwrite.") % file
            )
        connection.ensure_connection()
        params = dump.libpq_parameters(connection.get_connection_params())
        version: int = connection.pg_version  # type: ignore[attr-defined]
        try:
            dump.backup(params, version, settings.DATABASE_SCHEMA, file)
        except PostgresProblem as problem:
            raise CommandError(str(problem)) from problem
        except OSError as error:
            raise CommandError(
                _("%(file)s cannot be written (%(why)s).") % {"file": file, "why": error.strerror}
            ) from error
        size = file.stat().st_size / 1_000_000
        said = _("%(file)s: %(size).1f MB, readable by you alone.")
        self.stdout.write(said % {"file": file, "size": size})
