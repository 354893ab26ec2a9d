"""Make `.venv` and install what the given requirements files name.

    python3 stocksync/up/install.py requirements.txt

Runs on a bare Python, before anything is installed. Nothing is done again until a requirements
file or the Python changes, and nothing is written outside the checkout.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent.parent
VENV = CHECKOUT / ".venv"
PYTHON = VENV / "bin" / "python"
OLDEST = (3, 11)


def main(names: list[str]) -> None:
    if sys.version_info < OLDEST:
        sys.exit(
            f"stocksync: Python {sys.version.split()[0]} is too old, 3.11 or newer is needed: "
            "install one, and name it with `make run PYTHON=python3.11`."
        )
    os.umask(0o022)  # for root, whose database runs as another account and reads this
    checkout = os.open(CHECKOUT, os.O_RDONLY)
    fcntl.flock(checkout, fcntl.LOCK_EX)  # a second `make` at the same moment waits here
    try:
        _make_venv()
        for name in names:
            _install(CHECKOUT / name)
    except OSError as error:
        sys.exit(
            f"stocksync: {error.filename or CHECKOUT} cannot be written ({error.strerror}): "
            "StockSync installs itself into its checkout; put it where this account may write."
        )


def _make_venv() -> None:
    if PYTHON.exists() and _runs([str(PYTHON), "-m", "pip", "--version"]):
        return
    if not os.access(CHECKOUT, os.W_OK):
        raise PermissionError(13, "permission denied", str(CHECKOUT))
    (CHECKOUT / ".venv").mkdir(exist_ok=True)
    shutil.rmtree(VENV)  # half a one, or one whose Python is gone
    _say("making the virtual environment .venv")
    answer = subprocess.run(
        [sys.executable, "-m", "venv", str(VENV)], capture_output=True, text=True, check=False
    )
    if answer.returncode:
        shutil.rmtree(VENV, ignore_errors=True)
        reason = (answer.stderr or answer.stdout).strip()
        if "No module named venv" in reason or "ensurepip" in reason:
            sys.exit(
                f"stocksync: {sys.executable} comes without the venv module: install it (Debian and "
                "Ubuntu: `apt install python3-venv`) and run make again."
            )
        sys.exit(f"stocksync: the virtual environment could not be made: {reason[-300:]}")


def _install(requirements: Path) -> None:
    stamp = VENV / f"installed-{requirements.name}"
    wanted = hashlib.sha256(sys.version.encode())
    for path in sorted(CHECKOUT.glob("requirements*.txt")):
        wanted.update(path.read_bytes())
    if stamp.exists() and stamp.read_text() == wanted.hexdigest():
        return
    _say(f"installing what {requirements.name} names into .venv (a minute or two, once)")
    command = [str(PYTHON), "-m", "pip", "install", "--quiet", "--no-cache-dir"]
    command += ["--disable-pip-version-check", "--no-input", "-r", str(requirements)]
    environment = os.environ | {"PIP_ROOT_USER_ACTION": "ignore"}
    if subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, check=False).returncode:
        sys.exit(
            "stocksync: the packages could not be installed (pip says why above): a package index "
            "must be reachable; run make again when it is."
        )
    stamp.write_text(wanted.hexdigest())


def _runs(command: list[str]) -> bool:
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def _say(text: str) -> None:
    print(f"stocksync: {text}", flush=True)  # noqa: T201


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except KeyboardInterrupt:
        sys.exit(130)
