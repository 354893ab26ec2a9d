"""A folder that changes as a whole, or not at all."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from datasync_app.errors import ExportRefused
from datasync_app.exports.folder import Folder, keep, replaced

KILLED = """
import os, signal, sys
from pathlib import Path
from datasync_app.exports.folder import Folder
with Folder(Path(sys.argv[1])).rewritten() as aside:
    (aside / "a.txt").write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    folder = Folder(tmp_path / "out")
    with folder.rewritten() as aside:
        (aside / "a.txt").write_text("old")
        (aside / "b.txt").write_text("same")
    return folder


def refused(path: Path, why: str) -> None:
    with pytest.raises(ExportRefused, match=why), Folder(path).rewritten():
        pass


def states(folder: Folder) -> list[Path]:
    return [path for path in folder.path.parent.glob(".out.state-*") if path.is_dir()]


def test_readers_see_the_new_state_from_its_end_on(folder: Folder) -> None:
    with folder.rewritten() as aside:
        (aside / "a.txt").write_text("new")
        assert folder.current
        keep(folder.current / "b.txt", aside / "b.txt")
        assert (folder.path / "a.txt").read_text() == "old"
    assert (folder.path / "a.txt").read_text() == "new"
    assert (folder.path / "b.txt").read_text() == "same"
    assert (folder.path / "b.txt").stat().st_nlink == 2  # the state before is kept for slow readers
    with folder.rewritten():
        pass
    assert len(states(folder)) == 2
    assert list(folder.path.iterdir()) == []


def test_one_that_fails_or_is_killed_leaves_the_old_state_whole(folder: Folder) -> None:
    with pytest.raises(RuntimeError), folder.rewritten() as aside:
        (aside / "a.txt").write_text("half")
        raise RuntimeError
    assert len(states(folder)) == 1
    process = subprocess.run([sys.executable, "-c", KILLED, folder.path], check=False)
    assert process.returncode == -signal.SIGKILL
    assert (folder.path / "a.txt").read_text() == "old"
    assert len(states(folder)) == 2
    with folder.rewritten() as aside:
        (aside / "a.txt").write_text("new")
    assert (folder.path / "a.txt").read_text() == "new"
    assert len(states(folder)) == 2


def test_two_do_not_write_at_once(folder: Folder) -> None:
    with folder.rewritten():
        refused(folder.path, "Another export is writing")


def test_what_no_export_made_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    (tmp_path / "file").write_text("x")
    (tmp_path / "link").symlink_to("mine")
    (tmp_path / "empty").mkdir()
    for name in ("mine", "file", "link"):
        refused(tmp_path / name, f"{name} is there and no export made it")
    with Folder(tmp_path / "empty").rewritten() as aside:
        (aside / "a.txt").write_text("new")
    assert (tmp_path / "empty" / "a.txt").read_text() == "new"
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "years of work"


def test_where_nothing_can_be_written_it_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    refused(tmp_path / "file" / "out", "cannot be written: File exists")
    with (
        pytest.raises(ExportRefused, match="cannot be written: File exists"),
        replaced(tmp_path / "file" / "out.duckdb"),
    ):
        pass


def test_without_hard_links_it_copies(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_args: object) -> None:
        raise OSError

    monkeypatch.setattr(os, "link", refuse)
    assert folder.current
    with folder.rewritten() as aside:
        keep(folder.current / "b.txt", aside / "b.txt")
    assert (folder.path / "b.txt").read_text() == "same"
