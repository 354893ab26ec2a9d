"""qlib's layout, read as qlib reads it, and patched day by day to the same bytes as made anew."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest
from django.core.management import call_command

from datasync_app.datasets import DATASETS
from datasync_app.engine import horizon
from datasync_app.errors import ExportRefused
from datasync_app.exports import qlib
from datasync_app.exports.folder import Folder
from datasync_app.exports.parquet import read_manifest
from datasync_app.models import AdjFactor, Daily, DatasetState, IndexDaily, SyncLedger
from tests.datasync_app.exports.held import CODES, DAYS, LATER, NOW, hold_day, hold_days, make_hole
from tests.datasync_app.factories import LedgerFactory

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def held() -> None:
    hold_days()


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path / "cn_data")


def feature(folder: Folder, code: str, field: str) -> pandas.Series[Any]:
    """As qlib's storage reads it: a start index, then float32, placed on the calendar."""
    calendar = (folder.path / "calendars" / "day.txt").read_text().split()
    numbers = np.fromfile(folder.path / "features" / code / f"{field}.day.bin", dtype="<f")
    start = int(numbers[0])
    days = pandas.to_datetime(calendar[start : start + len(numbers) - 1])
    return pandas.Series(numbers[1:], index=days)


def bytes_of(folder: Folder) -> dict[str, bytes]:
    files = (path for path in folder.path.rglob("*") if path.is_file())
    return {
        str(path.relative_to(folder.path)): path.read_bytes()
        for path in files
        if path.name != "manifest.json"
    }


def anew(tmp_path: Path) -> dict[str, bytes]:
    """What an export into a new folder gives."""
    fresh = Folder(tmp_path / "fresh")
    qlib.export_qlib(fresh, now=NOW, allow_incomplete=True)
    return bytes_of(fresh)


def test_qlib_reads_adjusted_prices_and_their_factor(folder: Folder) -> None:
    outcome = qlib.export_qlib(folder, now=NOW)
    assert (outcome.written, outcome.days, outcome.gaps) == (2, 9, {})
    close, factor = (feature(folder, "sz000001", name) for name in ("close", "factor"))
    assert list(close.index.date) == DAYS
    for n, day in enumerate(DAYS):
        bar = Daily.objects.get(ts_code=CODES[0], trade_date=day)
        stamp = pandas.Timestamp(day)
        assert factor[stamp] == np.float32(1.5 if n <= 4 else 2.5)
        assert close[stamp] / factor[stamp] == pytest.approx(bar.close, rel=1e-6)
    assert feature(folder, "sz000001", "volume").iloc[0] == np.float32(10_000 / 1.5)
    assert feature(folder, "sz000001", "amount").iloc[0] == np.float32(123_456)
    assert feature(folder, "sz000001", "vwap").iloc[0] == np.float32(123.456 * 10 / 100 * 1.5)
    assert feature(folder, "sz000001", "change").iloc[1] == np.float32(0.1)
    lines = (folder.path / "instruments" / "all.txt").read_text().splitlines()
    assert lines == ["SZ000001\t2019-12-30\t2020-01-10", "SH600000\t2019-12-30\t2020-01-10"]


def test_a_day_without_a_bar_is_nan_and_a_new_company_begins_later(folder: Folder) -> None:
    Daily.objects.filter(trade_date=DAYS[3], ts_code=CODES[0]).delete()
    Daily.objects.filter(trade_date__lt=DAYS[2], ts_code=CODES[1]).delete()
    AdjFactor.objects.filter(trade_date=DAYS[5], ts_code=CODES[1]).delete()
    qlib.export_qlib(folder, now=NOW)
    assert list(np.isnan(feature(folder, "sz000001", "close"))) == [n == 3 for n in range(9)]
    close = feature(folder, "sh600000", "close")
    assert close.index[0] == pandas.Timestamp(DAYS[2])
    assert list(np.isnan(close)) == [n == 3 for n in range(7)]  # a price without a factor is none
    assert (
        "SH600000\t2020-01-02\t2020-01-10" in (folder.path / "instruments" / "all.txt").read_text()
    )


def test_a_new_day_is_added_and_nothing_else_is_read(folder: Folder, tmp_path: Path) -> None:
    qlib.export_qlib(folder, now=NOW)
    later = NOW + dt.timedelta(days=3)
    hold_day(dt.date(2020, 1, 13), 9)
    outcome = qlib.export_qlib(folder, now=later)
    assert (outcome.days, outcome.rows, outcome.written) == (1, 2, 2)
    assert len(feature(folder, "sz000001", "close")) == 10
    assert bytes_of(folder) == anew(tmp_path)


def test_only_the_codes_of_a_changed_value_are_written_anew(folder: Folder, tmp_path: Path) -> None:
    qlib.export_qlib(folder, now=NOW)
    inode = (folder.path / "features" / "sh600000" / "close.day.bin").stat().st_ino
    Daily.objects.filter(trade_date=DAYS[4], ts_code=CODES[0]).update(close=99.5)
    outcome = qlib.export_qlib(folder, now=LATER)
    assert (outcome.days, outcome.written, outcome.kept) == (1, 1, 1)
    assert (folder.path / "features" / "sh600000" / "close.day.bin").stat().st_ino == inode
    assert bytes_of(folder) == anew(tmp_path)
    assert qlib.export_qlib(folder, now=LATER).days == 0


@pytest.mark.parametrize(("code", "day"), [(0, 0), (0, 4), (1, 8), (1, 0)])
def test_a_row_that_is_gone_is_gone(folder: Folder, tmp_path: Path, code: int, day: int) -> None:
    qlib.export_qlib(folder, now=NOW)
    Daily.objects.filter(trade_date=DAYS[day], ts_code=CODES[code]).delete()
    assert qlib.export_qlib(folder, now=LATER).days == 1
    assert bytes_of(folder) == anew(tmp_path)


def test_a_company_that_is_gone_and_one_that_comes(folder: Folder, tmp_path: Path) -> None:
    qlib.export_qlib(folder, now=NOW)
    Daily.objects.filter(ts_code=CODES[1]).delete()
    Daily.objects.create(ts_code="688001.SH", trade_date=DAYS[6], close=5.0)
    AdjFactor.objects.create(ts_code="688001.SH", trade_date=DAYS[6], adj_factor=1.0)
    qlib.export_qlib(folder, now=LATER)
    assert not (folder.path / "features" / "sh600000").exists()
    assert bytes_of(folder) == anew(tmp_path)


def test_an_older_day_moves_every_place_so_all_is_made_anew(folder: Folder, tmp_path: Path) -> None:
    DatasetState.objects.update(horizon=DAYS[2])
    qlib.export_qlib(folder, now=NOW)
    for dataset in ("daily", "adj_factor"):
        horizon.move_earlier(DATASETS[dataset], DAYS[0])
    outcome = qlib.export_qlib(folder, now=LATER)
    assert (outcome.days, outcome.rows) == (2, 18)
    assert bytes_of(folder) == anew(tmp_path)


def test_indices_are_there_for_benchmarks_but_not_among_all(folder: Folder) -> None:
    for day in DAYS:
        IndexDaily.objects.create(ts_code="000300.SH", trade_date=day, close=3000.0, vol=1.0)
    for code in ("000001.SH", "399001.SZ", "000300.SH"):
        for year in (2019, 2020):
            LedgerFactory.create(
                dataset="index_daily", cell=f"{code}:{year}", cell_date=None, fetched_at=NOW
            )
    horizon.move_earlier(DATASETS["index_daily"], DAYS[0])
    qlib.export_qlib(folder, now=NOW)
    assert feature(folder, "sh000300", "close").iloc[0] == 3000
    assert "SH000300" not in (folder.path / "instruments" / "all.txt").read_text()
    assert (
        (folder.path / "instruments" / "index.txt").read_text().startswith("SH000300\t2019-12-30")
    )


def test_codes_are_read_across_pieces(folder: Folder, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr("datasync_app.exports.arrow._AT_ONCE", 300)
    monkeypatch.setattr("datasync_app.reports.content.AT_ONCE", 100)
    qlib.export_qlib(folder, now=NOW)
    monkeypatch.undo()
    assert bytes_of(folder) == anew(tmp_path)


def test_a_hole_is_refused_or_marked(folder: Folder) -> None:
    make_hole()
    with pytest.raises(ExportRefused, match="daily 20200106"):
        qlib.export_qlib(folder, now=NOW)
    assert not folder.path.exists()
    qlib.export_qlib(folder, now=NOW, allow_incomplete=True)
    manifest = read_manifest(folder.path)
    assert not manifest["good"]
    assert manifest["not_good"]["daily"] == {"20200106": "partial: 1 expected code is missing"}
    assert np.isnan(feature(folder, "sh600000", "close")[pandas.Timestamp(DAYS[4])])


def test_the_command_writes_it(
    folder: Folder, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("django.utils.timezone.now", lambda: NOW)
    call_command("export", "--qlib", str(folder.path))
    assert "9 days had changed; 2 codes written, 0 unchanged" in capsys.readouterr().out


def test_without_its_calendar_the_days_with_bars_are_all_that_is_known(folder: Folder) -> None:
    SyncLedger.objects.filter(dataset="trade_cal").delete()
    with pytest.raises(ExportRefused, match="The calendar of 2019, 2020 is not held"):
        qlib.export_qlib(folder, now=NOW)
    qlib.export_qlib(folder, now=NOW, allow_incomplete=True)
    assert len(feature(folder, "sz000001", "close")) == 9
    assert not read_manifest(folder.path)["good"]
