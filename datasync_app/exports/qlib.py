"""qlib's own layout: a calendar, instruments, and a file of float32 for each field of each code.

`features/sz000001/close.day.bin` has, little-endian, the place of its first day in `calendars/day.txt`,
then one number for each day from there on. Prices are adjusted backward, by the factor of their day, so
that what was written stays as it is when a dividend comes; `factor` is what they were multiplied by. What
is not held is NaN.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from django.db import connection

from datasync_app.datasets.market import ADJ_FACTOR, DAILY, INDEX_DAILY
from datasync_app.engine.calendar import open_days
from datasync_app.engine.identity import stored_identity
from datasync_app.errors import CalendarUnknown
from datasync_app.exports.arrow import Reading
from datasync_app.exports.folder import Folder, keep
from datasync_app.exports.parquet import MANIFEST, read_manifest
from datasync_app.exports.proof import Proof, prove, refuse_gaps
from datasync_app.reports.content import Span
from datasync_app.snapshot import one_view

FORMAT = 2
FIELDS = ("open", "high", "low", "close", "volume", "amount", "vwap", "change", "factor")
# Days that changed and are patched into the files; with more of them, every code is read anew.
MOST_PATCHED = 20
_EPOCH = dt.date(1970, 1, 1)

Numbers = npt.NDArray[np.float32]
Places = npt.NDArray[np.int64]

# Volume in shares of the day on which the factor was 1, amount in yuan; an index has no factor.
_BARS = """
    SELECT ts_code, trade_date, open * factor AS open, high * factor AS high, low * factor AS low,
           close * factor AS close, vol * 100 / factor AS volume, amount * 1000 AS amount,
           CASE WHEN vol > 0 THEN amount * 10 / vol * factor END AS vwap,
           close / nullif(pre_close, 0) - 1 AS change, factor
    FROM (
        SELECT d.ts_code, d.trade_date, open, high, low, close, pre_close, vol, amount,
               nullif(f.adj_factor, 0) AS factor
        FROM daily AS d LEFT JOIN adj_factor AS f USING (trade_date, ts_code)
        WHERE {days}
        UNION ALL
        SELECT d.ts_code, d.trade_date, open, high, low, close, pre_close, vol, amount, 1
        FROM index_daily AS d WHERE {days} AND {indices}
    ) AS bar
"""
_BY_CODE = _BARS + 'ORDER BY ts_code COLLATE "C", trade_date'
# What any number of a day changes, changes this: how many bars there are, and the sum of their hashes of
# 64 bits. It is compared with that of the last export and with nothing else, so it need not be a digest
# that others can make: sorted text through SHA-256 took twice as long.
_BY_DAY = f"""
    SELECT trade_date, count(*) || ':' || sum(hash_record_extended(bar, 0))
    FROM ({_BARS}) AS bar GROUP BY trade_date ORDER BY trade_date
"""  # noqa: S608 (of our own text)
_SCHEMA = pa.schema(
    [("ts_code", pa.string()), ("trade_date", pa.date32()), *((f, pa.float64()) for f in FIELDS)]
)


@dataclass(frozen=True)
class Series:
    """The numbers of a code, a row for each field, from the day at place `start` on."""

    start: int
    numbers: Numbers

    @property
    def end(self) -> int:
        return self.start + int(self.numbers.shape[1]) - 1


@dataclass(frozen=True)
class QlibOutcome:
    """Codes whose files were written, and those whose files were kept; days that had changed."""

    written: int
    kept: int
    days: int
    rows: int
    gaps: Mapping[str, Mapping[str, str]]


def export_qlib(folder: Folder, *, now: dt.datetime, allow_incomplete: bool = False) -> QlibOutcome:
    """Bring the folder up to date; as `export_parquet`, whole or not at all.

    Raises:
        ExportRefused: bars or factors cannot be proved, or nothing can be written there.
    """
    with one_view():
        proofs = [prove(dataset, now=now) for dataset in (DAILY, ADJ_FACTOR)]
        has_indices = INDEX_DAILY.model._default_manager.exists()
        if has_indices:  # without them there are no benchmarks, and everything else
            proofs.append(prove(INDEX_DAILY, now=now))
        refuse_gaps(proofs, allowed=allow_incomplete)
        with folder.rewritten() as aside:
            export = _Export(folder.current, aside, proofs[0].span, has_indices)
            export.run()
            _write_manifest(aside, proofs, export.digests, now)
    gaps = {proof.dataset.name: proof.gaps for proof in proofs if proof.gaps}
    return QlibOutcome(export.written, export.kept, export.changed, export.rows, gaps)


class _Export:
    def __init__(self, old: Path | None, aside: Path, span: Span, has_indices: bool) -> None:
        self._old, self._aside = old, aside
        self._span, self._has_indices = span, has_indices
        self.digests = self._digests()
        days = [dt.date.fromisoformat(day) for day in self.digests]
        self.calendar = sorted({*days, *_open_days(days)})
        self._places = np.array([(day - _EPOCH).days for day in self.calendar], dtype=np.int64)
        self.written = self.kept = self.changed = self.rows = 0
        self._spans: dict[str, tuple[int, int]] = {}

    def run(self) -> None:
        before = _manifest(self._old)
        was = before["days"] if before else {}
        changed = {
            day for day in self.digests.keys() | was.keys() if self.digests.get(day) != was.get(day)
        }
        self.changed = len(changed)
        goes_on = self._old is not None and before is not None and self._continues(self._old)
        if goes_on and self._old and len(changed) <= MOST_PATCHED:
            self._patch(self._old, sorted(changed))
        else:
            for code, series in self._read(self._sql(self._span.within("d.trade_date"))):
                self._write(code, series)
        self._write_lists()

    def _continues(self, old: Path) -> bool:
        """Whether each day is at the place that it had: then only days at the end are new."""
        lines = (old / "calendars" / "day.txt").read_text(encoding="ascii").split()
        return lines == [day.isoformat() for day in self.calendar][: len(lines)]

    def _patch(self, old: Path, days: Sequence[str]) -> None:
        """Put the numbers of some days into the files of the codes that had, or have, any on them."""
        at = np.array([(dt.date.fromisoformat(day) - _EPOCH).days for day in days], dtype=np.int64)
        at = np.searchsorted(self._places, at[np.isin(at, self._places)])
        listed = ", ".join(f"DATE '{day}'" for day in days)
        new = dict(self._read(self._sql(f"d.trade_date IN ({listed})"))) if days else {}
        held = {_code_of(path.name): path for path in sorted((old / "features").iterdir())}
        for code in sorted(held.keys() | new.keys()):
            series = _read_files(held[code]) if code in held else None
            patched = _patched(series, new.get(code), at)
            if series is not None and patched is not None and _are_same(series, patched):
                self._keep(held[code], code, series)
            elif patched is not None:
                self._write(code, patched)

    def _read(self, statement: str) -> Iterator[tuple[str, Series]]:
        """Code by code: no more than one and a few megabytes of rows are in memory."""
        code, waiting = "", list[pa.Table]()
        for table in Reading(statement, _SCHEMA).tables():
            self.rows += table.num_rows
            codes = table.column("ts_code").combine_chunks()
            ends = [*np.flatnonzero(pc.not_equal(codes[:-1], codes[1:])) + 1, table.num_rows]
            begin = 0
            for end in ends:
                name = codes[begin].as_py()
                if name != code and waiting:
                    yield code, self._series(pa.concat_tables(waiting))
                    waiting = []
                code = name
                waiting.append(table.slice(begin, int(end) - begin))
                begin = int(end)
        if waiting:
            yield code, self._series(pa.concat_tables(waiting))

    def _series(self, rows: pa.Table) -> Series:
        days = rows.column("trade_date").cast(pa.int32()).to_numpy()
        places = np.searchsorted(self._places, days)
        numbers = np.full((len(FIELDS), places[-1] - places[0] + 1), np.nan, dtype=np.float32)
        for at, field in enumerate(FIELDS):
            numbers[at, places - places[0]] = rows.column(field).to_numpy()
        return Series(int(places[0]), numbers)

    def _write(self, code: str, series: Series) -> None:
        place = self._aside / "features" / _file_of(code)
        place.mkdir(parents=True)
        for field, numbers in zip(FIELDS, series.numbers, strict=True):
            content = np.concatenate([[np.float32(series.start)], numbers]).astype("<f4")
            (place / f"{field}.day.bin").write_bytes(content.tobytes())
        self._spans[code] = (series.start, series.end)
        self.written += 1

    def _keep(self, old: Path, code: str, series: Series) -> None:
        for file in old.iterdir():
            keep(file, self._aside / "features" / old.name / file.name)
        self._spans[code] = (series.start, series.end)
        self.kept += 1

    def _write_lists(self) -> None:
        days = [day.isoformat() for day in self.calendar]
        indices = self._index_codes() if self._has_indices else set()
        for name, codes in (("all", self._spans.keys() - indices), ("index", indices)):
            lines = [
                "\t".join((_name_of(code), *(days[place] for place in self._spans[code])))
                for code in sorted(codes & self._spans.keys())
            ]
            _write_lines(self._aside / "instruments" / f"{name}.txt", lines)
        _write_lines(self._aside / "calendars" / "day.txt", days)
        (self._aside / "features").mkdir(exist_ok=True)

    def _sql(self, days: str, pattern: str = _BY_CODE) -> str:
        indices = "true" if self._has_indices else "false"
        return pattern.format(days=days or "true", indices=indices)

    def _digests(self) -> dict[str, str]:
        with connection.cursor() as cursor:
            cursor.execute(self._sql(self._span.within("d.trade_date"), _BY_DAY))
            return {day.isoformat(): digest for day, digest in cursor.fetchall()}

    def _index_codes(self) -> set[str]:
        manager = INDEX_DAILY.model._default_manager
        return set(manager.values_list("ts_code", flat=True).distinct())


def _open_days(held: Sequence[dt.date]) -> list[dt.date]:
    """The open days between those held, that a hole has a place too; as far as the calendar is known."""
    try:
        return open_days(held[0], held[-1]) if held else []
    except CalendarUnknown:
        return []


def _patched(
    old: Series | None, new: Series | None, places: npt.NDArray[np.int64]
) -> Series | None:
    """The old numbers without those of the places, and the new ones there; None where none is left."""
    parts = [part for part in (old, new) if part is not None]
    if not parts:
        return None
    start, end = min(part.start for part in parts), max(part.end for part in parts)
    numbers = np.full((len(FIELDS), end - start + 1), np.nan, dtype=np.float32)
    if old is not None:
        numbers[:, old.start - start : old.end - start + 1] = old.numbers
    inside = places[(places >= start) & (places <= end)] - start
    numbers[:, inside] = np.nan
    if new is not None:
        among = np.isin(np.arange(new.start, new.end + 1), places)
        numbers[:, np.flatnonzero(among) + new.start - start] = new.numbers[:, among]
    held = np.flatnonzero(~np.isnan(numbers).all(axis=0))
    if not len(held):
        return None
    return Series(start + int(held[0]), numbers[:, held[0] : held[-1] + 1])


def _are_same(one: Series, other: Series) -> bool:
    return one.start == other.start and np.array_equal(one.numbers, other.numbers, equal_nan=True)


def _read_files(place: Path) -> Series:
    fields = [np.fromfile(place / f"{field}.day.bin", dtype="<f4") for field in FIELDS]
    return Series(int(fields[0][0]), np.stack(fields)[:, 1:])


def _name_of(code: str) -> str:
    """000001.SZ is SZ000001."""
    number, _, exchange = code.partition(".")
    return f"{exchange}{number}"


def _file_of(code: str) -> str:
    return _name_of(code).lower()


def _code_of(file: str) -> str:
    name = file.upper()
    return f"{name[2:]}.{name[:2]}"


def _write_lines(file: Path, lines: Sequence[str]) -> None:
    file.parent.mkdir(exist_ok=True)
    file.write_text("".join(f"{line}\n" for line in lines), encoding="ascii")


def _manifest(folder: Path | None) -> dict[str, dict[str, str]] | None:
    """That of the last export; None where there is none that this version can go on from."""
    if folder is None or not (folder / MANIFEST).is_file():
        return None
    document = read_manifest(folder)
    is_ours = document.get("format") == FORMAT and document.get("fields") == list(FIELDS)
    return document if is_ours else None


def _write_manifest(
    aside: Path, proofs: Sequence[Proof], digests: Mapping[str, str], now: dt.datetime
) -> None:
    document = {
        "format": FORMAT,
        "made_at": now.isoformat(),
        "source": stored_identity() or "",
        "good": not any(proof.gaps for proof in proofs),
        "not_good": {proof.dataset.name: dict(proof.gaps) for proof in proofs},
        "fields": list(FIELDS),
        "days": digests,
    }
    text = json.dumps(document, indent=1, ensure_ascii=False)
    (aside / MANIFEST).write_text(text + "\n", encoding="utf-8")
