"""`manage.py sandbox`: a server that speaks Tushare's protocol over invented or recorded data."""

from __future__ import annotations

import contextlib
import logging
import os
import re
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

from datasync_app.sandbox.account import UNITS, Quota
from datasync_app.sandbox.faults import FAULTS, describe_faults
from datasync_app.sandbox.protocol import Market, SandboxProblem
from datasync_app.sandbox.replay import ReplayMarket
from datasync_app.sandbox.server import Sandbox

logger = logging.getLogger(__name__)


class Command(BaseCommand):
    help = "Serve Tushare's protocol on loopback, over a generated market or a recorded one."
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--port", default="0", help="0 picks a free one [0]")
        parser.add_argument(
            "--replay", metavar="DIR", help="replay the CSVs named by DIR/replay.json"
        )
        parser.add_argument(
            "--seed", default="1", help="of the generated market and the faults [1]"
        )
        parser.add_argument(
            "--quota", help="calls a minute per endpoint, 0 for no limit [by points]"
        )
        parser.add_argument(
            "--quota-of",
            action="append",
            default=[],
            metavar="NAME=N/UNIT",
            help="of one endpoint, as stock_basic=1/hour; units: " + ", ".join(UNITS),
        )
        parser.add_argument(
            "--latency", default="0", metavar="MS", help="milliseconds per call [0]"
        )
        parser.add_argument("--points", default="2000", help="the account's points [2000]")
        parser.add_argument(
            "--fault",
            action="append",
            default=[],
            metavar="NAME=RATE",
            help="spoil a share of the calls; `--fault list` explains each: "
            + ", ".join(sorted(FAULTS)),
        )
        parser.add_argument(
            "--stall",
            default="60",
            metavar="SECONDS",
            help="how long the faults stall and slow_drip last [60]",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["fault"] == ["list"]:
            self.stdout.write(describe_faults())
            return
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
            seed = _number("--seed", options["seed"], 0, 2**63 - 1)
            return Sandbox(
                _market(options["replay"], seed),
                port=_number("--port", options["port"], 0, 65535),
                quota=None
                if options["quota"] is None
                else _number("--quota", options["quota"], 0, 1_000_000),
                quotas=_quotas(options["quota_of"]),
                latency_ms=_number("--latency", options["latency"], 0, 600_000),
                points=_number("--points", options["points"], 0, 1_000_000),
                faults=_faults(options["fault"]),
                stall_seconds=_number("--stall", options["stall"], 0, 86_400),
                seed=seed,
            )
        except SandboxProblem as problem:
            raise CommandError(str(problem)) from None


def _market(folder: str | None, seed: int) -> Market:
    if folder is not None:
        return ReplayMarket(Path(folder))
    # The exchange calendar takes half a second to import, and a replay does not need it.
    from datasync_app.sandbox.market import GeneratedMarket

    return GeneratedMarket(seed)


def _number(option: str, text: str, least: int, most: int) -> int:
    if text.isascii() and text.isdecimal() and least <= int(text) <= most:
        return int(text)
    raise SandboxProblem(f"{option} is {text!r}; it must be a whole number from {least} to {most}.")


def _quotas(options: list[str]) -> dict[str, Quota]:
    quotas = {}
    for option in options:
        found = re.fullmatch(rf"(\w+)=(\d{{1,7}})/({'|'.join(UNITS)})", option, re.ASCII)
        if not found:
            raise SandboxProblem(
                f"--quota-of is {option!r}; it must be NAME=N/UNIT, as stock_basic=1/hour, with a "
                f"unit of {', '.join(UNITS)}."
            )
        quotas[found[1]] = Quota(int(found[2]), UNITS[found[3]])
    return quotas


def _faults(options: list[str]) -> dict[str, float]:
    rates = {}
    for option in options:
        name, _, rate = option.partition("=")
        try:
            rates[name] = float(rate)
        except ValueError:
            raise SandboxProblem(
                f"--fault is {option!r}; it must be NAME=RATE with a rate from 0 to 1."
            ) from None
    return rates


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
            f"The address file {path} cannot be written: {error.strerror}."
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
