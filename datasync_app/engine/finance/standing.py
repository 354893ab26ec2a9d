"""How the expected reports stand: for the summary of a run, and by period for coverage."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field

from datasync_app.engine.finance.expected import LATE, Scope, ask
from datasync_app.engine.report import DatasetReport

_OPEN = """
SELECT cell, ts_code, has_failed, coalesce(state, 'due'), coalesce(last_error, ''),
       fetched_at IS NULL AND NOT has_failed
FROM standing WHERE NOT is_good ORDER BY cell
"""
_GOOD = "SELECT count(*) FROM standing WHERE is_good"
_BY_PERIOD = """
SELECT period, count(*), count(disclosed), count(*) FILTER (WHERE state = 'complete'),
       count(*) FILTER (WHERE state = 'empty_confirmed'),
       count(*) FILTER (WHERE NOT is_good AND %(today)s - coalesce(disclosed, closes) <= %(late)s),
       count(*) FILTER (WHERE NOT is_good AND %(today)s - coalesce(disclosed, closes) > %(late)s),
       count(*) FILTER (WHERE has_failed)
FROM standing GROUP BY period ORDER BY period DESC
"""


@dataclass
class Standing:
    """What is good and what is not: `awaited` was asked for and is not there yet, `left` was never
    asked for, of `companies_left` companies.
    """

    good: int = 0
    failed: dict[str, str] = field(default_factory=dict)
    awaited: dict[str, str] = field(default_factory=dict)
    left: int = 0
    companies_left: int = 0

    def write_into(self, report: DatasetReport, *, strict: bool) -> None:
        """Give the report of a run its cells. A `strict` one takes nothing but good for good."""
        report.good_before = self.good
        report.open_cells = dict(self.failed)
        report.awaited = dict(self.awaited)
        if self.left:
            report.left = (
                f"{self.left} reports of {self.companies_left} companies were not asked for yet"
            )
        if strict:
            report.open_cells |= report.awaited
            report.awaited = {}
            if report.left:
                report.open_cells["others"] = report.left


@dataclass(frozen=True)
class PeriodStanding:
    """The reports of one period. `absent` are those that two fetches agree the source does not have."""

    period: dt.date
    expected: int
    disclosed: int
    held: int
    absent: int
    late: int
    missing: int
    failed: int

    @property
    def is_good(self) -> bool:
        return not self.late and not self.missing

    def sentence(self) -> str:
        said = (
            f"{self.expected} reports expected, {self.disclosed} of them disclosed; {self.held} held, "
            f"{self.absent} absent by two fetches, {self.late} late, {self.missing} missing"
        )
        return f"{said}; {self.failed} failed" if self.failed else said


def standing_of(scope: Scope, *, now: dt.datetime) -> Standing:
    """How every expected report of the scope stands now."""
    standing = Standing()
    without_call = set()
    for cell, code, has_failed, state, problem, was_never_asked in ask(_OPEN, scope.values(now)):
        why = f"{state}: {problem}".rstrip(": ")
        if has_failed:
            standing.failed[cell] = why
        elif was_never_asked:
            standing.left += 1
            without_call.add(code)
        else:
            standing.awaited[cell] = why
    standing.companies_left = len(without_call)
    standing.good = ask(_GOOD, scope.values(now))[0][0]
    return standing


def by_period(scope: Scope, *, now: dt.datetime) -> list[PeriodStanding]:
    """The standing of each period that has a report expected, newest first."""
    values = {**scope.values(now), "late": LATE.days}
    return [PeriodStanding(*row) for row in ask(_BY_PERIOD, values)]
