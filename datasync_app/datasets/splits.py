"""How a truncated answer is asked for again in smaller parts.

Paging by offset is no way: `daily` does not support it, and repeats and loses rows.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from datasync_app.datasets.periods import report_periods
from datasync_app.dates import parse_date, show_date

Params = Mapping[str, str]


class Split(Protocol):
    """Cuts the parameters of a truncated call into parts that together ask for the same rows."""

    def parts(self, params: Params, codes: Sequence[str]) -> list[Params]:
        """Smaller calls, or none where the call cannot be split further.

        `codes` are all that may be in the answer, for splits by code.
        """

    def belongs(self, params: Params) -> Mapping[str, frozenset[str]]:
        """The values that a field may have in every row of a part, beside those of the whole."""


@dataclass(frozen=True)
class ByCodes:
    """By lists of codes, at most `most` in a call; a list that is still too long is halved.

    `otherwise` is for endpoints that may not take lists: every list has rows, so a list without any
    says that it does not.
    """

    most: int
    otherwise: Split | None = None

    def parts(self, params: Params, codes: Sequence[str]) -> list[Params]:
        asked = params.get("ts_code")
        if asked is None:
            size = self.most
            listed = sorted(codes)
        else:
            listed = asked.split(",")
            size = (len(listed) + 1) // 2
            if size == len(listed):
                return []
        chunks = (listed[at : at + size] for at in range(0, len(listed), size))
        return [{**params, "ts_code": ",".join(chunk)} for chunk in chunks]

    def belongs(self, params: Params) -> Mapping[str, frozenset[str]]:
        asked = params.get("ts_code")
        return {"ts_code": frozenset(asked.split(","))} if asked else {}


@dataclass(frozen=True)
class ByShorterRange:
    """By halves of the range from `start_date` to `end_date`, down to a single day.

    A call without a range counts as one over all the years there may be.
    """

    def parts(self, params: Params, codes: Sequence[str]) -> list[Params]:
        start = parse_date(params.get("start_date", "19900101"))
        end = parse_date(params.get("end_date", "20991231"))
        if start >= end:
            return []
        middle = start + (end - start) // 2
        later = type(middle).fromordinal(middle.toordinal() + 1)
        return [
            {**params, "start_date": show_date(start), "end_date": show_date(middle)},
            {**params, "start_date": show_date(later), "end_date": show_date(end)},
        ]

    def belongs(self, params: Params) -> Mapping[str, frozenset[str]]:
        return {}  # a range names no field


@dataclass(frozen=True)
class ByReportPeriod:
    """By the `most` report periods before the day that is asked for, with `end_date`.

    Reports that are later still come with the cut answer, whose rows are kept.
    """

    most: int

    def parts(self, params: Params, codes: Sequence[str]) -> list[Params]:
        if "end_date" in params:
            return []
        (day,) = (parse_date(value) for value in params.values())
        periods = report_periods(dt.date(day.year - self.most // 4 - 1, 1, 1), day)
        return [{**params, "end_date": show_date(period)} for period in periods[: self.most]]

    def belongs(self, params: Params) -> Mapping[str, frozenset[str]]:
        return _one_value("end_date", params)


@dataclass(frozen=True)
class ByValue:
    """By the values of a parameter that every row has exactly one of."""

    name: str
    values: tuple[str, ...]

    def parts(self, params: Params, codes: Sequence[str]) -> list[Params]:
        if self.name in params:
            return []
        return [{**params, self.name: value} for value in self.values]

    def belongs(self, params: Params) -> Mapping[str, frozenset[str]]:
        return _one_value(self.name, params)


def _one_value(name: str, params: Params) -> Mapping[str, frozenset[str]]:
    return {name: frozenset({params[name]})} if name in params else {}
