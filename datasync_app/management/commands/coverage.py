"""`manage.py coverage`: what the ledger can prove."""

from __future__ import annotations

import datetime as dt
import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from datasync_app.datasets import DATASETS, get_dataset
from datasync_app.dates import parse_date
from datasync_app.engine.coverage import Coverage, cover
from datasync_app.errors import DatasyncError


class Command(BaseCommand):
    help = gettext_noop(
        "What the ledger can prove, cell by cell. Exit 1 if anything due is not good; with --strict "
        "also if datasets dispute a code, an answer is in doubt or rows are in quarantine."
    )
    requires_system_checks: list[str] = []  # they are of the code: `make lint` makes them

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.description = _(self.help)
        parser.add_argument("names", metavar="NAME", nargs="*", help=", ".join(DATASETS))
        parser.add_argument("--start", metavar="D", help=_("first date, YYYYMMDD [the horizon]"))
        parser.add_argument("--end", metavar="D", help=_("last date, YYYYMMDD [today]"))
        parser.add_argument(
            "--strict",
            action="store_true",
            help=_("exit 1 for disputes, doubts and quarantine too"),
        )
        parser.add_argument("--json", action="store_true", help=_("for programs"))

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            start, end = _date(options["start"]), _date(options["end"])
            datasets = [get_dataset(name) for name in options["names"] or DATASETS]
            covered = [cover(dataset, start, end, now=timezone.now()) for dataset in datasets]
        except (DatasyncError, ValueError) as error:
            raise CommandError(str(error)) from None
        if options["json"]:
            self.stdout.write(json.dumps([coverage.as_json() for coverage in covered], indent=2))
        else:
            for coverage in covered:
                self._show(coverage)
        proven = (
            coverage.is_undisputed if options["strict"] else coverage.is_good
            for coverage in covered
        )
        if not all(proven):
            raise SystemExit(1)

    def _show(self, coverage: Coverage) -> None:
        self.stdout.write(coverage.sentence())
        for line in coverage.lines():
            self.stdout.write(f"  {line}")


def _date(text: str | None) -> dt.date | None:
    return None if text is None else parse_date(text)
