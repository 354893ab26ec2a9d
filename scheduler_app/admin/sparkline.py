"""The durations of a job's last runs as a line of bars, drawn in SVG: no script, no request."""

from __future__ import annotations

import math
from collections.abc import Sequence

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext

from scheduler_app.admin import look
from scheduler_app.history import Lap
from scheduler_app.models import Status

WIDTH, HEIGHT, GAP = 5, 24, 1
# So much of the height has a run that took no time: it is seen to have been one.
_LEAST = 2


def sparkline(laps: Sequence[Lap]) -> SafeString | str:
    """The runs, oldest first: as high as they took long, red where they failed. The scale is
    logarithmic, since one run over a year would hide all the others."""
    if not laps:
        return look.NOTHING
    highest = math.log1p(max(lap.duration_ms for lap in laps)) or 1.0
    bars = []
    for place, lap in enumerate(laps):
        height = _LEAST + (HEIGHT - _LEAST) * math.log1p(lap.duration_ms) / highest
        kind = "run-bar-bad" if lap.status == Status.FAILED else "run-bar"
        title = f"{look.moment(lap.started_at)}: {look.duration(lap.duration_ms)}"
        bars.append((kind, place * (WIDTH + GAP), f"{HEIGHT - height:.1f}", WIDTH,
                     f"{height:.1f}", f"{title}, {Status(lap.status).label}"))  # fmt: skip
    drawn = format_html_join(
        "",
        '<rect class="{}" x="{}" y="{}" width="{}" height="{}"><title>{}</title></rect>',
        bars,
    )
    words = gettext("the last %(runs)d runs; the newest took %(time)s") % {
        "runs": len(laps),
        "time": look.duration(laps[-1].duration_ms),
    }
    width = len(laps) * (WIDTH + GAP) - GAP
    return format_html(
        '<svg class="run-sparkline" role="img" aria-label="{}" width="{}" height="{}"'
        ' viewBox="0 0 {} {}">{}</svg>',
        words, width, HEIGHT, width, HEIGHT, drawn,
    )  # fmt: skip
