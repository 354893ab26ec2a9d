"""The product's own processes, run against the test's database."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from django.conf import settings
from django.db import connection

from tests.warm import process as warm

REPOSITORY = Path(__file__).resolve().parent.parent


def database_url() -> str:
    """The test's database as a DATABASE_URL, for a process of its own."""
    of = connection.settings_dict
    host, port = str(of["HOST"]), str(of["PORT"])
    login = quote(str(of["USER"])) + (f":{quote(str(of['PASSWORD']))}" if of["PASSWORD"] else "")
    where = f"?host={quote(host, safe='')}" if host.startswith("/") else ""
    address = "" if where else host
    return f"postgresql://{login}@{address}{f':{port}' if port else ''}/{of['NAME']}{where}"


def environment(**extra: str) -> dict[str, str]:
    """The environment of a process that works on the test's database and folder."""
    own = {"DATABASE_URL": database_url(), "STOCKSYNC_VAR": str(settings.VAR_DIR)}
    return os.environ | own | extra


def manage(
    *args: str, timeout: float = 100, cold: bool = False, **extra: str
) -> subprocess.CompletedProcess[str]:
    """`manage.py ARGS`, to its end; `extra` goes into its environment."""
    run = warm.run_cold if cold else warm.run
    return run("manage.py", *args, env=environment(**extra), timeout=timeout)


@contextmanager
def running(*args: str, log: Path, **extra: str) -> Iterator[warm.Process]:
    """`manage.py ARGS` while the block lasts, then SIGTERM; what it says goes into `log`."""
    with log.open("wb") as file:
        process = warm.Process(
            "manage.py", *args, env=environment(**extra), stdout=file, stderr=subprocess.STDOUT
        )
        try:
            yield process
        finally:
            process.terminate()
            process.wait(timeout=40)
