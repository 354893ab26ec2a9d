"""Parquet by dataset and year, read back by pyarrow and DuckDB; only what changed is written anew."""

from __future__ import annotations

import datetime as dt
import hashlib
import io
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.dataset
import pyarrow.parquet as pq
import pytest
from django.core.management import CommandError, call_command
from pytest_django import Settings

from datasync_app.datasets import DATASETS
from datasync_app.errors import ExportRefused
from datasync_app.exports import arrow
from datasync_app.exports.duck import write_duckdb
from datasync_app.exports.folder import Folder
from datasync_app.exports.parquet import Outcome, export_parquet, read_manifest
from datasync_app.models import Daily, FinaIndicator
from datasync_app.reports.content import Span, columns_of
from datasync_app.reports.digest import digest_of
from datasync_app.reports.statement import make_report
from tests.datasync_app.exports.held import CODES, DAYS, LATER, NOW, hold_days, make_hole

pytestmark = pytest.mark.django_db

OF_2019, OF_2020 = (f"daily/year={year}/part.parquet" for year in (2019, 2020))


@pytest.fixture(autouse=True)
def held() -> None:
    hold_days()


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path / "out")


def export(
    folder: Folder, *names: str, now: dt.datetime = NOW, allow_incomplete: bool = False
) -> Outcome:
    chosen = [DATASETS[name] for name in names or ("daily", "adj_factor", "namechange")]
    return export_parquet(folder, chosen, now=now, allow_incomplete=allow_incomplete)


def partitions(folder: Folder) -> dict[str, dict[str, Any]]:
    told = read_manifest(folder.path)["datasets"].values()
    return {part["path"]: part for dataset in told for part in dataset["partitions"]}


def test_what_pyarrow_reads_is_what_the_database_holds(folder: Folder) -> None:
    assert export(folder).rows == 38
    table = pa.dataset.dataset(folder.path / "daily", partitioning="hive").to_table()
    assert table.schema.field("trade_date").type == pa.date32()
    assert table.schema.field("close").type == pa.float64()
    rows = table.sort_by([("trade_date", "ascending"), ("ts_code", "ascending")]).to_pylist()
    names = DATASETS["daily"].field_names
    assert [tuple(row[name] for name in names) for row in rows] == list(
        Daily.objects.order_by("trade_date", "ts_code").values_list(*names)
    )
    assert {row["year"] for row in rows} == {2019, 2020}
    assert rows[0]["change"] is None


def test_text_keeps_its_signs_and_nothing_differs_from_empty(folder: Folder) -> None:
    export(folder, "namechange")
    rows = pq.read_table(folder.path / "namechange" / "part.parquet").to_pylist()
    assert [row["name"] for row in rows] == ['平安"银行,\nA', "x"]
    assert [row["change_reason"] for row in rows] == [None, ""]
    assert [row["end_date"] for row in rows] == [None, DAYS[2]]


def test_moments_and_versions_come_along(folder: Folder) -> None:
    for n, content in enumerate(("a", "b")):
        seen = NOW + dt.timedelta(hours=n)
        FinaIndicator.objects.create(
            ts_code="000001.SZ", end_date=dt.date(2019, 9, 30), content=content, eps=n,
            first_seen_at=seen, last_seen_at=seen,
        )  # fmt: skip
    export(folder, "fina_indicator", allow_incomplete=True)
    path = folder.path / "fina_indicator" / "year=2019" / "part.parquet"
    rows = sorted(pq.read_table(path).to_pylist(), key=lambda row: row["eps"])
    assert [row["first_seen_at"] for row in rows] == [NOW, LATER]
    assert [row["is_current"] for row in rows] == [False, True]


def test_the_manifest_has_digests_of_files_and_of_rows(folder: Folder) -> None:
    export(folder)
    for path, part in partitions(folder).items():
        file = folder.path / path
        assert part["sha256"] == hashlib.sha256(file.read_bytes()).hexdigest()
        assert (part["bytes"], part["rows"]) == (
            file.stat().st_size,
            pq.read_metadata(file).num_rows,
        )
        assert part["digest"] == digest_of(part["sql"]).sha256
    report = make_report([DATASETS["daily"]], dt.date(2020, 1, 1), dt.date(2020, 12, 31), now=NOW)
    assert partitions(folder)[OF_2020]["digest"] == report.parts[0].digests.rows.sha256


def test_only_the_partition_of_a_changed_value_is_written_anew(folder: Folder) -> None:
    assert len(export(folder).written) == 5
    inode = (folder.path / OF_2019).stat().st_ino
    Daily.objects.filter(trade_date=DAYS[4], ts_code=CODES[0]).update(close=99.5)
    outcome = export(folder, now=LATER)
    assert outcome.written == (OF_2020,)
    assert len(outcome.kept) == 4
    assert (folder.path / OF_2019).stat().st_ino == inode
    assert 99.5 in pq.read_table(folder.path / OF_2020).column("close").to_pylist()
    assert export(folder, now=LATER + dt.timedelta(1)).written == ()


def test_a_file_that_was_cut_is_written_anew_and_one_without_rows_is_dropped(
    folder: Folder,
) -> None:
    export(folder, "daily")
    (folder.path / OF_2019).write_bytes(b"PAR1")
    assert export(folder, "daily", now=LATER).written == (OF_2019,)
    assert pq.read_metadata(folder.path / OF_2019).num_rows == 4
    Daily.objects.filter(trade_date__year=2019).delete()
    outcome = export(folder, "daily", now=LATER)
    assert outcome.dropped == (OF_2019,)
    assert not (folder.path / OF_2019).exists()


def test_a_hole_is_refused_and_leaves_the_old_state(folder: Folder) -> None:
    export(folder)
    make_hole()
    with pytest.raises(ExportRefused, match=r"daily 20200106 .partial: 1 expected code is missing"):
        export(folder)
    assert partitions(folder)[OF_2020]["rows"] == 14


def test_a_hole_that_is_allowed_is_marked_where_it_is(folder: Folder, settings: Settings) -> None:
    make_hole()
    outcome = export(folder, allow_incomplete=True)
    why = {"20200106": "partial: 1 expected code is missing"}
    assert outcome.gaps == {"daily": why}
    manifest = read_manifest(folder.path)
    assert not manifest["good"]
    assert manifest["datasets"]["daily"]["not_good"] == why
    assert manifest["datasets"]["adj_factor"]["good"]
    assert partitions(folder)[OF_2020]["not_good"] == why
    assert partitions(folder)[OF_2019]["not_good"] == {}
    settings.SERVE_INCOMPLETE = True
    assert export(folder).gaps == {"daily": why}


def test_an_export_that_breaks_off_leaves_the_old_state(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    export(folder)
    before = {path: (folder.path / path).read_bytes() for path in partitions(folder)}
    Daily.objects.update(close=1.0)

    def no_space(*_args: object, **_options: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pq.ParquetWriter, "write_table", no_space)
    with pytest.raises(ExportRefused, match="out cannot be written: No space left on device"):
        export(folder)
    assert {path: (folder.path / path).read_bytes() for path in before} == before


def test_rows_come_in_pieces(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arrow, "_AT_ONCE", 200)
    monkeypatch.setattr("datasync_app.reports.content.AT_ONCE", 40)
    reading = arrow.Reading(
        "SELECT ts_code, trade_date FROM daily ORDER BY 2, 1",
        pa.schema([("ts_code", pa.string()), ("trade_date", pa.date32())]),
    )
    sizes = [table.num_rows for table in reading.tables()]
    assert sum(sizes) == 18
    assert max(sizes) < 12


def test_every_dataset_has_types_that_its_rows_fit() -> None:
    for dataset in DATASETS.values():
        assert len(arrow.schema_of(columns_of(dataset))) >= len(dataset.fields)


def test_duckdb_reads_what_is_held_and_what_is_not_proved(folder: Folder, tmp_path: Path) -> None:
    make_hole()
    export(folder, allow_incomplete=True)
    file = tmp_path / "stocks.duckdb"
    views = write_duckdb(file, folder.path)
    assert views == ["adj_factor", "daily", "daily_backward", "export_gap", "namechange"]
    with duckdb.connect(file, read_only=True) as database:
        count = database.execute(
            "SELECT count(*), min(trade_date), sum(close) FROM daily"
        ).fetchone()
        held = [close for close in Daily.objects.values_list("close", flat=True) if close]
        assert count == (17, DAYS[0], pytest.approx(sum(held)))
        gaps = database.execute("SELECT * FROM export_gap").fetchall()
        assert gaps == [("daily", "20200106", "partial: 1 expected code is missing")]
        adjusted = "SELECT close FROM {} WHERE ts_code = '000001.SZ' AND trade_date = '2019-12-30'"
        assert database.execute(adjusted.format("daily_backward")).fetchone() == (15.0,)
        forward = adjusted.format("daily_forward(DATE '2020-01-10')")
        assert database.execute(forward).fetchone() == (10.0 * 1.5 / 2.5,)
        columns = database.execute("DESCRIBE daily").fetchall()
        assert [column[0] for column in columns] == list(DATASETS["daily"].field_names)
    Daily.objects.filter(trade_date=DAYS[0]).update(close=50.0)
    export(folder, now=LATER, allow_incomplete=True)
    with duckdb.connect(file, read_only=True) as database:  # the same file shows the next export
        assert database.execute("SELECT max(close) FROM daily").fetchone() == (50.0,)


def said(*args: str) -> str:
    out = io.StringIO()
    call_command("export", *args, stdout=out, stderr=out)
    return out.getvalue()


@pytest.fixture
def today(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("django.utils.timezone.now", lambda: NOW)


@pytest.mark.usefixtures("today")
def test_the_command_tells_what_it_wrote_and_what_is_not_proved(tmp_path: Path) -> None:
    out, file = str(tmp_path / "out"), str(tmp_path / "s.duckdb")
    text = said(out, "--datasets", "daily,adj_factor", "--duckdb", file)
    assert f"written {OF_2019}\n" in text
    assert f"{out}: 4 files written, 0 unchanged, 36 rows\n" in text
    assert f"{file}: adj_factor, daily, daily_backward, export_gap\n" in text
    make_hole()
    with pytest.raises(CommandError, match="Nothing was exported.*daily 20200106"):
        said(out, "--datasets", "daily")
    text = said(out, "--datasets", "daily", "--allow-incomplete")
    assert "not proved: daily 20200106 (partial: 1 expected code is missing)\n" in text
    with pytest.raises(CommandError, match="'dayly' is not a dataset"):
        said(out, "--datasets", "dayly")


@pytest.mark.usefixtures("today")
def test_what_was_never_fetched_is_no_export(tmp_path: Path) -> None:
    with pytest.raises(
        CommandError, match="dc_index all .nothing was ever fetched|dc_index all .not the source"
    ):
        said(str(tmp_path / "out"), "--datasets", "dc_index")


def test_a_span_of_a_year_begins_at_the_horizon(folder: Folder) -> None:
    export(folder, "daily")
    assert "DATE '2019-12-30'" in partitions(folder)[OF_2019]["sql"]
    assert Span.of_year(2020).first == dt.date(2020, 1, 1)
