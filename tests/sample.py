"""The recorded Tushare outputs. They are third-party data and lie beside the project, not in it."""

from __future__ import annotations

import csv
import functools
import gzip
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from datasync_app.sandbox.replay import ReplayMarket
from tests.processes import REPOSITORY

SAMPLE = Path(os.environ.get("STOCKSYNC_SAMPLE") or REPOSITORY.parent / "shared" / "tushare-sample")

needs_sample = pytest.mark.skipif(
    not (SAMPLE / "replay.json").is_file(), reason=f"the recorded outputs are not at {SAMPLE}"
)


def recorded(pattern: str) -> Iterator[dict[str, str]]:
    """The rows of the recorded files, as text: an empty field is a null of the source."""
    for path in sorted(SAMPLE.glob(pattern)):
        with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
            reader = csv.reader(file)
            header = next(reader)
            for row in reader:
                yield dict(zip(header, row, strict=True))


@functools.cache
def recorded_market() -> ReplayMarket:
    """One for all tests of a process: it never changes, and takes seconds to read."""
    return ReplayMarket(SAMPLE)
