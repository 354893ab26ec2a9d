"""Every page of the admin in Chinese: what a person reads there holds no English but names."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest
from django.test import Client
from django.urls import reverse

from datasync_app.datasets import DATASETS
from scheduler_app.models import ExecutionLog, Status
from tests.every_page import hold_rows, lists_and_forms, of_rows, of_schedules
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
SHOWN_ATTRIBUTES = {"title", "placeholder", "aria-label", "alt", "data-sure"}
# What is there for programs, or is an icon's name; and what is shown as it was stored.
UNSEEN = {"script", "style", "code", "pre", "svg"}
UNSEEN_CLASSES = {"material-symbols-outlined", "run-error"}
VOID = {"area", "base", "br", "col", "hr", "img", "input", "link", "meta", "source", "wbr"}


class Reader(HTMLParser):
    """Collects what a person reads of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []
        self._open: list[bool] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attributes}
        # Which tables there are permissions for: their names, translated where the admin shows them.
        is_permission = tag == "select" and "permissions" in given.get("name", "")
        is_unseen = (
            tag in UNSEEN
            or is_permission
            or bool(UNSEEN_CLASSES & set(given.get("class", "").split()))
        )
        if tag not in VOID:
            self._open.append(is_unseen)
        if not any(self._open):
            self.texts += [given[name] for name in SHOWN_ATTRIBUTES & given.keys()]
            if tag == "input" and given.get("type") in {"submit", "button"}:
                self.texts.append(given.get("value", ""))

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID and self._open:
            self._open.pop()

    def handle_data(self, data: str) -> None:
        if not any(self._open):
            self.texts.append(data)


def english_of(page: str) -> list[str]:
    """The words of a page that are neither Chinese nor names: each with the text around it."""
    reader = Reader()
    reader.feed(page)
    return [
        " ".join(text.split())[:100]
        for text in reader.texts
        if any(word.lower() not in NAMES for word in WORD.findall(CODE.sub("", text)))
    ]


@pytest.fixture
def client() -> Client:
    """A superuser's browser, which asks for Chinese; there is something on each page."""
    boss = account(superuser=True)
    hold_rows(boss)
    client = Client(headers=CHINESE)
    client.force_login(boss)
    return client


# In one test: what takes time is the rows, not the pages.
def test_a_page_has_no_english(client: Client) -> None:
    found = {}
    for address in lists_and_forms():
        answer = client.get(address)
        assert answer.status_code == 200, address
        assert '<html lang="zh-hans"' in answer.content.decode()
        found[address] = english_of(answer.content.decode())
    found["login"] = english_of(Client().get("/admin/login/", headers=CHINESE).content.decode())
    assert {name: words for name, words in found.items() if words} == {}


def test_a_row_has_no_english(client: Client) -> None:
    found = {}
    for address in [*of_rows("change", "history", "delete"), *of_schedules()]:
        answer = client.get(address)
        assert answer.status_code == 200, address
        found[address] = english_of(answer.content.decode())
    assert len(found) > 15
    assert {name: words for name, words in found.items() if words} == {}


def test_what_is_done_is_told_in_chinese(client: Client) -> None:
    row = ExecutionLog.objects.get(status=Status.RUNNING)
    answer = client.post(
        reverse("admin:scheduler_app_executionlog_stop", args=[row.pk]), follow=True
    )
    assert f"已请求停止执行记录 {row.pk}" in answer.content.decode()


def test_english_is_found() -> None:
    page = '<p title="A word">中文 cron</p><script>var x</script><i class="run-error">No.</i><br>'
    assert english_of(page) == ["A word"]
