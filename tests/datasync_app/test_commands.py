"""The commands of the market data app, as a person types them."""

from __future__ import annotations

import datetime as dt
import io
import json
import logging
import os
import signal
from collections.abc import Mapping

import pytest
from django.apps import apps
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from datasync_app.engine.renumbering import learn_from_bse_mapping
from datasync_app.models import (
    BseMapping,
    CodeChange,
    Daily,
    DatasetState,
    SourceIdentity,
    StockBasic,
    SyncLedger,
    SyncTask,
    TaskStatus,
    TradeCal,
)
from datasync_app.protocol import Rows
from datasync_app.sandbox.server import Sandbox
from scheduler_app.models import ExecutionLog, JobConfig
from tests.datasync_app.tiny_market import TinyMarket

pytestmark = pytest.mark.django_db

WEEK = ["--start", "20200106", "--end", "20200110"]


def said(*args: str) -> str:
    out = io.StringIO()
    call_command(*args, stdout=out)
    return out.getvalue()


def test_sync_says_each_cell_in_a_pipe_and_sums_up(source: Sandbox) -> None:
    lines = said("sync", "daily", *WEEK).splitlines()
    assert len(lines) == 12
    assert {line.split(" ", 1)[1] for line in lines[:2]} == {
        "trade_cal SSE:2020: 366 rows",
        "trade_cal SZSE:2020: 366 rows",
    }
    assert lines[6].startswith("7/11 daily 202001")
    assert lines[-1] == "daily: 5 of 5 cells good, 150 rows in 5 calls"


def test_sync_shows_the_engine_lines_to_nobody_and_the_level_comes_back(source: Sandbox) -> None:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    logging.getLogger().addHandler(handler)
    try:
        said("sync", "trade_cal", *WEEK)
    finally:
        logging.getLogger().removeHandler(handler)
    assert "action=cell" not in stream.getvalue()
    assert handler.level == logging.NOTSET


def test_sync_of_a_job_says_each_cell_too(source: Sandbox) -> None:
    lines = said("sync", "sync_stock_basic").splitlines()
    assert lines[0].startswith("1/2 trade_cal S")
    assert lines[5].startswith("6/6 stock_basic ")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_sync_shows_a_bar_on_a_terminal(
    source: Sandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    call_command("sync", "daily", *WEEK, stdout=Terminal())
    bar = capsys.readouterr().err.rpartition("daily:")[2]
    for part in ("11/11", "rows=912", "calls=5", "quota=195/min", "cell/s"):
        assert part in bar, bar


def test_sync_counts_the_cells_of_a_list_too(source: Sandbox) -> None:
    lines = said("sync", "stock_basic").splitlines()
    assert [line.split()[0] for line in lines[:4]] == ["1/4", "2/4", "3/4", "4/4"]


def test_a_sync_that_is_terminated_closes_its_task_and_says_so(
    source: Sandbox, market: TinyMarket, monkeypatch: pytest.MonkeyPatch
) -> None:
    bars = market._daily

    def terminate(params: Mapping[str, str]) -> Rows:
        os.kill(os.getpid(), signal.SIGTERM)
        return bars(params)

    monkeypatch.setattr(market, "_daily", terminate)
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(CommandError, match="Stopped. What was finished is stored"):
        said("sync", "daily", *WEEK)
    assert SyncTask.objects.get().status == TaskStatus.FAILED
    assert signal.getsignal(signal.SIGTERM) is before


def test_sync_ends_badly_and_lists_what_is_not_good(source: Sandbox, market: TinyMarket) -> None:
    market.rows_of["20200108"] = []
    with pytest.raises(CommandError, match="1 cells of daily are not good:\n  20200108: due: "):
        said("sync", "daily", *WEEK)
    assert Daily.objects.count() == 120


def test_a_dry_run_of_a_job_has_a_line_for_each_dataset(source: Sandbox) -> None:
    said("sync", "trade_cal", *WEEK)
    before = len(source.requests)
    lines = said("sync", "sync_daily_by_date", *WEEK, "--dry-run").splitlines()
    assert [line.split()[0] for line in lines] == [
        "suspend_d", "daily", "adj_factor", "daily_basic", "index_daily",
    ]  # fmt: skip
    assert lines[1].startswith("daily 20200106 to 20200110: 5 cells to fetch, 0 good")
    assert len(source.requests) == before
    assert not ExecutionLog.objects.exists()


def test_a_dry_run_of_a_list_counts_its_cells(source: Sandbox) -> None:
    assert said("sync", "stock_basic", "--dry-run").startswith("stock_basic: 4 cells to fetch")
    (calendar, stocks) = said("sync", "sync_stock_basic", "--dry-run").splitlines()
    assert calendar.startswith("trade_cal: 2 cells to fetch")
    assert stocks.startswith("stock_basic: 4 cells")
    assert not source.requests


def test_a_dry_run_prints_cells_calls_and_time_and_fetches_nothing(source: Sandbox) -> None:
    said("sync", "trade_cal", *WEEK)
    before = len(source.requests)
    text = said("sync", "daily", *WEEK, "--dry-run")
    assert "5 cells to fetch, 0 good" in text and "5 calls" in text and "195 calls a minute" in text
    assert len(source.requests) == before


def test_sync_runs_a_job_in_the_foreground_as_an_execution(source: Sandbox) -> None:
    said("sync", "sync_daily_by_date", *WEEK)
    assert Daily.objects.count() == 150
    assert ExecutionLog.objects.get().status == "SUCCESS"


@pytest.mark.parametrize(
    ("args", "sentence"),
    [
        (["nonsense"], "no dataset or job 'nonsense'.* daily, .*sync_daily_by_date"),
        (["daily", "--start", "2020-01-06"], "--start: '2020-01-06' is not a date as YYYYMMDD"),
        (
            ["daily", "--start", "20200110", "--end", "20200106"],
            "20200110 lies after the end 20200106",
        ),
        (["daily", "--start", "20990101"], "20990101 lies in the future"),
        (["daily"], "was never synced here: say --start"),
        (["daily", *WEEK, "--codes", "000001.SZ"], "--codes does not fit daily"),
        (["sync_daily_by_date", "--codes", "600000.SH"], "takes a dataset, not a job"),
        (["sync_concept_data", "--dry-run"], "on a list that it fetches first"),
        (["sync_stock_basic", "--start", "20200106"], "takes no argument 'start'"),
        (["daily", *WEEK, "--dry-run"], "calendar of 2020 is not held"),
    ],
)
def test_sync_refuses_bad_arguments_with_a_sentence(args: list[str], sentence: str) -> None:
    with pytest.raises(CommandError, match=sentence):
        said("sync", *args)


def test_coverage_proves_a_good_range(source: Sandbox) -> None:
    said("sync", "daily", *WEEK)
    text = said("coverage", "daily", *WEEK)
    assert text == "daily 20200106 to 20200110: 5 of 5 cells good, 150 rows\n"


def test_coverage_names_a_hole_and_exits_1(source: Sandbox) -> None:
    said("sync", "daily", *WEEK)
    SyncLedger.objects.filter(cell="20200108").delete()
    out = io.StringIO()
    with pytest.raises(SystemExit) as end:
        call_command("coverage", "daily", *WEEK, "--json", stdout=out)
    assert end.value.code == 1
    (daily,) = json.loads(out.getvalue())
    assert daily["cells_open"] == {"20200108": "never fetched"}


def test_coverage_of_the_calendar_names_the_years_that_are_not_held(source: Sandbox) -> None:
    said("sync", "trade_cal", *WEEK)
    assert "2 of 2 cells good" in said("coverage", "trade_cal", *WEEK)
    out = io.StringIO()
    with pytest.raises(SystemExit):
        call_command(
            "coverage", "trade_cal", "--start", "20190101", "--end", "20200110", stdout=out
        )
    assert (
        "2 of 4 cells good" in out.getvalue() and "SSE:2019: late: never fetched" in out.getvalue()
    )


def test_coverage_of_the_stock_list_wants_every_status(source: Sandbox) -> None:
    said("sync", "stock_basic")
    assert "4 of 4 cells good" in said("coverage", "stock_basic")
    SyncLedger.objects.filter(dataset="stock_basic", cell="D").delete()
    out = io.StringIO()
    with pytest.raises(SystemExit):
        call_command("coverage", "stock_basic", stdout=out)
    assert "D: late: never fetched" in out.getvalue()


def test_coverage_of_an_empty_range_says_so(source: Sandbox) -> None:
    said("sync", "daily", *WEEK)
    with pytest.raises(CommandError, match="20200110 lies after 20200106"):
        said("coverage", "daily", "--start", "20200110", "--end", "20200106")
    text = said("coverage", "daily", "--start", "20200104", "--end", "20200105")
    assert text == "daily: no open day from 20200104 to 20200105\n"


def test_coverage_of_nothing_is_not_good() -> None:
    with pytest.raises(SystemExit):
        said("coverage", "daily")


def test_coverage_of_the_future_is_refused() -> None:
    DatasetState.objects.create(dataset="daily", horizon=dt.date(2020, 1, 6))
    with pytest.raises(CommandError, match="The start 20990101 lies in the future"):
        said("coverage", "daily", "--start", "20990101")


def test_coverage_of_an_unknown_dataset_lists_the_known_ones() -> None:
    with pytest.raises(
        CommandError, match="'dayly' is not a dataset; the known ones are adj_factor,.* daily,"
    ):
        said("coverage", "dayly")


def test_go_live_drops_generated_data_and_keeps_schedules(source: Sandbox) -> None:
    said("sync", "daily", *WEEK)
    JobConfig.objects.filter(job_id="sync_daily_by_date").update(cron_expression="5 5 * * *")
    assert "Dropped the data of sandbox:tiny" in said("go_live", "--yes")
    for model in (Daily, StockBasic, TradeCal, SyncLedger, SyncTask, DatasetState, SourceIdentity):
        assert not model.objects.exists(), model
    assert JobConfig.objects.get(job_id="sync_daily_by_date").cron_expression == "5 5 * * *"


# What go_live leaves alone: what accounts may do and have used, which a token owns and not a source;
# and the renumbered codes that every database starts with.
KEPT_BY_GO_LIVE = {
    *("CallDay", "CallOutcome", "CallSlot", "EndpointAccess", "PastDay", "TushareAccount"),
    "TushareCall",
    "CodeChange",
}


def test_go_live_empties_every_table_that_is_not_named_as_kept(source: Sandbox) -> None:
    said("sync", "daily", *WEEK)
    models = [
        model
        for model in apps.get_app_config("datasync_app").get_models()
        if model.__name__ not in KEPT_BY_GO_LIVE
    ]
    assert {"FinaIndicator", "ThsMember", "SyncQuarantine"} < {each.__name__ for each in models}
    with CaptureQueriesContext(connection) as queries:
        said("go_live", "--yes")
    (truncate,) = (each["sql"] for each in queries if each["sql"].startswith("TRUNCATE"))
    assert [each for each in models if f'"{each._meta.db_table}"' not in truncate] == []


def test_go_live_forgets_the_renumbered_codes_of_a_generated_list(source: Sandbox) -> None:
    said("sync", "daily", *WEEK)
    seeded = set(CodeChange.objects.values_list("old_code", flat=True))
    BseMapping.objects.create(o_code="430001.BJ", n_code="920001.BJ")
    assert learn_from_bse_mapping() == 1
    said("go_live", "--yes")
    assert set(CodeChange.objects.values_list("old_code", flat=True)) == seeded
    assert "000022.SZ" in seeded


def test_go_live_asks_first(source: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    said("sync", "daily", *WEEK)
    asked: list[str] = []

    def no(question: str) -> str:
        asked.append(question)
        return "n"

    monkeypatch.setattr("builtins.input", no)
    with pytest.raises(CommandError, match="Nothing was dropped"):
        said("go_live")
    assert "sandbox:tiny" in asked[0]
    assert Daily.objects.count() == 150


def test_go_live_refuses_to_empty_the_data_of_tushare() -> None:
    SourceIdentity.objects.create(identity="tushare")
    Daily.objects.create(ts_code="000001.SZ", trade_date=dt.date(2020, 1, 6))
    with pytest.raises(CommandError, match="data of Tushare, which go_live never drops"):
        said("go_live", "--yes")
    assert Daily.objects.count() == 1


def test_go_live_with_nothing_held_says_so() -> None:
    with pytest.raises(CommandError, match="nothing to drop"):
        said("go_live", "--yes")
