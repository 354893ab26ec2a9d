"""A real `runscheduler` process on the test's own database, with the jobs of `tests.testjobs`."""

from __future__ import annotations

import os
import signal
import subprocess
import urllib.parse
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, Self

from django.conf import settings

from tests.waiting import eventually
from tests.warm import process as warm


def database_url(database: Mapping[str, Any]) -> str:
    """The address of a database as Django has it configured."""
    user, password = (urllib.parse.quote(database.get(key) or "") for key in ("USER", "PASSWORD"))
    login = f"{user}:{password}" if password else user
    host = urllib.parse.quote(database.get("HOST") or "", safe="")
    port = f"&port={database['PORT']}" if database.get("PORT") else ""
    return f"postgresql://{login}@/{database['NAME']}?host={host}{port}"


def environment(url: str, **extra: str) -> dict[str, str]:
    return os.environ | {
        "DATABASE_URL": url,
        "DJANGO_SETTINGS_MODULE": "tests.settings_with_jobs",
        "STOCKSYNC_VAR": str(settings.VAR_DIR),
        "PYTHONUNBUFFERED": "1",
        **extra,
    }


def manage(url: str, *arguments: str, **extra: str) -> str:
    """Run a command to its end; what it printed."""
    env = environment(url, **extra)
    return warm.run("manage.py", *arguments, env=env, timeout=100, check=True).stdout


class SchedulerUnderTest:
    """`with SchedulerUnderTest(url, log) as scheduler:` starts it, and kills what is left."""

    command: ClassVar[tuple[str, ...]] = ("runscheduler",)
    cold: ClassVar[bool] = False

    def __init__(self, url: str, log: Path, **extra: str) -> None:
        self._url = url
        self._log = log
        self._extra = extra

    def __enter__(self) -> Self:
        self.start()
        return self

    def start(self) -> None:
        with self._log.open("a") as output:
            launch = warm.start_cold if self.cold else warm.Process
            self._process = launch(
                "manage.py",
                *self.command,
                env=environment(self._url, **self._extra),
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._process.kill()
        self._process.wait()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def log(self) -> str:
        return self._log.read_text()

    @property
    def lives(self) -> bool:
        return self._process.poll() is None

    @property
    def is_up(self) -> bool:
        """Whether the process that was started last has come so far as to say so."""
        return self.lives and f":{self.pid}\n" in self.log.partition("action=started ")[2]

    def says(self, text: str, seconds: float = 20.0) -> bool:
        """Whether the log comes to hold this text while the process lives."""
        eventually(lambda: text in self.log or not self.lives, seconds)
        return text in self.log

    def send(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def exit_code(self, seconds: float = 30.0) -> int:
        return self._process.wait(seconds)


class WorkerUnderTest(SchedulerUnderTest):
    """As `SchedulerUnderTest`, for a worker."""

    command = ("procrastinate", "worker")


class ColdWorkerUnderTest(WorkerUnderTest):
    """A worker as a person starts it."""

    cold = True
