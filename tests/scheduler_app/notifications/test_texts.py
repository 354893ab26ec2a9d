"""A message is in the language of its channel, whoever writes it in whatever language."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence

import pytest
from django.utils import translation

from scheduler_app.models import Notification, NotificationKind
from scheduler_app.notifications import digest, texts
from scheduler_app.notifications.messages import write, write_test
from scheduler_app.notifications.texts import Text, Told
from tests.factories import MONDAY_SIX
from tests.webhook import channel

pytestmark = pytest.mark.django_db

ONE = [Told("sync_daily", "Daily", MONDAY_SIX, "拒绝访问")]
TWO = [*ONE, Told("sync_finance", "Finance", MONDAY_SIX + dt.timedelta(hours=1))]


@pytest.mark.parametrize(
    ("text", "jobs", "english", "chinese"),
    [
        (texts.failing, ONE, "Daily fails", "Daily 失败"),
        (texts.failing, TWO, "2 schedules fail", "2 个计划失败"),
        (texts.recovered, ONE, "Daily works again", "Daily 恢复正常"),
        (texts.recovered, TWO, "2 schedules work again", "2 个计划恢复正常"),
        (texts.paused, ONE, "Daily paused itself", "Daily 已自动暂停"),
        (texts.paused, TWO, "2 schedules paused themselves", "2 个计划已自动暂停"),
        (texts.no_success, ONE, "Daily: no success in time", "Daily 未按时成功"),
        (texts.no_success, TWO, "2 schedules: no success in time", "2 个计划未按时成功"),
    ],
)
@pytest.mark.parametrize("of_the_writer", ["en", "zh-hans"])
def test_each_channel_is_told_in_its_language(
    text: Callable[[Sequence[Told]], Text],
    jobs: list[Told],
    english: str,
    chinese: str,
    of_the_writer: str,
) -> None:
    channel(name="a", language="en")
    channel(name="b", language="zh-hans")
    with translation.override(of_the_writer):
        write(NotificationKind.FAILING, lambda: text(jobs), MONDAY_SIX)
    told = list(Notification.objects.order_by("channel__name").values_list("subject", "body"))
    assert [subject for subject, _body in told] == [
        f"StockSync: {english}",
        f"StockSync: {chinese}",
    ]
    line = "- Daily (sync_daily), 2026-03-02 18:00 CST: 拒绝访问"
    assert all(line in body for _subject, body in told)
    heading = told[1][1].partition("\n")[0]
    assert heading.endswith("：") and heading.isprintable() and not heading.isascii()


def test_why_a_run_failed_is_in_chinese_too() -> None:
    stopped = "its process attic:77 stopped responding at 2026-03-02 09:59:00 UTC"
    with translation.override("zh-hans"):
        said = texts.failing([Told("sync_daily", "Daily", MONDAY_SIX, stopped)])
    assert "它的进程 attic:77 自 2026-03-02 09:59:00 UTC 起没有响应" in said.body


def test_a_test_is_in_chinese_too() -> None:
    test = write_test(channel(name="研究组", language="zh-hans"))
    assert test is not None
    assert (test.subject, test.body.partition("\n")[0]) == (
        "StockSync: 测试",
        "这是对通知渠道 研究组 的测试。",
    )


def test_a_digest_is_in_chinese_too() -> None:
    with translation.override("zh-hans"):
        said = digest.text(MONDAY_SIX)
    assert said.subject == "StockSync: 每日汇总，没有计划失败"
    assert said.body.startswith("最近 24 小时有 0 次运行成功，0 次失败。")
