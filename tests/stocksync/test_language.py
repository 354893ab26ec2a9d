"""English or Chinese: as the browser, the client or the terminal asks."""

from __future__ import annotations

import subprocess
import sys

import pytest
from django.test import Client

from stocksync.environment import read_environment
from tests.processes import REPOSITORY
from tests.scheduler_app.web import logged_in

CHINESE = {"Accept-Language": "zh-CN,zh;q=0.9,en;q=0.8"}


@pytest.mark.django_db
def test_the_admin_speaks_as_the_browser_asks() -> None:
    client = logged_in(superuser=True)
    assert "总览 | StockSync</title>" in client.get("/admin/", headers=CHINESE).content.decode()
    assert "Overview | StockSync</title>" in client.get("/admin/").content.decode()


@pytest.mark.django_db
def test_the_switch_in_the_admin_outlasts_what_the_browser_asks() -> None:
    client = logged_in(superuser=True)
    assert "简体中文" in client.get("/admin/").content.decode()
    answer = client.post("/i18n/setlang/", {"language": "zh-hans", "next": "/admin/"})
    assert answer.headers["Location"] == "/admin/"
    page = client.get("/admin/", headers={"Accept-Language": "en"}).content.decode()
    assert '<html lang="zh-hans"' in page and "没有调度器在运行" in page


def test_the_language_is_switched_by_a_form_of_ours_only() -> None:
    client = Client(enforce_csrf_checks=True)
    assert client.post("/i18n/setlang/", {"language": "zh-hans"}).status_code == 403


@pytest.mark.parametrize(
    ("environment", "language"),
    [
        ({}, "en"),
        ({"LANG": "zh_CN.UTF-8"}, "zh-hans"),
        ({"LANG": "zh_TW.UTF-8"}, "en"),
        ({"LANG": "zh_CN.UTF-8", "LC_ALL": "C.UTF-8"}, "en"),
        ({"LANG": "de_DE.UTF-8", "LANGUAGE_CODE": "zh-hans"}, "zh-hans"),
        ({"LANG": "zh_CN.UTF-8", "LANGUAGE_CODE": "en"}, "en"),
    ],
)
def test_commands_speak_as_they_are_told_or_as_the_terminal_does(
    environment: dict[str, str], language: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("LANGUAGE_CODE", "LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert read_environment().language == language


def test_manage_py_speaks_chinese(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LANGUAGE_CODE", "zh-hans")
    answer = subprocess.run(
        [sys.executable, "manage.py", "shell", "--no-imports", "-c",
         "from django.utils.translation import gettext; print(gettext('Market data'))"],
        cwd=REPOSITORY, capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    assert answer.stdout.strip() == "行情数据"
