"""A market, the database that was synced from it, and the SDK pointed at both."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from django.contrib.auth.models import User
from django.db import transaction
from knox.models import AuthToken
from pytest_django import DjangoDbBlocker
from tushare.pro.client import DataApi

from datasync_app.api import dataapi
from datasync_app.datasets import DAILY_DATASETS
from datasync_app.datasets.market import BSE_MAPPING, NAMECHANGE
from datasync_app.engine import horizon
from datasync_app.engine.concepts import ConceptSync, candidates, latest_day
from datasync_app.engine.finance.run import FinanceRun
from datasync_app.engine.run import Engine
from datasync_app.sandbox.market import GeneratedMarket
from datasync_app.sandbox.server import Sandbox
from tests.datasync_app.finance.conftest import engine_of
from tests.datasync_app.finance.tiny_reports import Clock
from tests.datasync_app.serving.web import sdk, web

NOW = "20251210 23:00"
FIRST, LAST = dt.date(2025, 12, 1), dt.date(2025, 12, 10)
PERIOD = dt.date(2025, 9, 30)


@dataclass(frozen=True)
class Pair:
    """The SDK at the source and at the database; `url` and `token` are the latter's."""

    source: DataApi
    ours: DataApi
    url: str
    token: str


@pytest.fixture(scope="package")
def clock() -> Clock:
    return Clock(NOW)


@pytest.fixture(scope="package")
def database(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """One transaction for the whole folder; each test has a savepoint in it."""
    with django_db_blocker.unblock(), transaction.atomic():
        yield
        transaction.set_rollback(True)


@pytest.fixture(scope="package")
def source(clock: Clock) -> Iterator[Sandbox]:
    with Sandbox(
        GeneratedMarket(7, clock, companies=60), quota=0, points=6000, clock=clock
    ) as server:
        yield server


@pytest.fixture(scope="package")
def synced(database: None, source: Sandbox, clock: Clock) -> None:
    """Ten days of everything, and the reports of one quarter."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("django.conf.settings.SYNC_FINANCE_HISTORY_START_DATE", PERIOD)
        engine = engine_of(source, clock)
        engine.prepare(FIRST, LAST)
        for dataset in DAILY_DATASETS:
            engine.sync_dates(dataset, FIRST, LAST)
            horizon.move_earlier(dataset, FIRST)
        engine.refresh_lists(NAMECHANGE, BSE_MAPPING)
        for name in ("ths", "dc", "concept"):
            sync_concepts(engine, name, clock)
        FinanceRun(engine).history(PERIOD)


def sync_concepts(engine: Engine, name: str, clock: Clock) -> None:
    work = concept_sync(engine, name, clock)
    work.listed()
    work.members()


def concept_sync(engine: Engine, name: str, clock: Clock) -> ConceptSync:
    (taken,) = candidates(name)
    day = latest_day(clock()) if taken.by_date else None
    return ConceptSync(engine, taken, day, engine.fence, clock)


@pytest.fixture(scope="package")
def token(database: None) -> str:
    staff = User.objects.create_user("reader", is_staff=True)
    return str(AuthToken.objects.create(staff)[1])


@pytest.fixture(scope="package")
def url(database: None, clock: Clock) -> Iterator[str]:
    with pytest.MonkeyPatch.context() as patch, web() as address:
        patch.setattr(dataapi, "now", clock)
        patch.setattr("django.conf.settings.SYNC_FINANCE_HISTORY_START_DATE", PERIOD)
        yield address


@pytest.fixture(scope="package")
def pair(synced: None, source: Sandbox, url: str, token: str) -> Pair:
    return Pair(sdk(source.url, "any"), sdk(url, token), url, token)
