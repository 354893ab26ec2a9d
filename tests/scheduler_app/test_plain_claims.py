"""What a thousand schedules that are due at once have in common is decided at once, and no more."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from scheduler_app import plain_claims
from scheduler_app.claims import Owner
from scheduler_app.errors import LeaseLost
from scheduler_app.models import Cause, ExecutionLog, JobConfig, SchedulerLease, Status
from tests.factories import (
    ExecutionLogFactory,
    JobConfigFactory,
    LeaseFactory,
)
from tests.scheduler_app.test_claims import SLOT

pytestmark = pytest.mark.django_db


@pytest.fixture
def owner() -> Owner:
    lease = LeaseFactory()
    return Owner(lease.process_id, lease.fence)


def claim(owner: Owner, *job_ids: str) -> list[str]:
    claimed = plain_claims.claim_plain(dict.fromkeys(job_ids, SLOT), owner)
    return sorted(execution.job_id for execution in claimed)


def test_many_slots_are_claimed_in_as_many_statements_as_one(owner: Owner) -> None:
    several = [JobConfigFactory().job_id for _ in range(50)]
    with CaptureQueriesContext(
        connection,
    ) as one:
        claim(owner, several[0])
    with CaptureQueriesContext(connection) as many:
        assert claim(owner, *several[1:]) == sorted(several[1:])
    assert len(many) == len(one)
    row = ExecutionLog.objects.get(job_id=several[7])
    assert (row.status, row.scheduled_for, row.caused_by) == (Status.RUNNING, SLOT, Cause.SCHEDULE)
    assert (row.process_id, row.fence) == (owner.process_id, owner.fence)
    config = JobConfig.objects.get(job_id=several[7])
    assert (config.last_slot, config.last_run_at) == (SLOT, row.started_at)


def test_what_is_given_is_what_is_stored_and_what_the_schedule_says_of_it(owner: Owner) -> None:
    asked = {"names": ["平安", "it's"], "deep": {"none": None, "share": 0.1}}
    JobConfigFactory(job_id="one", job_kwargs=asked, runs_in_subprocess=True, run_calendar="lost")
    JobConfigFactory(job_id="other", job_kwargs={})
    given = plain_claims.claim_plain({"one": SLOT, "other": SLOT}, owner)
    stored = {execution.pk: execution for execution in ExecutionLog.objects.all()}
    assert len(given) == 2
    for each in given:
        same = stored[each.pk]
        assert all(
            getattr(each, field.attname) == getattr(same, field.attname)
            for field in ExecutionLog._meta.concrete_fields
        )
    one, other = sorted(given, key=lambda each: each.job_id)
    assert (one.job_kwargs, other.job_kwargs) == (asked, {})
    assert (one.in_own_process, other.in_own_process) == (True, False)
    assert (one.doubt, other.doubt) == ("this version has no run calendar 'lost'", "")


def test_what_is_not_plain_is_left_undecided(owner: Owner) -> None:
    JobConfigFactory(job_id="plain")
    for job_id in ("runs", "waits", "taken"):
        JobConfigFactory(job_id=job_id)
    ExecutionLogFactory(running=True, job_id="runs")
    ExecutionLogFactory(queued=True, job_id="waits", scheduled_for=SLOT - timedelta(days=1))
    ExecutionLogFactory(job_id="taken", scheduled_for=SLOT)
    JobConfigFactory(job_id="off", enabled=False)
    JobConfigFactory(job_id="moved", cron_expression="0 19 * * *")
    JobConfigFactory(job_id="paused", paused_at=SLOT)
    before = ExecutionLog.objects.count()
    others = ["runs", "waits", "taken", "off", "moved", "paused", "deleted"]
    assert claim(owner, "plain", *others) == ["plain"]
    assert ExecutionLog.objects.count() == before + 1
    assert not JobConfig.objects.filter(job_id__in=others, last_slot__isnull=False).exists()


def test_an_older_slot_does_not_move_the_last_slot_back(owner: Owner) -> None:
    JobConfigFactory(job_id="one", last_slot=SLOT + timedelta(days=1))
    assert claim(owner, "one") == ["one"]
    assert JobConfig.objects.get(job_id="one").last_slot == SLOT + timedelta(days=1)


def test_a_process_that_leads_no_more_claims_nothing(owner: Owner) -> None:
    JobConfigFactory(job_id="one")
    SchedulerLease.objects.update(fence=owner.fence + 1)
    with pytest.raises(LeaseLost):
        claim(owner, "one")
    assert not ExecutionLog.objects.exists()
