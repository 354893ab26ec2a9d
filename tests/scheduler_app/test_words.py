"""Schedules in words."""

from __future__ import annotations

import pytest

from scheduler_app.models import JobConfig, Trigger
from scheduler_app.words import schedule_in_words


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("0 18 * * *", "every day at 18:00"),
        ("5 9,15 * * 1-5", "Monday to Friday at 09:05 and 15:05"),
        ("0 1,2,3 * * *", "every day at 01:00, 02:00 and 03:00"),
        ("30 7 * * 0", "Sunday at 07:30"),
        ("30 7 * * 7", "Sunday at 07:30"),
        ("0 0 1 * *", "on day 1 of the month at 00:00"),
        ("* * * * *", "every minute"),
        ("*/15 * * * *", "every 15 minutes"),
        ("7 * * * *", "every hour at minute 7"),
        ("*/7 * * * *", "*/7 * * * *"),
        ("0 0 1 */2 *", "0 0 1 */2 *"),
        ("0 0 1 * 1", "0 0 1 * 1"),
        ("*/5 9 * * 1-5", "*/5 9 * * 1-5"),
        ("0 9 * * MON#1", "0 9 * * MON#1"),
        ("nonsense", "nonsense"),
    ],
)
def test_it_puts_plain_crons_into_words(expression: str, words: str) -> None:
    assert schedule_in_words(JobConfig(cron_expression=expression)) == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (1, "every second"),
        (90, "every 90 seconds"),
        (300, "every 5 minutes"),
        (3600, "every hour"),
        (172_800, "every 2 days"),
        (None, ""),
    ],
)
def test_it_puts_intervals_into_words(seconds: int | None, words: str) -> None:
    config = JobConfig(trigger=Trigger.INTERVAL, interval_seconds=seconds)
    assert schedule_in_words(config) == words
