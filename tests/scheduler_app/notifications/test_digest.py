"""A digest a day, at its time, with what other apps have to say."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta

import pytest

from scheduler_app.models import Notification, Status
from scheduler_app.notifications import digest
from tests.datasync_app.factories import LedgerFactory
from tests.factories import ExecutionLogFactory, JobConfigFactory
from tests.webhook import channel

pytestmark = pytest.mark.django_db

# 09:00 in Shanghai.
NINE = datetime(2026, 3, 3, 1, 0, tzinfo=UTC)


def test_it_is_written_once_a_day_from_its_time_on() -> None:
    channel(digest_at=time(9))
    assert digest.write_due(NINE - timedelta(minutes=1)) == 0
    assert digest.write_due(NINE) == 1
    assert digest.write_due(NINE + timedelta(hours=1)) == 0
    assert digest.write_due(NINE + timedelta(days=1)) == 1


def test_only_channels_that_want_one_get_it() -> None:
    channel()
    channel(name="off", digest_at=time(9), enabled=False)
    channel(name="watcher", digest_at=time(9), kind="heartbeat")
    assert digest.write_due(NINE) == 0


def test_it_counts_the_last_day_and_names_what_fails_and_what_is_paused() -> None:
    channel(digest_at=time(9))
    JobConfigFactory.create(job_id="good")
    JobConfigFactory.create(job_id="bad", job_name="Bad one")
    JobConfigFactory.create(
        job_id="halted", paused_at=NINE - timedelta(days=2), paused_by="mei", paused_reason="moving"
    )
    for hours in (1, 2, 30):
        at = NINE - timedelta(hours=hours)
        ExecutionLogFactory.create(job_id="good", scheduled_for=at)
    ExecutionLogFactory.create(
        job_id="bad",
        scheduled_for=NINE - timedelta(hours=3),
        status=Status.FAILED,
        error_message="no disk",
    )
    digest.write_due(NINE)
    message = Notification.objects.get()
    assert message.subject == "StockSync: daily digest, 1 schedule fails"
    assert "In the last 24 hours 2 runs succeeded and 1 failed." in message.body
    assert "- Bad one (bad), 2026-03-03 06:00 CST: no disk" in message.body
    assert "- Halted: paused by mei: moving" in message.body


def test_it_says_how_far_the_data_are_good() -> None:
    LedgerFactory.create(cell_date=NINE.date())
    text = digest.text(NINE)
    assert text.subject == "StockSync: daily digest, no schedule fails"
    assert "- daily: good until 20260303" in text.body


def test_a_section_that_fails_does_not_stop_the_digest(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(now: datetime) -> str:
        raise RuntimeError("no such thing")

    monkeypatch.setattr(digest, "_sections", [broken, lambda now: "The end."])
    body = digest.text(NINE).body
    assert "A part of this digest could not be made: RuntimeError." in body
    assert "The end." in body
    assert "action=digest section=broken failed" in caplog.text
