from __future__ import annotations

import datetime as dt
import gzip
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import requests

from datasync_app.dates import SHANGHAI
from datasync_app.sandbox.market import GeneratedMarket
from datasync_app.sandbox.replay import ReplayMarket
from datasync_app.sandbox.server import Sandbox
from tests.sample import SAMPLE, recorded_market

REPOSITORY = Path(__file__).resolve().parents[3]
# A Monday evening: the day's bars are out.
NOW = dt.datetime(2026, 3, 16, 20, 0, tzinfo=SHANGHAI)

Ask = Callable[..., requests.Response]


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """The SDK takes proxies from the environment, for the loopback too."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture(scope="session")
def sample() -> Path:
    if not SAMPLE.is_dir():
        pytest.skip(f"the recorded answers are not there: no folder {SAMPLE}")
    return SAMPLE


@pytest.fixture(scope="session")
def recorded(sample: Path) -> ReplayMarket:
    return recorded_market()


@pytest.fixture(scope="session")
def generated() -> GeneratedMarket:
    return GeneratedMarket(1, lambda: NOW)


@pytest.fixture
def small_folder(tmp_path: Path) -> Path:
    """A recorded market of two days and two companies."""
    folder = tmp_path / "small"
    (folder / "daily").mkdir(parents=True)
    (folder / "replay.json").write_text(
        json.dumps({"endpoints": {"daily": ["daily/*.csv.gz"], "stock_basic": ["basics.csv.gz"]}})
    )
    write_csv(
        folder / "daily" / "20200102.csv.gz",
        "ts_code,trade_date,close,vol\n000001.SZ,20200102,16.87,\n600000.SH,20200102,12.47,516290.79\n",
    )
    write_csv(
        folder / "daily" / "20200103.csv.gz",
        "ts_code,trade_date,close,vol\n000001.SZ,20200103,17.18,1116194.81\n",
    )
    write_csv(
        folder / "basics.csv.gz",
        "ts_code,symbol,name,list_status\n000001.SZ,000001,平安银行,L\n000003.SZ,000003,PT金田A,D\n",
    )
    return folder


@pytest.fixture
def small(small_folder: Path) -> ReplayMarket:
    return ReplayMarket(small_folder)


@pytest.fixture
def session() -> Iterator[requests.Session]:
    with requests.Session() as session:
        session.trust_env = False
        yield session


@pytest.fixture
def ask(session: requests.Session) -> Ask:
    """Post a call: ask(sandbox, "daily", fields="", token="x", trade_date="20200102")."""

    def post(
        sandbox: Sandbox,
        api_name: str,
        *,
        fields: Any = "",
        token: str = "anything",  # noqa: S107 (any will do)
        **params: Any,
    ) -> requests.Response:
        body = {"api_name": api_name, "token": token, "params": params, "fields": fields}
        return session.post(f"{sandbox.url}/{api_name}", json=body, timeout=30)

    return post


def write_csv(path: Path, text: str) -> None:
    with gzip.open(path, "wt", encoding="utf-8") as file:
        file.write(text)


def without_id(body: Mapping[str, object]) -> dict[str, object]:
    return {key: value for key, value in body.items() if key != "request_id"}
