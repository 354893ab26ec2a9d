"""How much memory a process needs that gives all bars away: `python -m tests.datasync_app.exports.peaks`.

It reads what to do, line by line: `pieces FOLDER` writes Parquet and qlib's layout into the folder and
answers a call of the protocol, in pieces that are small, so that a small table has many; `whole` has all
rows at once. For each line it tells what was given (bytes of the answer, or rows) and its peak so far, in kB.
"""

from __future__ import annotations

import sys
from pathlib import Path
from unittest import mock

import django

django.setup()

from django.contrib.auth.models import User  # noqa: E402 (models want a Django that is set up)
from django.utils import timezone  # noqa: E402

from datasync_app.datasets.market import DAILY  # noqa: E402
from datasync_app.exports import arrow  # noqa: E402
from datasync_app.exports.folder import Folder  # noqa: E402
from datasync_app.exports.parquet import export_parquet  # noqa: E402
from datasync_app.exports.qlib import export_qlib  # noqa: E402
from datasync_app.models import Daily  # noqa: E402
from datasync_app.protocol import Request  # noqa: E402
from datasync_app.serving import rows  # noqa: E402
from datasync_app.serving.calls import serve  # noqa: E402

EVERYTHING = {"start_date": "20200101", "limit": "2000000", "allow_incomplete": "1"}


def pieces(folder: Path) -> int:
    now = timezone.now()
    with mock.patch.object(arrow, "_AT_ONCE", 200_000):
        export_parquet(Folder(folder / "parquet"), [DAILY], now=now, allow_incomplete=True)
        export_qlib(Folder(folder / "qlib"), now=now, allow_incomplete=True)
    with mock.patch.object(rows, "VALUES_AT_ONCE", 8_000):
        request = Request("daily", "", EVERYTHING, ())
        served = serve(request, User(username="reader", is_staff=True), now=now)
        return sum(map(len, served.pieces))


def whole() -> int:
    return len(list(Daily.objects.values_list()))


def peak() -> int:
    """Of this program: `ru_maxrss` would begin with that of whoever started it."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    (line,) = (line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1])


if __name__ == "__main__":
    for line in sys.stdin:
        word, *folder = line.split()
        given = pieces(Path(*folder)) if word == "pieces" else whole()
        sys.stdout.write(f"{given} {peak()}\n")
        sys.stdout.flush()
