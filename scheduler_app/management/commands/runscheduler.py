"""`manage.py runscheduler`: the process that fires schedules. Any number of them may run."""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from types import FrameType
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop
from prometheus_client.core import Metric

from scheduler_app import metrics
from scheduler_app.service import SchedulerService
from scheduler_app.watchdog import WATCH_SECONDS, Watchdog, end_process

logger = logging.getLogger(__name__)

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class Command(BaseCommand):
    """Starts the service, waits for a signal, and stops the service.

    1. SIGTERM, SIGINT or SIGHUP: no more slots are taken, runs end at their next checkpoint, what
       is left after 25 s is closed as CANCELLED. Exit 0.
    2. A thread that must go on is dead or stuck: CRITICAL, and exit 1 at once, for the supervisor
       to start a new process.
    """

    help = gettext_noop("Fire the schedules. Runs until SIGTERM, SIGINT or SIGHUP.")
    # It starts while the database is down, and checks that need one come with `migrate`.
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.description = _(self.help)

    def handle(self, *args: Any, **options: Any) -> None:
        asked_to_stop = threading.Event()

        def ask(number: int, frame: FrameType | None) -> None:
            asked_to_stop.set()

        for number in SIGNALS:
            signal.signal(number, ask)
        service = SchedulerService()
        service.start()
        logger.info("action=started process=%s", service.process)
        watchdog = Watchdog(service.watched())
        with _answering_prometheus(service):
            while not asked_to_stop.wait(WATCH_SECONDS):
                if problem := watchdog.problem():
                    end_process(problem)
            service.stop()


@contextmanager
def _answering_prometheus(service: SchedulerService) -> Iterator[None]:
    """Where the settings name a port. One that is taken costs the numbers, and no slot."""
    host, port = settings.SCHEDULER_METRICS_HOST, settings.SCHEDULER_METRICS_PORT

    def own() -> list[Metric]:
        leads = service.leadership.fence is not None
        return [metrics.gauge("process_leads", "1 while this scheduler is the active one", leads)]

    with ExitStack() as stack:
        if port:
            try:
                stack.enter_context(metrics.served(host, port, own))
            except OSError as error:
                logger.error("action=metrics host=%s port=%s: %s", host, port, error)
            else:
                logger.info("action=metrics host=%s port=%s", host, port)
        yield
