"""The journal and the limits as charts: the rows of a list, as Chart.js takes them, and in words."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from datasync_app.models import CallDay, EndpointAccess

# Told apart by people who see few colours too, on light and on dark.
_COLORS = ("#4477aa", "#ee9944", "#228833", "#aa3377", "#66ccee", "#bbaa33", "#888888")
_REFUSED = "#d64545"
# More lines than this are a tangle; the busiest are shown.
_MOST_ENDPOINTS = 6
_MOST_TIMED = 3


@dataclass(frozen=True)
class Chart:
    """`words` say the same to those who do not see it."""

    title: str
    kind: str
    data: str
    options: str
    words: str


def of_days(rows: Sequence[CallDay]) -> list[Chart]:
    """Calls, refusals and how long calls took, by day and endpoint."""
    if not rows:
        return []
    days = sorted({row.day for row in rows})
    calls: Counter[tuple[str, object]] = Counter()
    by_endpoint: Counter[str] = Counter()
    refused: Counter[object] = Counter()
    for row in rows:
        calls[row.api_name, row.day] += row.calls
        by_endpoint[row.api_name] += row.calls
        refused[row.day] += row.refusals
    busiest = [name for name, _count in by_endpoint.most_common(_MOST_ENDPOINTS)]
    others = [name for name in by_endpoint if name not in busiest]
    bars: list[dict[str, object]] = [
        {"label": name, "data": [calls[name, day] for day in days], "stack": "calls"}
        for name in busiest
    ]
    if others:
        rest = [sum(calls[name, day] for name in others) for day in days]
        bars.append({"label": _("others"), "data": rest, "stack": "calls"})
    for bar, color in zip(bars, _COLORS, strict=False):
        bar["backgroundColor"] = color
    bars.append(
        {
            "label": _("refused"),
            "data": [refused[day] for day in days],
            "stack": "refused",
            "backgroundColor": _REFUSED,
        }
    )
    labels = [f"{day:%m-%d}" for day in days]
    told = {"calls": by_endpoint.total(), "refused": refused.total(), "days": len(days)}
    words = (
        ngettext(
            "%(calls)d calls on %(days)d day, %(refused)d refused",
            "%(calls)d calls on %(days)d days, %(refused)d refused",
            len(days),
        )
        % told
    )
    return [
        _chart(_("Calls by day"), "bar", labels, bars, words, stacked=True),
        _times(rows, busiest[:_MOST_TIMED], labels, days),
    ]


def of_limits(rows: Iterable[EndpointAccess]) -> list[Chart]:
    """What is known of the limits, in calls per minute; endpoints of which nothing is are left out."""
    known = [row for row in rows if row.set_limit or row.learned_limit or row.stated_limit]
    if not known:
        return []
    kinds = (
        (_("set by staff"), "set_limit"),
        (_("learned"), "learned_limit"),
        (_("stated by a refusal"), "stated_limit"),
    )
    bars: list[dict[str, object]] = [
        {"label": label, "data": [getattr(row, name) for row in known], "backgroundColor": color}
        for (label, name), color in zip(kinds, _COLORS, strict=False)
    ]
    words = ", ".join(
        f"{row.api_name} {row.set_limit or row.learned_limit or row.stated_limit}" for row in known
    )
    labels = [row.api_name for row in known]
    return [_chart(_("Limits in calls per minute"), "bar", labels, bars, words)]


def _times(
    rows: Sequence[CallDay], names: Sequence[str], labels: list[str], days: Sequence[object]
) -> Chart:
    lines: list[dict[str, object]] = []
    worst: list[str] = []
    for name, color in zip(names, _COLORS, strict=False):
        of_name = {row.day: row for row in rows if row.api_name == name}
        for label, column, dashes in (("p50", "p50_ms", []), ("p95", "p95_ms", [5, 4])):
            values = [
                round(getattr(of_name[day], column)) if day in of_name else None  # type: ignore[index]
                for day in days
            ]
            lines.append(
                {
                    "label": f"{name} {label}",
                    "data": values,
                    "borderColor": color,
                    "borderDash": dashes,
                    "pointRadius": 2,
                    "spanGaps": True,
                }
            )
        slowest = max(round(row.p95_ms) for row in of_name.values())
        worst.append(f"{name} {slowest} ms")
    words = _("the slowest p95: %s") % ", ".join(worst)
    return _chart(_("Milliseconds of a call, p50 and p95"), "line", labels, lines, words)


def _chart(
    title: str,
    kind: str,
    labels: list[str],
    datasets: list[dict[str, object]],
    words: str,
    *,
    stacked: bool = False,
) -> Chart:
    axis: Mapping[str, object] = {"stacked": stacked, "grid": {"display": False}}
    options = {
        "maintainAspectRatio": False,
        "animation": False,
        "plugins": {"legend": {"display": True, "position": "bottom"}},
        "scales": {"x": axis, "y": {**axis, "beginAtZero": True, "ticks": {"display": True}}},
    }
    data = {"labels": labels, "datasets": datasets}
    return Chart(title, kind, json.dumps(data), json.dumps(options), words)
