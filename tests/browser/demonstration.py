"""A product with something to see on every page, for the pictures of the documentation.

Its market is made up, of a size that is synced in minutes; a part of the answers is spoiled, and
some are changed later, so that there are failures, quarantine and restatements as they come about.
"""

from __future__ import annotations

import datetime as dt
import json
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from datasync_app.dates import SHANGHAI
from tests.acceptance.running_product import RunningProduct, free_port
from tests.processes import REPOSITORY
from tests.waiting import eventually
from tests.webhook import Receiver

QUOTA = 600
MARKET = ("--seed=7", "--companies=1200", "--latency=60", f"--quota={QUOTA}")
SPOILED = ("--fault=missing_field=0.04", "--fault=broken_json=0.1")
SECONDS = 900  # in which each step ends, or there are no pictures
FIRST_DATE = "20250102"
REREAD = 4  # cells
BEGUN = 100  # cells


@contextmanager
def demonstration(folder: Path) -> Iterator[Iterator[RunningProduct]]:
    """Two views of a running product, one after the other, its history under way in both: first all
    is well with it, then much has gone wrong."""
    port = free_port()
    product = RunningProduct(folder / "var", TUSHARE_BASE_URL=f"http://127.0.0.1:{port}",
                             TUSHARE_TOKEN="", LANGUAGE_CODE="en",
                             TUSHARE_RATE_LIMIT_MAX_CALLS=str(QUOTA))  # fmt: skip
    with Receiver.serving() as receiver:
        seen = views(product, port, receiver)
        try:
            yield seen
        finally:
            seen.close()
            product.kill_everything()


def views(
    product: RunningProduct, port: int, receiver: Receiver
) -> Generator[RunningProduct, None, None]:
    with sandbox(port):
        product.wait_until_up(SECONDS)
        staff = Staff(product)
        staff.wait_for_the_first_start()
        staff.set_up(receiver)
        staff.begin_the_history()
        yield product
        staff.cancel_the_history()
        staff.wait()
    with sandbox(port, *SPOILED):
        for job_id in ("sync_incremental_finance", "sync_concept_data"):
            staff.run(job_id)
        staff.wait()
    changed = dt.datetime.now(SHANGHAI) - dt.timedelta(minutes=1)
    restated = f"--restate=adj_factor=2@{changed:%Y-%m-%dT%H:%M}"
    with sandbox(port, restated, "--fault=partial=0.01"):
        staff.read_again("adj_factor")
        staff.wait()
        staff.begin_the_history()
        yield product


@contextmanager
def sandbox(port: int, *options: str) -> Iterator[None]:
    """The source while the block lasts; the product does not mind that another takes its place."""
    server = subprocess.Popen(
        [sys.executable, "manage.py", "sandbox", f"--port={port}", *MARKET, *options],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert server.stdout is not None
        assert "listening" in server.stdout.readline()
        yield
    finally:
        server.terminate()
        server.wait()


class Staff:
    """What a person would do in the browser, by the API."""

    def __init__(self, product: RunningProduct) -> None:
        self.product = product
        said = product.manage("create_token", "admin")
        self.token = said.stdout.split()[-1]
        self.asked: list[int] = []

    def post(self, path: str, **body: object) -> Any:
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.product.port}/api/{path}",
            data=json.dumps(body).encode(),
            headers={"Authorization": f"Token {self.token}", "Content-Type": "application/json"},
        )
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request) as answer:
            return json.load(answer)

    def get(self, path: str) -> Any:
        return self.product.api(f"/api/{path}", self.token)

    def set_up(self, receiver: Receiver) -> None:
        """Schedules that were changed, one that is paused, and a channel that hears of it all."""
        jobs = "scheduler/jobs"
        self.post(f"{jobs}/sync_daily_by_date/schedule", cron_expression="0 18 * * 1-5",
                  success_by="20:00")  # fmt: skip
        self.post(f"{jobs}/sync_daily_by_date/schedule", cron_expression="30 18 * * 1-5")
        self.post(f"{jobs}/sync_concept_data/pause", reason="moving the server this weekend")
        channel = self.post("notifications/channels", name="Team", address=receiver.address,
                            digest_at="08:30")  # fmt: skip
        self.post(f"notifications/channels/{channel['id']}/test")

    def run(self, job_id: str, **arguments: str) -> None:
        self._ask(f"scheduler/jobs/{job_id}/trigger", job_kwargs=arguments)

    def read_again(self, dataset: str) -> None:
        cells = self.get(f"sync/cells?dataset={dataset}&state=complete")["results"]
        for cell in cells[:REREAD]:
            self._ask(f"sync/cells/{dataset}/{cell['cell']}/repair")

    def _ask(self, path: str, **body: object) -> None:
        self.asked.append(self.post(path, **body)["id"])

    def wait_for_the_first_start(self) -> None:
        self.until(lambda: len(self.get("scheduler/executions?status=SUCCESS")["results"]) >= 2)

    def wait(self) -> None:
        """Until everything that was asked for has ended, well or not; what retries goes on."""
        self.until(lambda: all(self.has_ended(number) for number in self.asked))

    def has_ended(self, execution: int) -> bool:
        return bool(self.get(f"scheduler/executions/{execution}")["finished_at"])

    def begin_the_history(self) -> None:
        self.run("sync_daily_history", start=FIRST_DATE)
        self.until(lambda: any(task["current_offset"] > BEGUN for task in self.under_way()))

    def cancel_the_history(self) -> None:
        for task in self.under_way():
            self.post(f"sync/tasks/{task['id']}/cancel")

    def under_way(self) -> Any:
        return self.get("sync/tasks?status=RUNNING")["results"]

    def until(self, holds: Callable[[], bool]) -> None:
        assert eventually(holds, SECONDS, every=0.5), self.product.said()
