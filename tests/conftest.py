"""Fixtures that every part of the suite shares. What only one app needs lives in its own folder."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterator
from typing import Any

import pytest
from django.conf import settings
from django.db import connection
from django.test import TransactionTestCase
from django.utils import translation
from hypothesis import settings as hypothesis_settings
from pytest_django import DjangoDbBlocker

from datasync_app.tushare.database import quota_database
from scheduler_app import live_log
from tests.accounts import forget_accounts
from tests.clean_tables import CleanTables

BLOCKER = pytest.StashKey[DjangoDbBlocker]()

# How long an example takes says how busy the machine is, and nothing about the property.
hypothesis_settings.register_profile("stocksync", deadline=None)
hypothesis_settings.load_profile("stocksync")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """One more than there are processors: many tests wait for a process of their own, or for a clock."""
    return (os.cpu_count() or 1) + 1


@pytest.hookimpl(trylast=True)  # pytest-django puts them last
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes long comes first, so that no worker is left alone with it at the end."""
    items.sort(key=lambda item: item.get_closest_marker("acceptance") is None)


@pytest.fixture(scope="session", autouse=True)
def static_files_on_demand() -> None:
    """WhiteNoise looks for a file when it is asked for, not for all of them at every test client."""
    settings.WHITENOISE_AUTOREFRESH = True


@pytest.fixture(scope="session", autouse=True)
def quick_passwords() -> None:
    """A hash that is dear by design, a second of it at each login, proves nothing here."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture(scope="session", autouse=True)
def no_live_log() -> None:
    """The thread that writes what runs have logged so far commits: no test's transaction takes it back."""
    live_log.live_logs.follow = lambda lines: None  # type: ignore[method-assign]


@pytest.fixture(autouse=True)
def no_language_left_over() -> Iterator[None]:
    """A page that a test read in Chinese leaves its thread speaking it; the next test begins anew."""
    yield
    translation.deactivate()


@pytest.fixture(autouse=True)
def unhurried_transaction(request: pytest.FixtureRequest) -> Iterator[None]:
    """Let a test that is one transaction idle in it: a busy machine is not a frozen process.

    The server ends the transactions of frozen processes after two seconds. What is set for a short
    transaction of the product would here last to the end of the test.
    """
    marker = request.node.get_closest_marker("django_db")
    commits = {"transactional_db", "live_server"} & set(request.fixturenames)
    if marker is None or marker.kwargs.get("transaction") or commits:
        yield
        return
    with connection.execute_wrapper(_without_idle_limit):
        yield


def _without_idle_limit(
    execute: Callable[..., Any], sql: Any, params: Any, many: bool, context: Any
) -> Any:
    if isinstance(sql, str):
        sql = sql.replace("'idle_in_transaction_session_timeout'", "'stocksync.no_idle_limit'")
    return execute(sql, params, many, context)


@pytest.fixture(scope="session")
def django_db_setup(
    django_db_setup: None, django_db_blocker: DjangoDbBlocker, pytestconfig: pytest.Config
) -> Iterator[None]:
    """Remember the tables as migrated, for the tests that commit what they write."""
    with django_db_blocker.unblock(), pytest.MonkeyPatch.context() as patch:
        clean = CleanTables()
        patch.setattr(TransactionTestCase, "_fixture_teardown", lambda case: clean.restore())
        pytestconfig.stash[BLOCKER] = django_db_blocker
        yield
    # A database that is still in use cannot be dropped.
    quota_database().close()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> Generator[None]:
    """Let the next test know nothing of the accounts of this one."""
    yield
    # After the last test the database itself is gone.
    if nextitem is None or BLOCKER not in item.config.stash:
        return
    used = {"db", "transactional_db", "live_server"} & set(getattr(item, "fixturenames", ()))
    if used or item.get_closest_marker("django_db"):
        with item.config.stash[BLOCKER].unblock():
            forget_accounts()
