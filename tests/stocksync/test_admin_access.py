"""Who may open and press what, over every page of the admin."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib import admin
from django.test import Client
from django.urls import URLPattern, get_resolver, reverse

import stocksync.urls  # noqa: F401  # the pages of the admin come with the addresses
from datasync_app.models import SyncLedger
from scheduler_app.admin.look import ReadOnly
from scheduler_app.models import ExecutionLog, JobConfig
from tests.datasync_app.factories import LedgerFactory, SyncTaskFactory
from tests.factories import ExecutionLogFactory, JobConfigFactory
from tests.scheduler_app.web import JOB, logged_in, registered
from tests.webhook import channel

pytestmark = pytest.mark.django_db

# What every table has, and the permission that each takes. Of a row that is not there.
PAGES = {"changelist": "view", "add": "add", "change": "view", "delete": "delete"}
MODELS = {
    f"{model._meta.app_label}_{model._meta.model_name}": model_admin
    for model, model_admin in admin.site._registry.items()
}
# Who makes users could give them anything, so that takes both.
BOTH = {"add_user": ("add_user", "change_user")}
TABLE_PAGES = {f"{name}_{page}" for name in MODELS for page in (*PAGES, "history")}
# Pages of our own: how they are asked for, of which row, and the permissions that they take.
OWN: dict[str, tuple[str, dict[str, int], tuple[str, ...]]] = {
    "scheduler_app_executionlog_stop": (
        "post", {"execution_id": 1}, ("view_executionlog", "trigger_jobconfig")),
    "scheduler_app_executionlog_again": (
        "post", {"execution_id": 1}, ("view_executionlog", "trigger_jobconfig")),
    "scheduler_app_executionlog_tail": ("get", {"execution_id": 1}, ("view_executionlog",)),
    "scheduler_app_notificationchannel_test": (
        "post", {"channel_id": 1}, ("change_notificationchannel",)),
    "scheduler_app_jobconfig_check": ("post", {}, ("add_jobconfig",)),
    "scheduler_app_jobconfig_run": ("post", {"pk": 1}, ("view_jobconfig", "trigger_jobconfig")),
    "scheduler_app_jobconfig_enable": ("post", {"pk": 1}, ("change_jobconfig",)),
    "scheduler_app_jobconfig_disable": ("post", {"pk": 1}, ("change_jobconfig",)),
    "scheduler_app_jobconfig_resume": ("post", {"pk": 1}, ("view_jobconfig", "pause_jobconfig")),
    "scheduler_app_jobconfig_pause": ("get", {}, ("view_jobconfig", "pause_jobconfig")),
    "scheduler_app_jobconfig_revert": (
        "post", {"pk": 1, "version_id": 0}, ("change_jobconfig",)),
    "datasync_app_synctask_steer": (
        "post", {"task_id": 1}, ("view_synctask", "trigger_jobconfig")),
    "datasync_app_syncledger_report": ("get", {}, ("view_syncledger",)),
    "datasync_app_syncledger_calendar": ("get", {}, ("view_syncledger",)),
    "datasync_app_syncledger_decide": (
        "post", {"pk": 1}, ("change_syncledger",)),
}  # fmt: skip
# Django's, for everybody in the staff, or for everybody who wants to come in.
OF_ALL = {
    "index", "login", "logout", "password_change", "password_change_done", "autocomplete", "jsi18n",
    "view_on_site", "app_list", "search", "auth_user_password_change",
}  # fmt: skip


@pytest.fixture(autouse=True)
def rows() -> Iterator[None]:
    with registered():
        JobConfig.objects.all().delete()
        JobConfigFactory.create(id=1, job_id=JOB)
        ExecutionLogFactory.create(id=1, job_id=JOB, running=True)
        SyncTaskFactory.create(id=1, job_type="sync_stock_basic")
        LedgerFactory.create(id=1, state="partial")
        channel(id=1)
        yield


def admin_routes(patterns: Any = None, inside: bool = False) -> Iterator[str]:
    for each in get_resolver().url_patterns if patterns is None else patterns:
        if isinstance(each, URLPattern):
            if inside and each.name:
                yield each.name
        else:
            yield from admin_routes(each.url_patterns, inside or each.namespace == "admin")


def test_the_tables_name_every_page() -> None:
    assert set(admin_routes()) == TABLE_PAGES | OWN.keys() | OF_ALL


def ask(client: Client, method: str, address: str) -> int:
    return int(getattr(client, method)(address).status_code)


def is_login(client: Client, method: str, address: str) -> bool:
    answer = getattr(client, method)(address)
    return answer.status_code == 302 and answer.headers["Location"].startswith("/admin/login/")


def strangers(*permissions: str) -> list[Client]:
    """Nobody, and somebody who has the permissions but does not belong to the staff."""
    return [Client(), logged_in(*permissions, staff=False)]


@pytest.mark.parametrize("name", MODELS)
def test_a_table_is_shown_to_those_who_may_see_it(name: str) -> None:
    model = MODELS[name].opts.model_name
    is_read_only = isinstance(MODELS[name], ReadOnly)
    without, outside = logged_in(), strangers()
    history = reverse(f"admin:{name}_history", args=["0"])
    assert ask(without, "get", history) in {302, 403}
    who_may = {
        action: logged_in(*BOTH.get(f"{action}_{model}", (f"{action}_{model}",)))
        for action in ("view", "add", "delete")
    }
    for page, action in PAGES.items():
        args = ["0"] if page in {"change", "delete"} else []
        address = reverse(f"admin:{name}_{page}", args=args)
        assert all(is_login(each, "get", address) for each in outside), address
        assert ask(without, "get", address) == 403, address
        if is_read_only and page in {"add", "delete"}:
            assert ask(who_may[action], "get", address) == 403, address
        else:
            # A row that is not there leads elsewhere.
            assert ask(who_may[action], "get", address) == (302 if args else 200), address


def state() -> list[object]:
    rows = (ExecutionLog, JobConfig, SyncLedger)
    return [row for model in rows for row in model.objects.values()]


@pytest.mark.parametrize("name", OWN)
def test_a_page_of_our_own_takes_its_permissions(name: str) -> None:
    method, kwargs, permissions = OWN[name]
    address = reverse(f"admin:{name}", kwargs=kwargs)
    before = state()
    assert all(is_login(each, method, address) for each in strangers(*permissions))
    assert ask(logged_in(), method, address) == 403
    for left_out in permissions if len(permissions) > 1 else ():
        some = [each for each in permissions if each != left_out]
        assert ask(logged_in(*some), method, address) == 403, left_out
    assert state() == before
    assert ask(logged_in(*permissions), method, address) in {200, 302}
    if method == "post":
        assert ask(logged_in(superuser=True), "get", address) == 405


@pytest.mark.parametrize("name", [name for name, row in OWN.items() if row[0] == "post"])
def test_a_button_that_somebody_else_s_page_presses_does_nothing(name: str) -> None:
    _method, kwargs, _permissions = OWN[name]
    client = Client(enforce_csrf_checks=True)
    client.force_login(logged_in(superuser=True).get("/admin/").context["user"])
    before = state()
    forged = {"csrfmiddlewaretoken": "x" * 64}
    answer = client.post(reverse(f"admin:{name}", kwargs=kwargs), forged)
    assert answer.status_code == 403
    assert state() == before
