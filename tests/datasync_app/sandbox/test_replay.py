from __future__ import annotations

import csv
import gzip
import json
import time
from pathlib import Path
from typing import Any

import pytest

from datasync_app.sandbox.protocol import SandboxProblem
from datasync_app.sandbox.replay import ReplayMarket
from datasync_app.sandbox.server import Sandbox
from tests.datasync_app.sandbox.conftest import Ask, without_id, write_csv


def sdk(sandbox: Sandbox) -> Any:
    """The unchanged SDK, told where to call; `set_token` would write to the home folder."""
    from tushare.pro.client import DataApi

    client = DataApi("any-token")
    client._DataApi__http_url = sandbox.url
    return client


def cells(path: Path) -> list[list[str]]:
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


def as_text(value: object) -> str:
    return "" if value is None or value != value else str(value)  # noqa: PLR0124 (NaN)


@pytest.mark.parametrize(
    ("api_name", "params", "file"),
    [
        ("daily", {"trade_date": "20191021"}, "daily/20191021"),
        ("daily", {"trade_date": "20200110"}, "daily/20200110"),
        ("stock_basic", {}, "stock_basic/2020-01_listed"),
        ("trade_cal", {}, "trade_cal/sse_19901219_to_20241231"),
        ("daily_basic", {"trade_date": "20191025"}, "daily_basic/20191025"),
        ("adj_factor", {"trade_date": "20200106"}, "adj_factor/20200106"),
        ("concept", {}, "concept"),
    ],
)
def test_it_gives_the_sdk_the_frame_of_the_file(
    recorded: ReplayMarket, sample: Path, api_name: str, params: dict[str, str], file: str
) -> None:
    header, *lines = cells(sample / f"{file}.csv.gz")
    with Sandbox(recorded) as sandbox:
        frame = sdk(sandbox).query(api_name, fields=",".join(header), **params)

    assert list(frame.columns) == header
    assert [[as_text(value) for value in row] for row in frame.to_numpy(object).tolist()] == lines


def test_it_keeps_every_recorded_number_to_the_last_digit(
    recorded: ReplayMarket, sample: Path
) -> None:
    plan = json.loads((sample / "replay.json").read_text())["endpoints"]
    needed = {"fina_indicator": ["600519.SH", "600036.SH", "002594.SZ"]}
    needed["concept_detail"] = sorted(
        {line[0] for line in cells(sample / "concept_detail.csv.gz")[1:]}
    )
    for api_name, patterns in plan.items():
        params = {"list_status": "L"} if api_name == "stock_basic" else {}
        if api_name in needed:
            name = "id" if api_name == "concept_detail" else "ts_code"
            params = {name: ",".join(needed[api_name])}
        fields, rows = recorded.rows(api_name, params)
        sent = iter(rows)
        for pattern in patterns:
            for path in sorted(sample.glob(pattern)):
                header, *lines = cells(path)
                assert tuple(header) == fields
                for line in lines:
                    assert ["" if cell is None else str(cell) for cell in next(sent)] == line
        assert next(sent, None) is None


@pytest.mark.parametrize(
    ("api_name", "file", "params"),
    [
        ("namechange", "namechange", {}),
        ("index_daily", "index_daily", {"ts_code": "000001.SH,399001.SZ,399006.SZ,000300.SH"}),
        ("suspend_d", "official_doc_samples/suspend_d", {"trade_date": "20200312"}),
        ("disclosure_date", "official_doc_samples/disclosure_date", {"end_date": "20181231"}),
        ("ths_member", "official_doc_samples/ths_member", {}),
        ("dc_member", "official_doc_samples/dc_member", {"trade_date": "20250102"}),
    ],
)
def test_it_replays_any_endpoint_that_the_plan_names(
    sample: Path, tmp_path: Path, api_name: str, file: str, params: dict[str, str]
) -> None:
    (tmp_path / "recorded").symlink_to(sample)
    plan = {"endpoints": {api_name: [f"recorded/{file}.csv.gz"]}}
    (tmp_path / "replay.json").write_text(json.dumps(plan))
    fields, rows = ReplayMarket(tmp_path).rows(api_name, params)
    header, *lines = cells(sample / f"{file}.csv.gz")
    if api_name == "index_daily":
        lines = [line for line in lines if line[0] in params["ts_code"]]

    assert list(fields) == header
    assert [["" if cell is None else str(cell) for cell in row] for row in rows] == lines
    assert lines


def test_it_answers_a_day_quickly(recorded: ReplayMarket) -> None:
    recorded.rows("daily", {"trade_date": "20191021"})
    started = time.monotonic()
    for date in ("20191022", "20191120", "20200110"):
        assert len(recorded.rows("daily", {"trade_date": date})[1]) > 3600

    assert (time.monotonic() - started) / 3 < 0.05


@pytest.mark.parametrize(
    ("params", "closes"),
    [
        ({"ts_code": "000001.SZ,600000.SH"}, [16.87, 12.47, 17.18]),
        ({"ts_code": "000001.SZ", "start_date": "20200103"}, [17.18]),
        ({"start_date": "20200102", "end_date": "20200102"}, [16.87, 12.47]),
        ({"trade_date": "20200103", "ts_code": "600000.SH"}, []),
        ({"ts_code": "999999.SZ"}, []),
    ],
)
def test_it_filters_as_the_endpoint_does(
    small: ReplayMarket, params: dict[str, str], closes: list[float]
) -> None:
    assert [row[2] for row in small.rows("daily", params)[1]] == closes


def test_it_lists_only_listed_companies_unless_asked(small: ReplayMarket, ask: Ask) -> None:
    with Sandbox(small) as sandbox:
        usual = ask(sandbox, "stock_basic", fields="symbol").json()["data"]["items"]
        left = ask(sandbox, "stock_basic", fields="symbol", list_status="D").json()["data"]["items"]

    assert (usual, left) == ([["000001"]], [["000003"]])


def test_it_filters_reports_by_period(recorded: ReplayMarket) -> None:
    fields, rows = recorded.rows("fina_indicator", {"ts_code": "600519.SH", "period": "20250630"})

    assert [row[fields.index("end_date")] for row in rows] == ["20250630"]


def test_it_names_the_parameter_that_is_missing(recorded: ReplayMarket, ask: Ask) -> None:
    with Sandbox(recorded) as sandbox:
        answer = ask(sandbox, "concept_detail").json()

    assert (answer["code"], answer["msg"]) == (50101, "参数校验失败, id,ts_code至少输入一个参数")


@pytest.mark.parametrize("date", ["2020-01-02", "20200231", "x"])
def test_it_refuses_a_range_that_is_no_date(small: ReplayMarket, ask: Ask, date: str) -> None:
    with Sandbox(small) as sandbox:
        assert ask(sandbox, "daily", start_date=date).json()["code"] == 50101


@pytest.mark.parametrize("api_name", ["suspend_d", "moneyflow", "nothing"])
def test_it_denies_what_was_not_recorded_in_the_recorded_words(
    recorded: ReplayMarket, sample: Path, ask: Ask, api_name: str
) -> None:
    with Sandbox(recorded) as sandbox:
        answer = ask(sandbox, api_name).json()

    body = json.loads((sample / "http_responses" / "api_error_40203.json").read_text())
    assert without_id(answer) == without_id(body)


def test_it_is_named_after_its_folder(small: ReplayMarket) -> None:
    assert small.identity == "replay:small"


def test_it_reads_a_file_only_when_it_is_asked_for(small_folder: Path) -> None:
    market = ReplayMarket(small_folder)
    write_csv(small_folder / "basics.csv.gz", "ts_code\n000002.SZ\n")

    assert market.rows("stock_basic", {})[1] == [["000002.SZ"]]


@pytest.mark.parametrize(
    ("plan", "sentence"),
    [
        (None, "has no replay.json"),
        ("{", "is not of the form"),
        ('{"endpoints": ["daily"]}', "is not of the form"),
        ('{"endpoints": {"daily": 5}}', "is not of the form"),
        ('{"endpoints": {"daily": ["none/*.csv.gz"]}}', "No file of"),
        ('{"endpoints": {"daily": ["/etc/*"]}}', "No file of"),
        ('{"endpoints": {"daily": [""]}}', "No file of"),
    ],
)
def test_it_explains_a_folder_that_cannot_be_replayed(
    tmp_path: Path, plan: str | None, sentence: str
) -> None:
    if plan is not None:
        (tmp_path / "replay.json").write_text(plan)

    with pytest.raises(SandboxProblem, match=sentence):
        ReplayMarket(tmp_path)


def test_it_explains_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(SandboxProblem, match=r"There is no folder .*gone to replay\."):
        ReplayMarket(tmp_path / "gone")


def test_what_the_source_shows_only_when_it_is_named_must_be_named(recorded: ReplayMarket) -> None:
    with Sandbox(recorded) as sandbox:
        usual = sdk(sandbox).stock_basic()
        named = sdk(sandbox).stock_basic(fields="ts_code,is_hs")

    names = "ts_code symbol name area industry market list_date"
    assert " ".join(usual.columns) == names
    assert list(named.columns) == ["ts_code", "is_hs"]
