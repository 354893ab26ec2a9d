"""`manage.py report`: what the data of a range rest on."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from datasync_app.datasets import DATASETS
from datasync_app.errors import DatasyncError
from datasync_app.management.options import datasets_of, date_of
from datasync_app.reports.statement import Report, make_report
from datasync_app.reports.words import text_of


class Command(BaseCommand):
    help = gettext_noop(
        "What is complete from when to when, every exception with its reason, what was restated, and a "
        "digest over rows and ledger. Exit 1 if anything due is not good."
    )
    requires_system_checks: list[str] = []  # they are of the code: `make lint` makes them

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.description = _(self.help)
        parser.add_argument("--start", metavar="D", required=True, help=_("first date, YYYYMMDD"))
        parser.add_argument("--end", metavar="D", required=True, help=_("last date, YYYYMMDD"))
        parser.add_argument(
            "--datasets", metavar="NAME,…", help=_("only these of %s [all]") % ", ".join(DATASETS)
        )
        parser.add_argument(
            "--json",
            metavar="FILE",
            nargs="?",
            const="-",
            help=_("for programs: to this file, or to the terminal without one"),
        )

    def handle(self, *args: Any, **options: Any) -> None:
        first, last = date_of("--start", options["start"]), date_of("--end", options["end"])
        datasets = datasets_of(options["datasets"])
        try:
            report = make_report(datasets, first, last, now=timezone.now())
        except DatasyncError as error:
            raise CommandError(str(error)) from None
        self._tell(report, options["json"])
        if not report.is_good:
            raise SystemExit(1)

    def _tell(self, report: Report, file: str | None) -> None:
        if file is None:
            for line in text_of(report):
                self.stdout.write(line)
            return
        document = json.dumps(report.as_json(), indent=2, ensure_ascii=False)
        if file == "-":
            self.stdout.write(document)
            return
        try:
            Path(file).write_text(document + "\n", encoding="utf-8")
        except OSError as error:
            said = _("The report cannot be written to %(file)s: %(why)s.")
            raise CommandError(said % {"file": file, "why": error.strerror}) from None
