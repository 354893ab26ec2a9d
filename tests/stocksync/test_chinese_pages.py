"""Every page of the admin in Chinese: what a person reads there holds no English but names, and no
moment without its zone."""

from __future__ import annotations

import re

import pytest
from django.test import Client
from django.urls import reverse

from datasync_app.datasets import DATASETS
from scheduler_app.models import ExecutionLog, Status
from tests.every_page import hold_rows, lists_and_forms, of_rows, of_schedules
from tests.page_text import MOMENT, texts_of, without_a_zone
from tests.scheduler_app.web import account

pytestmark = pytest.mark.django_db

CHINESE = {"Accept-Language": "zh-CN"}
# Names of things, which are the same to everybody; in lower case.
NAMES = {
    # the product, its source, and what they are called everywhere
    "stocksync", "tushare", "token", "api", "cron", "json", "url", "utc", "cst", "interval", "ms",
    "apprise", "csv", "shanghai", "asia", "qlib", "etag", "python", "tonghuashun", "zh", "hans",
    "english", "en", "esc", "control", "mac", "command", "id", "postgresql", "utf", "yyyymmdd",
    # datasets, columns, rules, arguments, settings
    *DATASETS, "close", "high", "start", "end",
    # what a schedule is written with
    "sun", "sat", "manage", "py", "runscheduler", "go", "live", "env",
    # a name of a person, or of a page of the browser
    "superuser", "boss", "user",
}  # fmt: skip
WORD = re.compile(r"(?<![\w./:@=-])[A-Za-z]{2,}(?![\w/:@=-]|\.\w)")
# What is to be typed in as it stands.
CODE = re.compile(r"`[^`]*`")


def english_of(texts: list[str]) -> list[str]:
    """The words of a page that are neither Chinese nor names: each with the text around it."""
    return [
        " ".join(text.split())[:100]
        for text in texts
        if any(word.lower() not in NAMES for word in WORD.findall(CODE.sub("", text)))
    ]


def wrong_in(texts: list[str]) -> list[str]:
    return english_of(texts) + [moment for text in texts for moment in without_a_zone(text)]


@pytest.fixture
def client() -> Client:
    """A superuser's browser, which asks for Chinese; there is something on each page."""
    boss = account(superuser=True)
    hold_rows(boss)
    client = Client(headers=CHINESE)
    client.force_login(boss)
    return client


# In one test: what takes time is the rows, not the pages.
def test_a_page_has_no_english_and_tells_each_moment_with_its_zone(client: Client) -> None:
    found = {}
    for address in lists_and_forms():
        answer = client.get(address)
        assert answer.status_code == 200, address
        assert '<html lang="zh-hans"' in answer.content.decode()
        found[address] = wrong_in(texts_of(answer.content.decode()))
    login = Client().get("/admin/login/", headers=CHINESE).content.decode()
    found["login"] = wrong_in(texts_of(login))
    assert {name: words for name, words in found.items() if words} == {}


def test_a_row_has_no_english_and_tells_each_moment_with_its_zone(client: Client) -> None:
    found, moments = {}, 0
    for address in [*of_rows("change", "history", "delete"), *of_schedules()]:
        answer = client.get(address)
        assert answer.status_code == 200, address
        texts = texts_of(answer.content.decode())
        moments += sum(bool(MOMENT.search(text)) for text in texts)
        found[address] = wrong_in(texts)
    assert len(found) > 15 and moments > 20
    assert {name: words for name, words in found.items() if words} == {}


def test_what_is_done_is_told_in_chinese(client: Client) -> None:
    row = ExecutionLog.objects.get(status=Status.RUNNING)
    answer = client.post(
        reverse("admin:scheduler_app_executionlog_stop", args=[row.pk]), follow=True
    )
    assert f"已请求停止执行记录 {row.pk}" in answer.content.decode()


def test_english_is_found() -> None:
    page = '<p title="A word">中文 cron</p><script>var x</script><i class="run-error">No.</i><br>'
    assert english_of(texts_of(page)) == ["A word"]
