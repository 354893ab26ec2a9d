"""What the API does is what its OpenAPI document says, whatever it is sent: schemathesis, all checks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from django.core.cache import cache
from django.core.signals import request_finished, request_started
from django.db import close_old_connections, transaction
from drf_spectacular.generators import SchemaGenerator
from hypothesis import HealthCheck, Phase, given, settings
from knox.models import AuthToken
from schemathesis import GenerationMode
from schemathesis.config import SchemathesisConfig

from datasync_app.datasets import DATASETS
from datasync_app.models import CellState, TaskStatus
from stocksync.wsgi import application
from tests.datasync_app.factories import LedgerFactory, SyncTaskFactory
from tests.factories import ExecutionLogFactory, JobConfigFactory
from tests.scheduler_app.web import JOB, account, registered, scheduler_runs

pytestmark = pytest.mark.django_db


def _operations() -> dict[str, Any]:
    document: Any = SchemaGenerator().get_schema(public=True)  # type: ignore[no-untyped-call]
    schema = schemathesis.openapi.from_dict(document, config=SchemathesisConfig.from_dict(CONFIG))
    schema.app = application
    found: list[Any] = [each.ok() for each in schema.get_all_operations()]  # type: ignore[union-attr]
    return {f"{each.method.upper()} {each.path}": each for each in found}


CONFIG: dict[str, Any] = {
    "checks": {
        # A text may be no cron expression, a date lie in the future: the schema cannot say so.
        "positive_data_acceptance": {"expected-statuses": ["2xx", 400, 404, 409, 412, 503]},
        "negative_data_rejection": {"expected-statuses": ["4xx"]},
    }
}
OPERATIONS = _operations()
# The datasets share their code; these have texts, flags, NULLs in their key, and moments.
_DATASETS = ("daily", "trade_cal", "namechange", "ths_member")
_OF_OTHERS = {f"GET /api/data/{name}" for name in DATASETS if name not in _DATASETS}


@pytest.fixture
def one_connection() -> Iterator[None]:
    """As Django's own test client has it: a request leaves the test's connection open."""
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


@pytest.fixture
def token(one_connection: None) -> Iterator[str]:
    """A token that may do everything, and something to do it to."""
    cache.clear()
    with registered():
        JobConfigFactory.create(job_id=JOB)
        ExecutionLogFactory.create(id=1, job_id=JOB)
        ExecutionLogFactory.create(id=2, job_id=JOB, queued=True, attempt=2)
        SyncTaskFactory.create(id=1, job_type="sync_stock_basic")
        SyncTaskFactory.create(id=2, status=TaskStatus.PAUSED)
        scheduler_runs()
        LedgerFactory.create(state=CellState.PARTIAL)
        yield AuthToken.objects.create(account(superuser=True))[1]


def check(operation: Any, token: str, mode: GenerationMode, examples: int) -> None:
    @settings(
        max_examples=examples,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.explicit, Phase.generate],
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def answers_as_documented(case: Any) -> None:
        with transaction.atomic():
            case.call_and_validate(headers={"Authorization": f"Token {token}"})
            transaction.set_rollback(True)

    answers_as_documented()


def modes(operation: Any) -> list[GenerationMode]:
    """Where an operation takes nothing but an address, nothing that it takes can be wrong."""
    takes = operation.body or list(operation.query)
    return list(GenerationMode) if takes else [GenerationMode.POSITIVE]


@pytest.mark.parametrize("name", sorted(OPERATIONS.keys() - _OF_OTHERS))
def test_it_answers_as_documented(name: str, token: str) -> None:
    for mode in modes(OPERATIONS[name]):
        check(OPERATIONS[name], token, mode, examples=3)


@pytest.mark.soak
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("name", OPERATIONS)
def test_it_answers_as_documented_whatever_it_is_sent(
    name: str, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for limit in ("API_PAGES_PER_MINUTE", "API_FILES_PER_MINUTE"):
        monkeypatch.setattr(f"django.conf.settings.{limit}", 1_000_000)
    for mode in modes(OPERATIONS[name]):
        check(OPERATIONS[name], token, mode, examples=300)
