"""What a dataset is: one declaration that planner, fetcher, writer, ledger and docs all read."""

from __future__ import annotations

import datetime as dt
import enum
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from django.db.models import Model, Q

from datasync_app.datasets.rules import Rule
from datasync_app.datasets.splits import Split

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise


class Kind(enum.Enum):
    """The type of a field, as PostgreSQL names it in a binary COPY."""

    TEXT = "text"
    CODE = "varchar"
    DATE = "date"
    NUMBER = "float8"
    FLAG = "int2"


@dataclass(frozen=True)
class Field:
    """A native Tushare field. A required one (key or price) may not be absent from an answer."""

    name: str
    kind: Kind
    required: bool = False


@dataclass(frozen=True)
class Cell:
    """The unit that is fetched, stored and accounted for as a whole.

    `date` is set where the cell is a trade date; `key` is its name in the ledger.
    """

    key: str
    date: dt.date | None = None


class Cut(Protocol):
    """How a dataset is cut into cells, and what each cell asks of the source."""

    def params(self, cell: Cell) -> Mapping[str, str]:
        """The request parameters of the cell's call."""

    def belongs(self, cell: Cell) -> Mapping[str, str | frozenset[str]]:
        """The value, or values, that a field may have in every row; others are a mismatch."""

    def rows(self, cell: Cell) -> Q:
        """The stored rows of the cell."""


class Writing(enum.Enum):
    """How an answer becomes rows."""

    REPLACE = "replace"
    """The cell's rows are deleted and the new ones copied in, in one transaction."""
    MERGE = "merge"
    """Rows are inserted or updated by key; nothing is deleted, absent fields keep their value."""
    VERSIONS = "versions"
    """Every content of a key is a row of its own; nothing is deleted, what is seen again is dated."""
    INTERVALS = "intervals"
    """A key holds from the day it came until the day it went; nothing is deleted."""


class Expectation(enum.Enum):
    """What must be in a cell before it counts as complete. Sets of keys, never counts."""

    LISTED_CODES = "listed_codes"
    """Every code listed that day, save those with a reason."""
    EVERY_DAY_OF_YEAR = "every_day_of_year"
    """One row for each calendar day of the cell's year."""
    OPEN_DAYS = "open_days"
    """One row for each open day of the cell's year that is due by now."""
    NONE = "none"
    """Whatever the source says; empty only where `empty_cells` says so."""


@dataclass(frozen=True)
class Dataset:
    """The declaration. `name` is the Tushare endpoint and the table.

    `key` identifies a row; those of its parts in `optional_key` may be NULL. `row_cap` is how many
    rows one call gives at most, `split` how more are asked for. `due` are the Shanghai times of a
    trade date from which its cell is expected: one that was fetched before the later ones is read
    again after them, and stays good meanwhile. `fresh_for` is how long a cell without a trade date
    counts as up to date; `empty_cells` names the cells that may legitimately be empty ("*": any).

    `expects_suspended` tells whether a code that is suspended all day has a row all the same.
    `sisters` are the datasets whose codes of the same date this one should hold too. Rows that
    break a rule of `quarantine` are kept apart. Up to `closed_days_before` the source has rows on
    days that the calendar has closed, so those are asked for as well. The values of `rounded` are
    rounded anew by the source now and then, which is no restatement worth a line for each.
    `read_twice` is set where nothing tells whether an answer is whole: it is believed at once, and
    asked for again half an hour later, until two answers are the same.
    """

    name: str
    title: StrOrPromise
    model: type[Model]
    fields: tuple[Field, ...]
    key: tuple[str, ...]
    cut: Cut
    expectation: Expectation
    optional_key: frozenset[str] = frozenset()
    writing: Writing = Writing.REPLACE
    row_cap: int | None = None
    split: Split | None = None
    first_date: dt.date = dt.date(1990, 12, 19)
    due: tuple[dt.time, ...] = ()
    fresh_for: dt.timedelta | None = None
    empty_cells: frozenset[str] = frozenset()
    expects_suspended: bool = False
    sisters: tuple[str, ...] = ()
    quarantine: tuple[Rule, ...] = ()
    closed_days_before: dt.date | None = None
    rounded: frozenset[str] = frozenset()
    read_twice: bool = False
    minimal_points: int = 120

    @property
    def field_names(self) -> tuple[str, ...]:
        return tuple(field.name for field in self.fields)

    @property
    def required_names(self) -> tuple[str, ...]:
        return tuple(field.name for field in self.fields if field.required)

    @property
    def has_one_row_per_code(self) -> bool:
        """Within a trade date, which is what every other part of the key is."""
        return set(self.key) == {"trade_date", "ts_code"}

    def may_be_empty(self, cell: Cell) -> bool:
        return "*" in self.empty_cells or cell.key in self.empty_cells


def fields(kind: Kind, names: str, *, required: bool = False) -> Iterable[Field]:
    """Several fields of one kind, named in one string."""
    return (Field(name, kind, required) for name in names.split())
