"""One process leads at a time, by the database's clock; the lease changes hands under a new fence."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from django.db import connections, transaction
from django.db.models.functions import Now

from scheduler_app import leadership
from scheduler_app.errors import LeaseLost
from scheduler_app.leadership import RENEW_SECONDS, Leadership
from scheduler_app.models import SchedulerLease
from scheduler_app.outage import AWAY
from tests.factories import SchedulerProcessFactory
from tests.waiting import eventually

pytestmark = pytest.mark.django_db


def candidate() -> Leadership:
    return Leadership(SchedulerProcessFactory().pk)


def run_out() -> None:
    SchedulerLease.objects.update(expires_at=Now() - timedelta(seconds=1))


def test_the_first_to_ask_leads_and_keeps_the_lease() -> None:
    one, two = candidate(), candidate()
    assert one.keep() == RENEW_SECONDS
    before = SchedulerLease.objects.get().expires_at
    two.keep()
    one.keep()
    assert (one.fence, two.fence) == (1, None)
    assert SchedulerLease.objects.get().expires_at > before


def test_a_lease_that_ran_out_is_taken_under_the_next_fence() -> None:
    one, two = candidate(), candidate()
    one.keep()
    run_out()
    two.keep()
    assert two.fence == 2
    one.keep()
    assert one.fence is None


def test_a_lease_that_ran_out_and_that_nobody_took_is_kept() -> None:
    one = candidate()
    one.keep()
    run_out()
    one.keep()
    assert one.fence == 1


def test_a_standby_asks_again_when_the_lease_runs_out() -> None:
    one, two = candidate(), candidate()
    one.keep()
    SchedulerLease.objects.update(expires_at=Now() + timedelta(seconds=0.3))
    assert 0 < two.keep() <= 0.3


def test_who_resigns_is_followed_at_once_and_does_not_come_back() -> None:
    one, two = candidate(), candidate()
    one.keep()
    one.resign()
    two.keep()
    assert (one.fence, two.fence) == (None, 2)
    two.resign()
    one.keep()
    assert one.fence is None


def test_a_standby_that_resigns_takes_nothing_from_the_leader() -> None:
    one, two = candidate(), candidate()
    one.keep()
    two.resign()
    one.keep()
    assert one.fence == 1


def test_a_deleted_process_leads_no_more() -> None:
    one, two = candidate(), candidate()
    one.keep()
    SchedulerLease.objects.update(process=None)
    two.keep()
    assert two.fence == 2


def test_only_the_holder_may_hold_the_lease() -> None:
    one, two = candidate(), candidate()
    one.keep()
    leadership.hold(one.process_id, 1)
    for process_id, fence in ((two.process_id, 1), (one.process_id, 2)):
        with pytest.raises(LeaseLost):
            leadership.hold(process_id, fence)


def keep_in_a_thread(one: Leadership) -> threading.Thread:
    def keep() -> None:
        one.keep()
        connections.close_all()

    thread = threading.Thread(target=keep)
    thread.start()
    return thread


@pytest.mark.django_db(transaction=True)
class TestTogether:
    def test_of_many_that_ask_at_once_one_leads(self) -> None:
        many = [candidate() for _ in range(6)]
        for thread in [keep_in_a_thread(one) for one in many]:
            thread.join()
        assert [one.fence for one in many if one.fence] == [1]

    def test_the_lease_does_not_change_hands_while_a_claim_is_made(self) -> None:
        one, two = candidate(), candidate()
        one.keep()
        run_out()
        with transaction.atomic():
            leadership.hold(one.process_id, 1)
            taking = keep_in_a_thread(two)
            assert not eventually(lambda: two.fence, seconds=0.2)
        taking.join()
        assert two.fence == 2

    def test_neither_a_renewal_nor_a_standby_waits_for_the_claims_of_the_leader(self) -> None:
        one, two = candidate(), candidate()
        one.keep()
        before = SchedulerLease.objects.get().expires_at
        with transaction.atomic():
            leadership.hold(one.process_id, 1)
            asking = [keep_in_a_thread(each) for each in (one, two)]
            for thread in asking:
                thread.join(5)
            assert not any(thread.is_alive() for thread in asking)
        assert (one.fence, two.fence) == (1, None)
        assert SchedulerLease.objects.get().expires_at > before

    def test_a_claim_that_freezes_cannot_keep_the_lease(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(leadership, "IDLE_AT_MOST", "100ms")
        one, two = candidate(), candidate()
        one.keep()
        run_out()
        with pytest.raises(AWAY), transaction.atomic():
            leadership.hold(one.process_id, 1)
            keep_in_a_thread(two).join()
            SchedulerLease.objects.count()
        assert two.fence == 2
