"""Remove `.venv` and `var/`, the database with all its data included, after asking.

    python3 -m stocksync.up.clean

Runs in the checkout on a bare Python: `.venv` is what it removes.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import sys
from pathlib import Path

from stocksync.spoken import spoken as _

CHECKOUT = Path(__file__).resolve().parent.parent.parent
LOCKS = ("make-run.lock", "postgres-users.lock")


def main() -> None:
    folders = [CHECKOUT / ".venv", CHECKOUT / "var"]
    folders = [folder for folder in folders if folder.exists()]
    if not folders:
        sys.exit("stocksync: " + _("There is nothing to remove."))
    for name in LOCKS:
        if _held(CHECKOUT / "var" / "run" / name):
            sys.exit("stocksync: " + _("StockSync is running here: stop it first."))
    names = ", ".join(str(folder) for folder in folders)
    question = _("Remove %(names)s with the database and all its data? [y/N]") % {"names": names}
    try:
        answer = input(f"{question} ")
    except (EOFError, KeyboardInterrupt):
        answer = ""
    if answer.strip().lower() not in {"y", "yes"}:
        sys.exit("stocksync: " + _("Nothing was removed."))
    for folder in folders:
        shutil.rmtree(folder)


def _held(path: Path) -> bool:
    try:
        descriptor = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


if __name__ == "__main__":
    main()
