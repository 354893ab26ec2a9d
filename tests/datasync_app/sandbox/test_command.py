from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests
from django.core.management import CommandError, call_command
from django.utils.translation import override

from datasync_app.sandbox.faults import describe_faults
from tests.warm import process as warm

CHINESE = re.compile("[\u4e00-\u9fff]")


def environment(var: Path) -> dict[str, str]:
    """No database: this address has none, so touching it would fail."""
    return {
        **os.environ,
        "STOCKSYNC_VAR": str(var),
        "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none",
    }


@contextmanager
def running(var: Path, *arguments: str) -> Iterator[tuple[warm.Process, str]]:
    """The real command, once it listens: its process and the address that it printed."""
    with warm.Process(
        *("manage.py", "sandbox", *arguments),
        env=environment(var),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as process:
        assert process.stdout is not None
        try:
            yield process, process.stdout.readline().removeprefix("listening on ").strip()
        finally:
            process.kill()


def ask(url: str, api_name: str) -> requests.Response:
    with requests.Session() as session:
        session.trust_env = False
        return session.post(url, json={"api_name": api_name, "token": "t"}, timeout=30)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_it_serves_until_it_is_told_to_stop(
    small_folder: Path, tmp_path: Path, number: signal.Signals
) -> None:
    var = tmp_path / "var"
    with running(var, "--replay", str(small_folder), "--port", "0") as (process, url):
        address = (var / "run" / "sandbox-address").read_text()
        answer = ask(url, "daily")
        process.send_signal(number)
        code = process.wait(10)

    assert address == f"{url}\n"
    assert answer.headers["X-StockSync-Source"] == "replay:small"
    assert code == 0
    assert not (var / "run" / "sandbox-address").exists()


def test_it_leaves_the_address_of_another_sandbox(small_folder: Path, tmp_path: Path) -> None:
    address = tmp_path / "var" / "run" / "sandbox-address"
    with running(tmp_path / "var", "--replay", str(small_folder)) as (process, _):
        address.write_text("http://127.0.0.1:1\n")
        process.terminate()
        process.wait(10)

    assert address.read_text() == "http://127.0.0.1:1\n"


def test_it_gives_the_place_back_to_a_sandbox_that_is_still_running(
    small_folder: Path, tmp_path: Path
) -> None:
    address = tmp_path / "var" / "run" / "sandbox-address"
    with running(tmp_path / "var", "--replay", str(small_folder)) as (_, first):
        with running(tmp_path / "var", "--replay", str(small_folder)) as (process, second):
            assert address.read_text() == f"{second}\n"
            process.terminate()
            process.wait(10)
        assert address.read_text() == f"{first}\n"


def test_it_generates_a_market_by_default(tmp_path: Path) -> None:
    options = ("--seed", "7", "--quota", "1", "--latency", "1", "--points", "5000")
    with running(tmp_path, *options) as (process, url):
        first, second = ask(url, "user"), ask(url, "user")
        process.terminate()
        assert process.wait(10) == 0

    assert first.headers["X-StockSync-Source"] == "sandbox:7"
    assert first.json()["data"]["items"][0][2] == 5000
    assert "频率超限(1次/分钟)" in second.json()["msg"]


def test_it_follows_a_plan_by_a_clock_of_its_own(tmp_path: Path) -> None:
    options = ("--companies=60", "--now=2026-03-16T18:30", "--quota=0")
    plan = ("--publish=daily@20260316=18:40/60,19:20", "--restate=daily=100@2026-03-16T19:00")
    with running(tmp_path, *options, *plan) as (_, url), requests.Session() as session:
        session.trust_env = False
        found = []
        for time in ("18:30", "18:40", "18:50", "19:20"):
            session.put(f"{url}/clock", json={"now": f"2026-03-16T{time}"}, timeout=30)
            body = {"api_name": "daily", "token": "t", "params": {"trade_date": "20260316"}}
            items = session.post(url, json=body, timeout=30).json()["data"]["items"]
            found.append({item[0]: item[2] for item in items})

    assert found[0] == {}
    assert 0 < len(found[1]) < len(found[3])
    assert found[2] == found[1]
    assert all(found[3][code] != price for code, price in found[1].items())


def test_it_limits_single_endpoints_as_told(tmp_path: Path, small_folder: Path) -> None:
    options = ("--quota-of", "daily=1/hour", "--quota-of=stock_basic=2/day")
    with running(tmp_path, f"--replay={small_folder}", *options) as (_, url):
        daily = [ask(url, "daily").json() for _ in range(2)]
        basics = [ask(url, "stock_basic").json() for _ in range(3)]

    assert [answer["code"] for answer in daily] == [0, 40203]
    assert "频率超限(1次/小时)" in daily[1]["msg"]
    assert [answer["code"] for answer in basics] == [0, 0, 40203]
    assert "频率超限(2次/天)" in basics[2]["msg"]


def test_it_stalls_as_long_as_told(tmp_path: Path, small_folder: Path) -> None:
    options = ("--fault", "stall=1", "--stall", "0")
    with (
        running(tmp_path, f"--replay={small_folder}", *options) as (_, url),
        pytest.raises(requests.ConnectionError),
    ):
        ask(url, "daily")


def test_it_lists_the_faults(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("sandbox", "--fault=list")

    told = capsys.readouterr().out
    assert told == f"{describe_faults()}\n"
    assert "a part of the rows is left out (rows)\n" in told


@override("zh-hans")
def test_it_explains_each_fault_in_chinese() -> None:
    for line in describe_faults().splitlines():
        name, _, explanation = line.partition("  ")
        summary, _, outcome = explanation.rpartition(" (")
        assert CHINESE.search(summary) and CHINESE.search(outcome), name


def test_it_explains_a_bad_argument_in_one_sentence(tmp_path: Path) -> None:
    arguments = ("sandbox", "--fault", "nothing=1")
    done = warm.run_cold("manage.py", *arguments, env=environment(tmp_path), timeout=60)

    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith("CommandError: There is no fault 'nothing'; known are at_cap,")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--port", "65536"], "--port is '65536'; it must be a whole number from 0 to 65535."),
        (["--port", "x"], "--port is 'x'; it must be"),
        (["--quota", "-1"], "--quota is '-1'; it must be"),
        (["--latency", "1.5"], "--latency is '1.5'; it must be"),
        (["--points", "many"], "--points is 'many'; it must be"),
        (["--seed", ""], "--seed is ''; it must be"),
        (["--fault", "html"], "--fault is 'html'; it must be NAME=RATE"),
        (["--fault", "html=2"], "The rate of fault html is 2; it must be 0 to 1."),
        (["--fault", "list=1"], "There is no fault 'list'; known are at_cap,"),
        (["--stall", "-1"], "--stall is '-1'; it must be a whole number from 0 to 86400."),
        (
            ["--quota-of", "stock_basic=1/week"],
            "--quota-of is 'stock_basic=1/week'; it must be NAME=N/UNIT, as stock_basic=1/hour, "
            "with a unit of minute, hour, day.",
        ),
        (["--companies", "9"], "--companies is '9'; it must be a whole number from 10 to 5400."),
        (["--now", "noon"], "'noon' is no moment from 1991 to 2099; it must be like"),
        (
            ["--publish", "daily=25:00"],
            "--publish is 'daily=25:00'; it must be NAME=TIME, NAME=TIME/PERCENT,TIME or with a date, "
            "as daily_basic@20260316=18:40/60,19:20.",
        ),
        (["--publish", "nothing=18:00"], "--publish is 'nothing=18:00'; it must be"),
        (["--publish", "daily@20260231=18:00"], "--publish is 'daily@20260231=18:00'; it must be"),
        (["--publish", "daily=18:00/101"], "A share of 1.01 is out of range; it must be 0 to 1."),
        (["--restate", "daily=1"], "--restate is 'daily=1'; it must be NAME=PERCENT@MOMENT, as"),
        (["--restate", "daily=1@x"], "'x' is no moment from 1991 to 2099;"),
        (
            ["--restate", "user=1@2026-03-16"],
            "user is never restated; daily, adj_factor, daily_basic",
        ),
        (["--quota-of", "stock_basic"], "--quota-of is 'stock_basic'; it must be"),
        (["--replay", "/no/such/folder"], "There is no folder /no/such/folder to replay."),
    ],
)
def test_it_says_what_would_be_valid(
    small_folder: Path, arguments: list[str], sentence: str
) -> None:
    if "--replay" not in arguments:
        arguments = [*arguments, "--replay", str(small_folder)]
    arguments = [
        f"{name}={value}" for name, value in zip(arguments[::2], arguments[1::2], strict=True)
    ]
    with pytest.raises(CommandError) as problem:
        call_command("sandbox", *arguments)

    assert str(problem.value).startswith(sentence)


def test_it_says_that_a_port_is_taken(small_folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(CommandError) as problem:
            call_command("sandbox", f"--port={port}", f"--replay={small_folder}")

    assert str(problem.value) == f"Port {port} of 127.0.0.1 cannot be used: Address already in use."
