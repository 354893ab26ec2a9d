"""Recorded answers, replayed: a folder of gzip CSVs whose `replay.json` names the files."""

from __future__ import annotations

import csv
import gzip
import json
import logging
import sys
import threading
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from django.utils.translation import gettext as _

from datasync_app.protocol import (
    ENDPOINTS,
    Endpoint,
    Refusal,
    Rows,
    date_range,
    missing_parameter,
    no_permission,
)
from datasync_app.protocol.columns import default_columns
from datasync_app.sandbox.protocol import SandboxProblem

logger = logging.getLogger(__name__)

# Columns that stay text even where every value looks like a number; so does every `..._date`.
_TEXT_COLUMNS = frozenset(
    [
        "ts_code",
        "symbol",
        "name",
        "area",
        "industry",
        "fullname",
        "enname",
        "cnspell",
        "market",
        "exchange",
        "curr_type",
        "list_status",
        "is_hs",
        "act_ent_type",
        "code",
        "id",
        "concept_name",
        "src",
        "update_flag",
    ]
)
_INDEXED = ("trade_date", "ts_code")


@dataclass
class Table:
    """The rows of one endpoint, and where to find them by date and by code."""

    columns: tuple[str, ...]
    rows: Rows
    index: dict[str, dict[object, list[int]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in set(_INDEXED) & set(self.columns):
            found: dict[object, list[int]] = defaultdict(list)
            position = self.columns.index(name)
            for number, row in enumerate(self.rows):
                found[row[position]].append(number)
            self.index[name] = dict(found)

    def where(self, wanted: Mapping[str, frozenset[str]]) -> Iterable[list[object]]:
        """Rows whose columns hold one of the wanted texts, in recorded order."""
        candidates: Iterable[list[object]] = self.rows
        rest = dict(wanted)
        for name in _INDEXED:
            if name in rest and name in self.index:
                values = rest.pop(name)
                numbers = [n for value in values for n in self.index[name].get(value, ())]
                candidates = [self.rows[number] for number in sorted(numbers)]
                break
        tests = [(self.columns.index(name), values) for name, values in rest.items()]
        return (row for row in candidates if all(_show(row[at]) in texts for at, texts in tests))


class ReplayMarket:
    """The recorded market of a folder. Files are read when their endpoint is first asked for."""

    def __init__(self, folder: Path | str) -> None:
        self.folder = Path(folder).resolve()
        self.identity = f"replay:{self.folder.name}"
        self._files = _read_plan(self.folder)
        self._tables: dict[str, Table] = {}
        self._lock = threading.Lock()

    def serves(self, api_name: str) -> bool:
        return api_name in self._files

    def refuse(self, api_name: str) -> Refusal:
        return no_permission()

    def default_fields(self, api_name: str) -> tuple[str, ...]:
        return default_columns(api_name, self._table(api_name).columns)

    def rows(self, api_name: str, params: Mapping[str, str]) -> tuple[tuple[str, ...], Rows]:
        endpoint = ENDPOINTS.get(api_name, Endpoint())
        if endpoint.one_of and not any(name in params for name in endpoint.one_of):
            raise missing_parameter(*endpoint.one_of)
        table = self._table(api_name)
        wanted = {}
        for name, text in {**endpoint.defaults, **params}.items():
            column = endpoint.renamed.get(name, name)
            ranges = endpoint.date_field and name in {"start_date", "end_date"}
            if column in table.columns and not ranges:
                wanted[column] = frozenset(part.strip() for part in text.split(","))
        found = table.where(wanted)
        if endpoint.date_field in table.columns and {"start_date", "end_date"} & params.keys():
            start, end = date_range(params)
            at = table.columns.index(endpoint.date_field)
            found = (row for row in found if start <= _show(row[at]) <= end)
        return table.columns, list(found)

    def _table(self, api_name: str) -> Table:
        with self._lock:
            if api_name not in self._tables:
                self._tables[api_name] = _read_table(self._files[api_name])
                logger.info(
                    "action=load_replay api_name=%s files=%s rows=%s",
                    api_name,
                    len(self._files[api_name]),
                    len(self._tables[api_name].rows),
                )
            return self._tables[api_name]


def _read_plan(folder: Path) -> dict[str, list[Path]]:
    """Endpoint to files, in the order of its patterns.

    Raises:
        SandboxProblem: the folder cannot be replayed, with the reason.
    """
    if not folder.is_dir():
        raise SandboxProblem(_("There is no folder %(folder)s to replay.") % {"folder": folder})
    try:
        plan = json.loads((folder / "replay.json").read_text(encoding="utf-8"))
        patterns = {str(name): list(globs) for name, globs in plan["endpoints"].items()}
    except FileNotFoundError:
        raise SandboxProblem(
            _("%(folder)s has no replay.json that names its files.") % {"folder": folder}
        ) from None
    except (OSError, ValueError, LookupError, AttributeError, TypeError):
        raise SandboxProblem(
            _('%(folder)s is not of the form {"endpoints": {"daily": ["daily/*.csv.gz"]}}.')
            % {"folder": folder / "replay.json"}
        ) from None
    files = {}
    for name, globs in patterns.items():
        files[name] = [path for pattern in globs for path in _matches(folder, name, pattern)]
    return files


def _matches(folder: Path, name: str, pattern: object) -> list[Path]:
    try:
        found = sorted(folder.glob(str(pattern)))
    except (ValueError, NotImplementedError, IndexError):
        found = []
    if not found:
        raise SandboxProblem(
            _("No file of %(folder)s matches %(pattern)r, named for %(name)s.")
            % {"folder": folder, "pattern": str(pattern), "name": name}
        )
    return found


def _read_table(paths: Iterable[Path]) -> Table:
    """All files as one table; they must have the same columns.

    Raises:
        SandboxProblem: a file cannot be read, or its columns differ.
    """
    columns: tuple[str, ...] = ()
    rows: Rows = []
    for path in paths:
        try:
            with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
                reader = csv.reader(file)
                header = tuple(next(reader))
                columns = columns or header
                if header != columns:
                    raise SandboxProblem(
                        _("%(path)s has other columns than the files before it.") % {"path": path}
                    )
                readers = [_text if _is_text(name) else _number for name in columns]
                rows += [
                    [read(cell) for read, cell in zip(readers, line, strict=True)]
                    for line in reader
                ]
        except (OSError, EOFError, ValueError, StopIteration) as error:
            raise SandboxProblem(
                _("%(path)s is not a gzip CSV: %(error)s.") % {"path": path, "error": error}
            ) from error
    return Table(columns, rows)


def _is_text(name: str) -> bool:
    return name in _TEXT_COLUMNS or name.endswith("_date")


def _text(cell: str) -> str | None:
    # Codes and dates repeat in every row: one string object each.
    return sys.intern(cell) if cell else None


def _number(cell: str) -> object:
    """A JSON number: the nearest double, which is written back with the same digits."""
    if not cell:
        return None
    if not cell[-1].isdecimal():
        return cell
    try:
        return int(cell) if cell.lstrip("-").isdecimal() else float(cell)
    except ValueError:
        return cell


def _show(value: object) -> str:
    return "" if value is None else str(value)
