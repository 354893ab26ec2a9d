"""Every slot once, whatever dies: processes killed, frozen and stopped, and the database restarted.

The long forms print their figures (`make soak PYTEST_ARGS=-s`).
"""

from __future__ import annotations

import random
import signal
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.acceptance.own_postgres import OwnPostgres, own_postgres
from tests.acceptance.runscheduler import SchedulerUnderTest
from tests.acceptance.scheduler_load import Load, load, until
from tests.waiting import eventually

# Their database is filled from the one that this mark brings up.
pytestmark = [pytest.mark.acceptance, pytest.mark.django_db]

CLOSED_WITHIN = timedelta(seconds=10)


@pytest.fixture(scope="module")
def postgres(django_db_setup: None) -> Iterator[OwnPostgres]:
    with own_postgres() as own:
        yield own


class Trouble:
    """What happens to the processes: one at a time is killed, frozen or stopped, at random."""

    def __init__(self, schedulers: list[SchedulerUnderTest], seed: int) -> None:
        self._schedulers = schedulers
        self._chance = random.Random(seed)
        self._frozen: dict[SchedulerUnderTest, float] = {}
        self.died: dict[int, datetime] = {}
        self.counted = dict.fromkeys(("killed", "frozen", "stopped"), 0)

    def strike(self) -> None:
        # Of those that stay at least one is up, to see it: a busy machine takes long to start one.
        able = eventually(self._able, 60)
        assert able, "no two processes are up"
        victim = self._chance.choice(able)
        what = self._chance.choice(list(self.counted))
        self.counted[what] += 1
        if what == "frozen":
            victim.send(signal.SIGSTOP)
            # From a hiccup to well beyond the moment at which it counts as dead.
            self._frozen[victim] = time.monotonic() + self._chance.uniform(1, 14)
            return
        if what == "killed":
            victim.send(signal.SIGKILL)
            self.died[victim.pid] = datetime.now(UTC)
        else:
            victim.send(signal.SIGTERM)
        victim.exit_code()
        victim.start()

    def _able(self) -> list[SchedulerUnderTest]:
        """Those that are not frozen; none while fewer than two of them are up."""
        self.thaw()
        able = [each for each in self._schedulers if each not in self._frozen]
        return able if sum(each.is_up for each in able) >= 2 else []

    def thaw(self, *, all_of_them: bool = False) -> None:
        for victim, moment in list(self._frozen.items()):
            if all_of_them or time.monotonic() >= moment:
                victim.send(signal.SIGCONT)
                del self._frozen[victim]


def check(served: Load, trouble: Trouble | None = None) -> None:
    served.settle()
    account = served.account()
    closed_after = served.closed_after(trouble.died) if trouble else []
    sys.stdout.write(
        f"\n{account.slots} slots; attempts {dict(account.attempts)};"
        f" {trouble.counted if trouble else ''} closed after"
        f" {[round(each.total_seconds(), 1) for each in sorted(closed_after)]} s\n"
    )
    assert account.faults == {}
    assert all(each < CLOSED_WITHIN for each in closed_after)


def test_a_kill_in_the_middle_of_the_load_loses_nothing(
    postgres: OwnPostgres, tmp_path: Path
) -> None:
    with load(postgres, tmp_path, processes=2, jobs=5) as served:
        trouble = Trouble(served.schedulers, seed=1)
        leader = next(each for each in served.schedulers if "action=ready" in each.log)
        leader.send(signal.SIGKILL)
        trouble.died[leader.pid] = datetime.now(UTC)
        time.sleep(5)
        check(served, trouble)


@pytest.mark.soak
@pytest.mark.timeout(400)
def test_processes_are_killed_frozen_and_stopped_for_two_minutes(
    postgres: OwnPostgres, tmp_path: Path
) -> None:
    with load(postgres, tmp_path, processes=3, jobs=20) as served:
        trouble = Trouble(served.schedulers, seed=7)
        began = time.monotonic()
        for number in range(24):
            trouble.strike()
            # Not in step with the seconds at which the jobs fire.
            until(began + 5 * (number + 1) + random.uniform(0, 1))
        trouble.thaw(all_of_them=True)
        check(served, trouble)


@pytest.mark.soak
@pytest.mark.timeout(400)
def test_the_database_is_restarted_ten_times_in_a_minute(
    postgres: OwnPostgres, tmp_path: Path
) -> None:
    with load(postgres, tmp_path, processes=3, jobs=20) as served:
        began = time.monotonic()
        for number in range(10):
            postgres.stop()
            time.sleep(random.uniform(0, 2))
            postgres.start()
            until(began + 6 * (number + 1) + random.uniform(0, 1))
        check(served)
        assert all(scheduler.lives for scheduler in served.schedulers)
