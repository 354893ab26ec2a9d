"""`manage.py seed_jobs`: the default schedules, without touching what staff changed."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop, pgettext_lazy

from scheduler_app import seeds
from scheduler_app.errors import SchedulerError

DONE = {
    "created": pgettext_lazy("of a default schedule", "created"),
    "kept": pgettext_lazy("of a default schedule", "kept"),
    "reset": pgettext_lazy("of a default schedule", "reset"),
}


class Command(BaseCommand):
    help = gettext_noop(
        "Create the default schedules that are missing; with --reset, restore those named."
    )
    requires_system_checks: list[str] = []  # they are of the code: `make lint` makes them

    def add_arguments(self, parser: CommandParser) -> None:
        parser.description = _(self.help)
        parser.add_argument(
            "--reset",
            nargs="+",
            action="extend",
            default=[],
            metavar="JOB_ID",
            help=_("give these jobs their default schedule again, whatever staff made of it"),
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            done = seeds.seed(reset=options["reset"])
        except SchedulerError as error:
            raise CommandError(str(error)) from None
        for job_id, what in done:
            self.stdout.write(f"{job_id}: {DONE[what]}")
