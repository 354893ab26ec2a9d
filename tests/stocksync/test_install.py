"""The installer and what removes it again, both before anything is installed, in two languages."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from stocksync.environment import BASE_DIR


def lay_out(top: Path) -> Path:
    """A checkout that holds the installer, its words, and a requirements file without requirements."""
    for folder in ("up", "locale"):
        shutil.copytree(BASE_DIR / "stocksync" / folder, top / "stocksync" / folder)
    shutil.copy(BASE_DIR / "stocksync" / "spoken.py", top / "stocksync")
    (top / "requirements.txt").write_text("# nothing\n")
    return top


def install(checkout: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    return run(checkout, "stocksync.up.install", "requirements.txt", **variables)


def run(
    checkout: Path, module: str, *arguments: str, says: str = "", **variables: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", module, *arguments],
        cwd=checkout,
        env=os.environ | {"PIP_NO_INDEX": "1", "LANGUAGE_CODE": "en"} | variables,
        input=says,
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
    assert "Installing what requirements.txt names" in install(installed).stdout


def test_it_says_when_the_packages_cannot_be_had(installed: Path) -> None:
    (installed / "requirements.txt").write_text("stocksync-has-no-such-package\n")
    answer = install(installed)
    assert answer.returncode != 0
    assert answer.stderr.splitlines()[-1].startswith("stocksync: The packages could not be")


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


def test_it_refuses_in_chinese_where_the_terminal_is(checkout: Path) -> None:
    (checkout / ".venv").write_text("a file in the way")
    answer = install(checkout, LANGUAGE_CODE="", LC_ALL="zh_CN.UTF-8")
    assert f"{checkout / '.venv'} 无法写入" in answer.stderr
    assert len(answer.stderr.splitlines()) == 1


def test_it_needs_no_catalogue_to_say_it_in_english(checkout: Path) -> None:
    shutil.rmtree(checkout / "stocksync" / "locale")
    (checkout / ".venv").write_text("a file in the way")
    answer = install(checkout, LANGUAGE_CODE="zh-hans")
    assert f"{checkout / '.venv'} cannot be written" in answer.stderr


def test_what_it_imports_comes_with_python() -> None:
    """So that it runs before there is a package: isolated, with nothing installed in sight."""
    code = "import sys; sys.path.insert(0, '.'); import stocksync.up.install, stocksync.up.clean"
    subprocess.run([sys.executable, "-I", "-S", "-c", code], cwd=BASE_DIR, check=True)


@pytest.mark.parametrize(
    ("language", "question", "kept"),
    [("en", "Remove ", "Nothing was removed."), ("zh-hans", "删除 ", "什么都没有删除。")],
)
def test_nothing_is_removed_without_a_yes(
    checkout: Path, language: str, question: str, kept: str
) -> None:
    (checkout / "var").mkdir()
    answer = run(checkout, "stocksync.up.clean", says="n\n", LANGUAGE_CODE=language)
    assert answer.returncode != 0
    assert answer.stdout.startswith(f"{question}{checkout / 'var'}")
    assert kept in answer.stderr
    assert (checkout / "var").exists()


def test_a_yes_removes_the_database_and_what_was_installed(checkout: Path) -> None:
    for name in (".venv", "var"):
        (checkout / name).mkdir()
    assert run(checkout, "stocksync.up.clean", says="y\n").returncode == 0
    assert not (checkout / "var").exists() and not (checkout / ".venv").exists()
    assert "There is nothing to remove." in run(checkout, "stocksync.up.clean").stderr
