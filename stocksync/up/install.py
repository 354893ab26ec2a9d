"""Make `.venv` and install what the given requirements files name.

    python3 -m stocksync.up.install requirements.txt

Runs in the checkout on a bare Python, before anything is installed: what it imports is of the
standard library or of `spoken`. Nothing is done again until a requirements file or the Python
changes, and nothing is written outside the checkout.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

from stocksync.spoken import spoken as _

CHECKOUT = Path(__file__).resolve().parent.parent.parent
VENV = CHECKOUT / ".venv"
PYTHON = VENV / "bin" / "python"
OLDEST = (3, 11)


def main(names: list[str]) -> None:
    if sys.version_info < OLDEST:
        _give_up(
            _(
                "Python %(version)s is too old, 3.11 or newer is needed: install one, and name it "
                "with `make run PYTHON=python3.11`."
            )
            % {"version": sys.version.split()[0]}
        )
    os.umask(0o022)  # for root, whose database runs as another account and reads this
    checkout = os.open(CHECKOUT, os.O_RDONLY)
    fcntl.flock(checkout, fcntl.LOCK_EX)  # a second `make` at the same moment waits here
    try:
        _make_venv()
        for name in names:
            _install(CHECKOUT / name)
    except OSError as error:
        _give_up(
            _(
                "%(file)s cannot be written (%(strerror)s): StockSync installs itself into its "
                "checkout; put it where this account may write."
            )
            % {"file": error.filename or CHECKOUT, "strerror": error.strerror}
        )


def _make_venv() -> None:
    if PYTHON.exists() and _runs([str(PYTHON), "-m", "pip", "--version"]):
        return
    if not os.access(CHECKOUT, os.W_OK):
        raise PermissionError(13, "permission denied", str(CHECKOUT))
    (CHECKOUT / ".venv").mkdir(exist_ok=True)
    shutil.rmtree(VENV)  # half a one, or one whose Python is gone
    _say(_("Making the virtual environment .venv."))
    answer = subprocess.run(
        [sys.executable, "-m", "venv", str(VENV)], capture_output=True, text=True, check=False
    )
    if answer.returncode:
        shutil.rmtree(VENV, ignore_errors=True)
        reason = (answer.stderr or answer.stdout).strip()
        if "No module named venv" in reason or "ensurepip" in reason:
            _give_up(
                _(
                    "%(python)s comes without the venv module: install it (Debian and Ubuntu: "
                    "`apt install python3-venv`) and run make again."
                )
                % {"python": sys.executable}
            )
        _give_up(
            _("The virtual environment could not be made: %(reason)s") % {"reason": reason[-300:]}
        )


def _install(requirements: Path) -> None:
    stamp = VENV / f"installed-{requirements.name}"
    wanted = hashlib.sha256(sys.version.encode())
    for path in sorted(CHECKOUT.glob("requirements*.txt")):
        wanted.update(path.read_bytes())
    if stamp.exists() and stamp.read_text() == wanted.hexdigest():
        return
    _say(
        _("Installing what %(file)s names into .venv (a minute or two, once).")
        % {"file": requirements.name}
    )
    command = [str(PYTHON), "-m", "pip", "install", "--quiet", "--no-cache-dir"]
    command += ["--disable-pip-version-check", "--no-input", "-r", str(requirements)]
    environment = os.environ | {"PIP_ROOT_USER_ACTION": "ignore"}
    if subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, check=False).returncode:
        _give_up(
            _(
                "The packages could not be installed (pip says why above): a package index must be "
                "reachable; run make again when it is."
            )
        )
    stamp.write_text(wanted.hexdigest())


def _runs(command: list[str]) -> bool:
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def _say(text: str) -> None:
    print(f"stocksync: {text}", flush=True)  # noqa: T201


def _give_up(text: str) -> NoReturn:
    sys.exit(f"stocksync: {text}")


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except KeyboardInterrupt:
        sys.exit(130)
