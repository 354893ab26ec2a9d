"""`manage.py doctor`: is everything in order? A line each, exit 1 on any failure."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from stocksync.checkup import checkup


class Command(BaseCommand):
    help = gettext_noop(
        "Check database, migrations, scheduler, source, datasets and clock; exit 1 on any failure."
    )
    # The checks are the command's own lines; Django's would end it before the first.
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.description = _(self.help)
        parser.add_argument(
            "--ask",
            action="store_true",
            help=_(
                "ask the source for the account first, in one call of `user`: is the token accepted, how "
                "many points does it have, and until when?"
            ),
        )

    def handle(self, *args: Any, ask: bool, **options: Any) -> None:
        findings = list(checkup(ask=ask))
        for finding in findings:
            self.stdout.write(f"{'ok  ' if finding.ok else 'FAIL'}  {finding.what}: {finding.says}")
        if not all(finding.ok for finding in findings):
            raise SystemExit(1)
