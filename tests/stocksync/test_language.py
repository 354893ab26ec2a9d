"""English or Chinese: as the browser, the client or the terminal asks."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils.translation import override

from scheduler_app.errors import UnknownJob
from scheduler_app.models import ExecutionLog, JobConfig
from scheduler_app.registry import registry
from scheduler_app.tracker import ExecutionTracker
from scheduler_app.words import schedule_in_words
from stocksync.api_language import descriptions
from stocksync.environment import read_environment
from tests.processes import REPOSITORY
from tests.scheduler_app.web import logged_in

CHINESE = {"Accept-Language": "zh-CN,zh;q=0.9,en;q=0.8"}
CHINESE_LETTER = re.compile("[\u4e00-\u9fff]")


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


@pytest.mark.django_db
@override("zh-hans")
def test_a_command_tells_in_the_terminal_s_language() -> None:
    with pytest.raises(CommandError, match=r"^没有用户 'nobody'。"):
        call_command("create_token", "nobody")
    with pytest.raises(CommandError, match="^没有数据集或任务 'weather'。"):
        call_command("sync", "weather")


@pytest.mark.django_db
@override("zh-hans")
def test_what_is_stored_of_a_run_is_english_whoever_started_it() -> None:
    with pytest.raises(UnknownJob), ExecutionTracker("example_job"):
        registry.get("weather")
    stored = ExecutionLog.objects.get(job_id="example_job")
    assert stored.error_message.startswith("There is no job 'weather'.")
    with pytest.raises(UnknownJob, match="没有任务 'weather'"):
        registry.get("weather")


@pytest.mark.django_db
def test_the_api_refuses_in_the_language_of_the_client() -> None:
    client = logged_in(superuser=True)
    refused = client.get("/api/scheduler/jobs/weather", headers=CHINESE).json()
    assert refused["title"] == "未找到"
    assert refused["detail"].startswith("没有任务 'weather'。已有的任务：")
    assert client.get("/api/scheduler/jobs/weather").json()["title"] == "Not Found"


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("0 18 * * *", "每天 18:00"),
        ("5 9,15 * * 1-5", "周一至周五 09:05 和 15:05"),
        ("30 7 * * 0", "每周日 07:30"),
        ("0 0 1 * *", "每月 1 日 00:00"),
        ("*/15 * * * *", "每 15 分钟"),
        ("7 * * * *", "每小时第 7 分"),
    ],
)
@override("zh-hans")
def test_a_cron_has_chinese_words_of_its_own(expression: str, words: str) -> None:
    assert schedule_in_words(JobConfig(cron_expression=expression)) == words


@pytest.mark.django_db
def test_the_document_of_the_api_is_in_the_language_of_the_client() -> None:
    client = logged_in(superuser=True)
    document = client.get("/api/schema", {"format": "json"}, headers=CHINESE).json()
    said = descriptions(document)
    assert len(said) > 150
    # The names of things alone: a date's form, a default.
    assert {text for text in said if not CHINESE_LETTER.search(text)} == {"YYYYMMDD", "[true]"}
    assert document["paths"]["/api/data/daily"]["get"]["summary"] == "日线行情"
    english = client.get("/api/schema", {"format": "json"}).json()
    assert not any(CHINESE_LETTER.search(text) for text in descriptions(english))
    assert document["paths"].keys() == english["paths"].keys()
