"""Bodies recorded from the real service are read as what they are."""

from __future__ import annotations

import datetime as dt
import os
from pathlib import Path

import pytest

from datasync_app.tushare.classify import classify
from datasync_app.tushare.outcomes import AnswerKind, DenialKind, Denied
from datasync_app.tushare.wire import Call, Reply

REPOSITORY = Path(__file__).resolve().parents[3]
SAMPLE = Path(os.environ.get("STOCKSYNC_SAMPLE") or REPOSITORY / ".." / "shared" / "tushare-sample")
BODIES = sorted((SAMPLE / "http_responses").glob("*.json"))
EMPTY = {"ci_daily", "top_list"}
REFUSED = {"api_error_40203"}

pytestmark = pytest.mark.skipif(not BODIES, reason="the folder of recorded answers is not here")


def read(path: Path) -> Reply:
    return Reply(200, {}, path.read_bytes(), dt.datetime.now(dt.UTC))


@pytest.mark.parametrize(
    "path", [path for path in BODIES if path.stem not in REFUSED], ids=lambda path: path.stem
)
def test_it_reads_a_recorded_answer(path: Path) -> None:
    answer = classify(read(path), Call(path.stem))

    expected = AnswerKind.EMPTY if path.stem in EMPTY else AnswerKind.ROWS
    assert answer.kind in {expected, AnswerKind.TRUNCATED}
    assert (answer.kind is AnswerKind.TRUNCATED) == bool(answer.has_more)
    assert answer.fields


def test_it_reads_the_recorded_refusal_as_a_missing_permission() -> None:
    with pytest.raises(Denied) as denied:
        classify(read(SAMPLE / "http_responses" / "api_error_40203.json"), Call("moneyflow"))

    assert (denied.value.kind, denied.value.code) == (DenialKind.PERMISSION, 40203)
