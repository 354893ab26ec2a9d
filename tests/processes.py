"""The product's own processes, run against the test's database."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from django.conf import settings
from django.db import connection

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


def manage(*args: str, timeout: float = 100, **extra: str) -> subprocess.CompletedProcess[str]:
    """`manage.py ARGS`, to its end; `extra` goes into its environment."""
    return subprocess.run(
        [sys.executable, "manage.py", *args],
        cwd=REPOSITORY,
        env=environment(**extra),
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


@contextmanager
def running(*args: str, log: Path, **extra: str) -> Iterator[subprocess.Popen[bytes]]:
    """`manage.py ARGS` while the block lasts, then SIGTERM; what it says goes into `log`."""
    with log.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "manage.py", *args],
            cwd=REPOSITORY,
            env=environment(**extra),
            stdout=file,
            stderr=subprocess.STDOUT,
        )
        try:
            yield process
        finally:
            process.terminate()
            process.wait(timeout=40)
