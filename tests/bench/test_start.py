"""The benchmarks start: nobody runs them in CI, where only this would tell that they no longer do."""

from __future__ import annotations

import os
import subprocess
import sys

from tests.processes import REPOSITORY


def test_the_benchmarks_can_be_named_before_there_are_settings() -> None:
    """They make their own database, and only then may settings be read."""
    without = {name: value for name, value in os.environ.items() if not name.startswith("DJANGO")}
    ended = subprocess.run(
        [sys.executable, "-m", "tests.bench", "--help"],
        cwd=REPOSITORY,
        env=without,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    assert "throughput" in ended.stdout
