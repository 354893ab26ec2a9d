"""The cheapest calls for a set of reports: whole periods, or ranges of one company's reports.

Either fills the same cells, so a token that gains or loses the right to whole periods loses nothing.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from datasync_app.datasets.base import Cell
from datasync_app.datasets.finance import BY_COMPANY, BY_PERIOD, FINA_BY_PERIOD
from datasync_app.engine.finance.expected import Report
from datasync_app.tushare.access import Access


@dataclass(frozen=True)
class Calls:
    """Calls in the order of the reports; `covers` says which reports each was planned for."""

    by_period: tuple[Cell, ...] = ()
    by_company: tuple[Cell, ...] = ()
    covers: dict[str, list[Report]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.by_period) + len(self.by_company)


def may_ask_by_period(access: Access) -> bool:
    """Whether it makes sense to ask for a whole period: not denied, not used up, and the account
    has the points, or nobody knows how many, or it was answered all the same.
    """
    if access.denial_in_force() or access.spent_in_force():
        return False
    has_points = access.points is None or access.points >= FINA_BY_PERIOD.minimal_points
    return has_points or access.answered_at is not None


def cheapest_calls(reports: Sequence[Report], *, by_period: bool) -> Calls:
    """The fullest periods as a whole, the rest by company: as many periods as makes fewest calls."""
    if not by_period:
        return calls_by_company(reports)
    fullest = [period for period, _ in Counter(report.period for report in reports).most_common()]
    reports_left = Counter(report.code for report in reports)
    codes_of = defaultdict(list)
    for report in reports:
        codes_of[report.period].append(report.code)
    costs = [len(reports_left)]
    for count, period in enumerate(fullest, start=1):
        reports_left.subtract(codes_of[period])
        reports_left = +reports_left
        costs.append(count + len(reports_left))
    whole = set(fullest[: costs.index(min(costs))])
    rest = calls_by_company([report for report in reports if report.period not in whole])
    covers = defaultdict(list, rest.covers)
    for report in reports:
        if report.period in whole:
            covers[BY_PERIOD.of(report.period).key].append(report)
    periods = tuple(BY_PERIOD.of(period) for period in sorted(whole, reverse=True))
    return Calls(periods, rest.by_company, dict(covers))


def calls_by_company(reports: Sequence[Report]) -> Calls:
    """One call a company, from the first to the last of its periods."""
    of_company: dict[str, list[Report]] = {}
    for report in reports:
        of_company.setdefault(report.code, []).append(report)
    covers = {}
    calls = []
    for code, wanted in of_company.items():
        periods = [report.period for report in wanted]
        call = BY_COMPANY.of(code, min(periods), max(periods))
        calls.append(call)
        covers[call.key] = wanted
    return Calls(by_company=tuple(calls), covers=covers)
