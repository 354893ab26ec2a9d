"""The suite's own server goes with pytest, even when pytest is killed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from stocksync.environment import BASE_DIR
from stocksync.postgres.cluster import Cluster
from tests.waiting import eventually

WAITING_TEST = """
import os, time
def test_it_waits():
    print(os.environ["STOCKSYNC_VAR"], flush=True)
    time.sleep(60)
"""


@pytest.mark.acceptance
def test_it_is_gone_with_its_folder_after_sigkill_of_pytest(tmp_path: Path) -> None:
    (tmp_path / "test_waiting.py").write_text(WAITING_TEST)
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-s", "-q"]
    pytest_process = subprocess.Popen(
        [*command, "-c", "pyproject.toml", f"--rootdir={BASE_DIR}", str(tmp_path)],
        cwd=BASE_DIR,
        env=os.environ | {"DATABASE_URL": "", "PYTEST_XDIST_WORKER": "", "PYTEST_ADDOPTS": ""},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert pytest_process.stdout is not None
    var = Path(pytest_process.stdout.readline().decode().strip())
    cluster = Cluster(var.parent)
    assert cluster.postmaster() is not None
    pytest_process.kill()
    pytest_process.wait()
    pytest_process.stdout.close()
    assert eventually(lambda: not var.parent.exists(), 10)
