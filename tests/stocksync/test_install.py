"""The installer's refusals, which come before anything is installed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from stocksync.environment import BASE_DIR


def lay_out(top: Path) -> Path:
    """A checkout that holds the installer and a requirements file without requirements."""
    shutil.copytree(BASE_DIR / "stocksync" / "up", top / "stocksync" / "up")
    (top / "requirements.txt").write_text("# nothing\n")
    return top


def install(checkout: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "stocksync/up/install.py", "requirements.txt"],
        cwd=checkout,
        env=os.environ | {"PIP_NO_INDEX": "1"} | variables,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    return lay_out(tmp_path / "a checkout")


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    top = lay_out(tmp_path_factory.mktemp("installed") / "a checkout")
    answer = install(top)
    assert answer.returncode == 0, answer.stderr
    return top


def test_it_installs_once(installed: Path) -> None:
    assert (installed / ".venv" / "bin" / "pip").exists()
    again = install(installed)
    assert (again.returncode, again.stdout, again.stderr) == (0, "", "")


def test_it_installs_again_when_the_requirements_change(installed: Path) -> None:
    (installed / "requirements.txt").write_text("# nothing yet\n")
    assert "installing what requirements.txt names" in install(installed).stdout


def test_it_says_when_the_packages_cannot_be_had(installed: Path) -> None:
    (installed / "requirements.txt").write_text("stocksync-has-no-such-package\n")
    answer = install(installed)
    assert answer.returncode != 0
    assert answer.stderr.splitlines()[-1].startswith("stocksync: the packages could not be")


def test_it_says_when_python_has_no_venv_module(checkout: Path) -> None:
    broken = checkout / "broken"
    broken.mkdir()
    (broken / "venv.py").write_text("raise ModuleNotFoundError('No module named venv')\n")
    answer = install(checkout, PYTHONPATH=str(broken))
    assert answer.returncode != 0
    assert "comes without the venv module" in answer.stderr
    assert len(answer.stderr.splitlines()) == 1
    assert not (checkout / ".venv").exists()


def test_it_names_a_checkout_it_cannot_write(checkout: Path) -> None:
    (checkout / ".venv").write_text("a file in the way")
    answer = install(checkout)
    assert answer.returncode != 0
    assert f"{checkout / '.venv'} cannot be written" in answer.stderr
    assert len(answer.stderr.splitlines()) == 1
