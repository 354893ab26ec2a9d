"""What other apps show on the overview and of an execution: each registers its panels in a module
`dashboard.py`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from django.http import HttpRequest
from django.template.loader import render_to_string
from django.utils.safestring import SafeString

from scheduler_app.models import ExecutionLog

Facts = Callable[[HttpRequest], dict[str, object] | None]

FactsOfRun = Callable[[HttpRequest, ExecutionLog], dict[str, object] | None]

_panels: dict[str, Panel] = {}
_of_runs: dict[str, tuple[str, FactsOfRun]] = {}


@dataclass(frozen=True)
class Panel:
    """A part of the overview. `facts` gives what its template shows, by a number of queries that
    does not grow, or None where the person may not see it or there is nothing to say. A `first`
    one stands above what the scheduler says of itself."""

    name: str
    template: str
    facts: Facts
    first: bool = False


def register_panel(panel: Panel) -> None:
    """Show it on the overview; panels stand in the order in which they were registered."""
    _panels[panel.name] = panel


def rendered(request: HttpRequest, *, first: bool) -> list[SafeString]:
    """The panels that have something to say to this person."""
    chosen = [panel for panel in _panels.values() if panel.first == first]
    told = ((panel, panel.facts(request)) for panel in chosen)
    return [
        render_to_string(panel.template, facts, request=request)
        for panel, facts in told
        if facts is not None
    ]


def register_run_panel(name: str, template: str, facts: FactsOfRun) -> None:
    """Show it on the page of an execution, above its result as JSON; `facts` is as a panel's."""
    _of_runs[name] = (template, facts)


def rendered_of_run(request: HttpRequest, execution: ExecutionLog) -> list[SafeString]:
    """What other apps say of an execution, for this person."""
    told = ((template, facts(request, execution)) for template, facts in _of_runs.values())
    return [
        render_to_string(template, facts, request=request)
        for template, facts in told
        if facts is not None
    ]
