"""Fixtures that every part of the suite shares. What only one app needs lives in its own folder."""

from __future__ import annotations

from collections.abc import Generator, Iterator

import pytest
from django.apps import apps
from django.conf import settings
from django.core import serializers
from django.db import transaction
from django.db.models import Model
from hypothesis import settings as hypothesis_settings
from pytest_django import DjangoDbBlocker

from datasync_app.tushare.database import quota_database
from tests.accounts import forget_accounts

OUR_APPS = ("scheduler_app", "datasync_app")
SEEDS = pytest.StashKey[str]()
BLOCKER = pytest.StashKey[DjangoDbBlocker]()

# How long an example takes says how busy the machine is, and nothing about the property.
hypothesis_settings.register_profile("stocksync", deadline=None)
hypothesis_settings.load_profile("stocksync")


@pytest.fixture(scope="session", autouse=True)
def static_files_on_demand() -> None:
    """WhiteNoise looks for a file when it is asked for, not for all of them at every test client."""
    settings.WHITENOISE_AUTOREFRESH = True


@pytest.fixture(scope="session")
def django_db_setup(
    django_db_setup: None, django_db_blocker: DjangoDbBlocker, pytestconfig: pytest.Config
) -> Iterator[None]:
    """Remember the rows that the migrations seeded (schedules, the revision, code changes)."""
    with django_db_blocker.unblock():
        pytestconfig.stash[SEEDS] = serializers.serialize("json", _our_rows())
    pytestconfig.stash[BLOCKER] = django_db_blocker
    yield
    # A database that is still in use cannot be dropped.
    quota_database().close()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> Generator[None]:
    """Bring the seeded rows back after a `transaction=True` test, which empties every table.

    Nor does the next test know anything of the accounts of this one.
    """
    yield
    # After the last test the database itself is gone.
    if nextitem is None or BLOCKER not in item.config.stash:
        return
    marker = item.get_closest_marker("django_db")
    fixtures = set(getattr(item, "fixturenames", ()))
    flushed = (marker is not None and marker.kwargs.get("transaction")) or bool(
        {"transactional_db", "live_server"} & fixtures
    )
    used = flushed or marker is not None or "db" in fixtures
    with item.config.stash[BLOCKER].unblock():
        if flushed:
            with transaction.atomic():
                for row in serializers.deserialize("json", item.config.stash[SEEDS]):
                    row.save()
        if used:
            forget_accounts()


def _our_rows() -> Iterator[Model]:
    for label in OUR_APPS:
        for model in apps.get_app_config(label).get_models():
            if model._meta.managed:
                yield from model._default_manager.order_by("pk")
