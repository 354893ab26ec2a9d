"""`manage.py go_live`: drop a generated source's data, keep schedules and accounts."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from datasync_app.asking import confirm
from datasync_app.engine.drop import drop_generated_data
from datasync_app.engine.identity import is_generated, stored_identity
from datasync_app.errors import DatasyncError
from scheduler_app.health import scheduler_status


class Command(BaseCommand):
    help = gettext_noop(
        "Empty datasets and ledger of a sandbox or replay, so that a real token can fill them."
    )
    requires_system_checks: list[str] = []  # they are of the code: `make lint` makes them

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.description = _(self.help)
        parser.add_argument("--yes", action="store_true", help=_("do not ask"))

    def handle(self, *args: Any, **options: Any) -> None:
        owner = stored_identity()
        question = _("Drop all market data of %s? Schedules and accounts stay.") % owner
        must_ask = owner is not None and is_generated(owner) and not options["yes"]
        if must_ask and not confirm(question):
            raise CommandError(_("Nothing was dropped. (`--yes` drops it without asking.)"))
        try:
            dropped = drop_generated_data(now=timezone.now())
        except DatasyncError as refusal:
            raise CommandError(str(refusal)) from None
        self.stdout.write(
            _(
                "Dropped the data of %s. The next run stores the source it meets; with "
                "TUSHARE_TOKEN set that is Tushare."
            )
            % dropped
        )
        if scheduler_status().is_alive:
            self.stdout.write(
                _(
                    "A scheduler is still running with the settings it was started with: stop it, "
                    "set TUSHARE_TOKEN, and start again."
                )
            )
