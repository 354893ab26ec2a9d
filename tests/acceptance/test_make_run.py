"""`make run` from its start to its end, with real processes and real signals."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from stocksync.environment import BASE_DIR
from tests.acceptance.running_product import NOTHING_LISTENS, RunningProduct, free_port
from tests.waiting import eventually
from tests.warm import process as warm

# The first start, which most of them look at, is made by the test that comes first.
pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(300)]

Start = Callable[..., RunningProduct]
# A source that nobody is saves the time of a first sync.
NO_SOURCE = {"TUSHARE_TOKEN": "none", "TUSHARE_BASE_URL": NOTHING_LISTENS}


@dataclass(frozen=True)
class FirstStart:
    """A start where nothing ran before, with the sandbox, until its first sync was done; then Ctrl-C."""

    product: RunningProduct
    seconds: float
    said: str
    runs: list[dict[str, Any]]
    jobs: list[dict[str, Any]]
    status: dict[str, Any]
    coverage: dict[str, Any]
    sandbox_was_up: bool
    exit_code: int
    left: list[psutil.Process]


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
    top = Path(tempfile.mkdtemp(prefix="stocksync run-"))
    top.chmod(0o711)
    yield top
    shutil.rmtree(top)


@pytest.fixture(scope="module")
def first(place: Path) -> FirstStart:
    (place / "first").mkdir()
    begin = time.monotonic()
    product = RunningProduct(place / "first" / "var", TUSHARE_TOKEN="", TUSHARE_BASE_URL="")
    try:
        product.wait_until_up()
        token = product.manage("create_token", "admin").stdout.split()[-1]
        succeeded = "/api/scheduler/executions?status=SUCCESS"
        assert eventually(
            lambda: len(product.api(succeeded, token)["results"]) == 2, 80, every=0.3
        ), product.said()
        seconds, said = time.monotonic() - begin, product.said()
        runs = product.api(succeeded, token)["results"]
        jobs = product.api("/api/scheduler/jobs", token)["results"]
        status = product.api("/api/scheduler/status", token)
        (coverage,) = json.loads(product.manage("coverage", "daily", "--json").stdout)
        was_up = address_of_sandbox(product).exists()
        code = product.stop(signal.SIGINT, group=True)
        left = product.processes()
        return FirstStart(product, seconds, said, runs, jobs, status, coverage, was_up, code, left)
    finally:
        end(product)


def address_of_sandbox(product: RunningProduct) -> Path:
    return product.var / "run" / "sandbox-address"


def copy_of(first: FirstStart, folder: Path) -> Path:
    """A folder in which StockSync ran before, and which nobody else uses."""
    folder.mkdir()
    subprocess.run(["cp", "-a", first.product.var, folder], check=True)
    return folder / "var"


def end(product: RunningProduct) -> None:
    """Whatever a test left behind goes."""
    product.kill_everything(except_for=("postgres",))
    assert eventually(lambda: not product.processes(), 15, every=0.3), product.processes()


@pytest.fixture(scope="module")
def product(first: FirstStart, place: Path) -> Iterator[RunningProduct]:
    """For those who only look at it, or kill what comes back; the last of them kills it for good."""
    running = RunningProduct(copy_of(first, place / "looked at"), **NO_SOURCE)
    yield running.wait_until_up()
    end(running)


@pytest.fixture(scope="module")
def var(first: FirstStart, place: Path) -> Path:
    """For those who stop what they started."""
    return copy_of(first, place / "stopped")


@pytest.fixture
def start(var: Path) -> Iterator[Start]:
    products: list[RunningProduct] = []

    def begin() -> RunningProduct:
        products.append(RunningProduct(var, **NO_SOURCE))
        return products[-1]

    yield begin
    for each in products:
        end(each)


def run(**variables: str) -> subprocess.CompletedProcess[str]:
    """The runner, where it is expected to end by itself at once."""
    env = os.environ | {"DATABASE_URL": ""} | variables
    return warm.run("-m", "stocksync.run", env=env, timeout=60)


def refusal(answer: subprocess.CompletedProcess[str]) -> str:
    """The one sentence that it ended with."""
    lines = answer.stderr.strip().splitlines()
    assert answer.returncode != 0
    assert len(lines) == 1, answer.stderr
    return lines[0]


def test_it_says_where_to_log_in(first: FirstStart) -> None:
    product = first.product
    assert f"http://127.0.0.1:{product.port}/admin/" in product.line_with("Admin:")
    assert product.line_with("User:").endswith("admin")
    assert str(product.var / "admin-password") in product.line_with("Password:")


def test_it_keeps_the_password_to_its_file(first: FirstStart) -> None:
    product = first.product
    assert (product.var / "admin-password").stat().st_mode & 0o777 == 0o600
    assert product.admin_password().strip() not in product.said()


def test_it_runs_once_per_folder(product: RunningProduct) -> None:
    sentence = refusal(run(STOCKSYNC_VAR=str(product.var), PORT=str(free_port())))
    assert f"already runs here, as process {product.process.pid}" in sentence
    assert product.get("/healthz")[0] == 200


def test_it_brings_a_killed_scheduler_back_while_the_web_stays(product: RunningProduct) -> None:
    scheduler, web = product.process_of("runscheduler"), product.process_of("gunicorn")
    scheduler.kill()
    assert eventually(
        lambda: [p for p in product.processes() if "runscheduler" in p.cmdline()],
        5,
        every=0.3,
    ), product.said()
    assert web.is_running()
    assert eventually(lambda: product.get("/healthz")[0] == 200, 20)


def test_it_brings_a_killed_postgres_back(product: RunningProduct) -> None:
    killed = product.cluster.postmaster()
    assert killed is not None
    begin = time.monotonic()
    os.kill(killed, signal.SIGKILL)
    assert eventually(lambda: product.cluster.postmaster() not in {None, killed}, 10)
    assert eventually(lambda: product.get("/healthz")[0] == 200, 10), product.said()
    assert time.monotonic() - begin < 10


def test_it_leaves_nothing_after_sigkill_of_the_runner_alone(product: RunningProduct) -> None:
    product.stop(signal.SIGKILL)
    assert eventually(lambda: not product.processes(), 10, every=0.3), product.processes()


def test_it_stops_at_a_signal_during_the_start(start: Start) -> None:
    product = start()
    assert eventually(product.cluster.postmaster, 30)
    assert product.stop(signal.SIGTERM) == 0
    assert product.processes() == []


def test_it_shows_a_first_sync_within_90_seconds(first: FirstStart) -> None:
    assert first.seconds < 90
    assert {(run["job_id"], run["caused_by"]) for run in first.runs} == {
        ("sync_stock_basic", "first_start"),
        ("sync_daily_by_date", "first_start"),
    }
    enabled = [job for job in first.jobs if job["enabled"]]
    assert len(enabled) == 4 and all(job["next_runs"] for job in enabled)
    assert first.status["active"] and len(first.status["next_runs"]) == 4
    assert first.coverage["cells_good"] >= 20, first.coverage
    assert "ERROR" not in first.said
    formed = re.compile(r"stocksync: |listening on |\d{4}-\d\d-\d\d \d\d:\d\d:\d\d [+-]\d{4} ")
    assert [line for line in first.said.splitlines() if not formed.match(line)] == []


def test_it_stops_in_order_at_ctrl_c(first: FirstStart) -> None:
    assert first.exit_code == 0
    assert first.left == []
    assert first.sandbox_was_up and not address_of_sandbox(first.product).exists()
    said = first.product.said()
    assert said.index("stopped: web") < said.index("stopped: scheduler")
    assert said.index("stopped: scheduler") < said.index("stopped: sandbox")


def test_it_names_a_folder_that_an_ordinary_user_may_not_write(place: Path) -> None:
    folder = place / "read only"
    folder.mkdir()
    folder.chmod(0o555)
    as_nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    answer = subprocess.run(
        [*(as_nobody if os.geteuid() == 0 else []), sys.executable, "-m", "stocksync.run"],
        cwd=BASE_DIR,
        env=os.environ
        | {"DATABASE_URL": "", "STOCKSYNC_VAR": str(folder / "var"), "SECRET_KEY": "given"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert f"{folder / 'var'}" in refusal(answer) and "cannot be written" in refusal(answer)


def test_it_starts_again_quickly_with_the_same_account_and_stops_at_a_hangup(
    first: FirstStart, start: Start
) -> None:
    again = start().wait_until_up()
    # On a busy machine it takes longer, but no more of the processors.
    assert again.processor_seconds() < 20
    said = again.said()
    assert "Making the database" not in said and "Bringing the database" not in said
    assert "Making the database" in first.said and "Bringing the database" in first.said
    assert again.admin_password() == first.product.admin_password()
    assert again.stop(signal.SIGHUP) == 0
    assert again.processes() == []


def test_it_names_a_taken_port(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        sentence = refusal(run(STOCKSYNC_VAR=str(tmp_path / "var"), PORT=port))
    assert f"Port {port} on 127.0.0.1 is taken" in sentence
    assert "PORT=" in sentence
    assert not (tmp_path / "var" / "postgres").exists()


def test_it_names_a_folder_it_cannot_write(tmp_path: Path) -> None:
    (tmp_path / "var").write_text("a file in the way")
    sentence = refusal(run(STOCKSYNC_VAR=str(tmp_path / "var"), SECRET_KEY="given"))
    assert f"{tmp_path / 'var'}" in sentence
    assert "cannot be written" in sentence


def test_it_names_a_malformed_setting(tmp_path: Path) -> None:
    sentence = refusal(run(STOCKSYNC_VAR=str(tmp_path / "var"), SYNC_START_DATE="soon"))
    assert "SYNC_START_DATE is 'soon'" in sentence


def test_it_names_an_unreachable_database(tmp_path: Path) -> None:
    url = f"postgresql://someone:geheim@127.0.0.1:{free_port()}/none"
    answer = run(STOCKSYNC_VAR=str(tmp_path / "var"), PORT=str(free_port()), DATABASE_URL=url)
    assert answer.returncode != 0
    assert "The database that DATABASE_URL names cannot be used" in answer.stdout
    assert "Traceback" not in answer.stdout + answer.stderr
    assert "geheim" not in answer.stdout + answer.stderr
