"""`manage.py sandbox`: a server that speaks Tushare's protocol over invented or recorded data."""

from __future__ import annotations

import contextlib
import gc
import logging
import os
import signal
import socket
import threading
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from datasync_app.sandbox.account import UNITS
from datasync_app.sandbox.clock import MovableClock, parse_moment
from datasync_app.sandbox.faults import FAULTS, describe_faults
from datasync_app.sandbox.options import fault_rates, published, quotas, restated, whole_number
from datasync_app.sandbox.protocol import Clock, Market, SandboxProblem
from datasync_app.sandbox.replay import ReplayMarket
from datasync_app.sandbox.server import Sandbox

logger = logging.getLogger(__name__)


class Command(BaseCommand):
    help = gettext_noop(
        "Serve Tushare's protocol on loopback, over a generated market or a recorded one."
    )
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.description = _(self.help)
        parser.add_argument("--port", default="0", help=_("0 picks a free one [0]"))
        parser.add_argument(
            "--replay", metavar="DIR", help=_("replay the CSVs named by DIR/replay.json")
        )
        parser.add_argument(
            "--seed", default="1", help=_("of the generated market and the faults [1]")
        )
        parser.add_argument(
            "--companies",
            metavar="N",
            help=_("make a market of about so many listed companies, for quick tries [5400]"),
        )
        parser.add_argument(
            "--now",
            metavar="MOMENT",
            help=_("start its clock at a moment of Shanghai, as 2026-03-16T18:30 [the real time]"),
        )
        parser.add_argument(
            "--publish",
            action="append",
            default=[],
            metavar="NAME[@DATE]=TIME[/PERCENT],…",
            help=_(
                "when rows are out, as daily_basic@20260316=18:40/60,19:20; without a date, every day"
            ),
        )
        parser.add_argument(
            "--restate",
            action="append",
            default=[],
            metavar="NAME=PERCENT@MOMENT",
            help=_(
                "change so many percent of the rows from a moment on: "
                "as adj_factor=1@2026-03-16T20:00"
            ),
        )
        parser.add_argument(
            "--quota", help=_("calls a minute per endpoint, 0 for no limit [by points]")
        )
        parser.add_argument(
            "--quota-of",
            action="append",
            default=[],
            metavar="NAME=N/UNIT",
            help=_("of one endpoint, as stock_basic=1/hour; units: %s") % ", ".join(UNITS),
        )
        parser.add_argument(
            "--latency", default="0", metavar="MS", help=_("milliseconds per call [0]")
        )
        parser.add_argument("--points", default="2000", help=_("the account's points [2000]"))
        parser.add_argument(
            "--fault",
            action="append",
            default=[],
            metavar="NAME=RATE",
            help=_("spoil a share of the calls; `--fault list` explains each: %s")
            % ", ".join(sorted(FAULTS)),
        )
        parser.add_argument(
            "--stall",
            default="60",
            metavar="SECONDS",
            help=_("how long the faults stall and slow_drip last [60]"),
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["fault"] == ["list"]:
            self.stdout.write(describe_faults())
            return
        # Every answer is a hundred thousand objects that live for a moment and hold no cycles.
        gc.set_threshold(100_000)
        stop = threading.Event()
        with _stopped_by_signals(stop):
            with self._sandbox(options) as sandbox, _address_file(sandbox.url):
                logger.info(
                    "action=sandbox_started url=%s source=%s", sandbox.url, sandbox.identity
                )
                self.stdout.write(f"listening on {sandbox.url}")
                self.stdout.flush()
                stop.wait()
            logger.info("action=sandbox_stopped url=%s", sandbox.url)

    def _sandbox(self, options: dict[str, Any]) -> Sandbox:
        try:
            seed = whole_number("--seed", options["seed"], 0, 2**63 - 1)
            now = options["now"]
            clock = MovableClock(None if now is None else parse_moment(now))
            return Sandbox(
                _market(options, seed, clock),
                port=whole_number("--port", options["port"], 0, 65535),
                quota=None
                if options["quota"] is None
                else whole_number("--quota", options["quota"], 0, 1_000_000),
                quotas=quotas(options["quota_of"]),
                latency_ms=whole_number("--latency", options["latency"], 0, 600_000),
                points=whole_number("--points", options["points"], 0, 1_000_000),
                faults=fault_rates(options["fault"]),
                stall_seconds=whole_number("--stall", options["stall"], 0, 86_400),
                seed=seed,
                publication=published(options["publish"], seed),
                restatements=restated(options["restate"], seed),
                clock=clock,
            )
        except SandboxProblem as problem:
            raise CommandError(str(problem)) from None


def _market(options: dict[str, Any], seed: int, clock: Clock) -> Market:
    size = options["companies"]
    companies = None if size is None else whole_number("--companies", size, 10, 5400)
    if options["replay"] is not None:
        return ReplayMarket(Path(options["replay"]))
    # The exchange calendar takes half a second to import, and a replay does not need it.
    from datasync_app.sandbox.market import GeneratedMarket

    return GeneratedMarket(seed, clock, companies=companies)


@contextlib.contextmanager
def _stopped_by_signals(stop: threading.Event) -> Iterator[None]:
    def set_stop(number: int, frame: FrameType | None) -> None:
        stop.set()

    numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
    before = {number: signal.signal(number, set_stop) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def _address_file(url: str) -> Iterator[None]:
    """Tell clients where the sandbox is, for as long as it is there.

    One that started while another was running gives its place back when it ends.

    Raises:
        CommandError: the file cannot be written.
    """
    path = Path(settings.SANDBOX_ADDRESS_FILE)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        before = path.read_text() if path.exists() else ""
        _replace(path, f"{url}\n")
    except OSError as error:
        raise CommandError(
            _("The address file %(file)s cannot be written: %(why)s.")
            % {"file": path, "why": error.strerror}
        ) from None
    try:
        yield
    finally:
        # Another sandbox may have taken over; its address stays.
        with contextlib.suppress(OSError):
            if path.read_text() == f"{url}\n":
                if _answers(before.strip()):
                    _replace(path, before)
                else:
                    path.unlink()


def _replace(path: Path, text: str) -> None:
    """Write the file in one step, so that nobody reads half an address."""
    fresh = path.with_name(f"{path.name}.{os.getpid()}")
    fresh.write_text(text)
    fresh.replace(path)


def _answers(url: str) -> bool:
    """Whether something still listens there."""
    parts = urllib.parse.urlsplit(url)
    if not parts.hostname or not parts.port:
        return False
    try:
        socket.create_connection((parts.hostname, parts.port), timeout=1).close()
    except OSError:
        return False
    return True
