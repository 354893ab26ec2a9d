"""What other apps show on the overview and of an execution: each registers its panels in a module
`dashboard.py`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from django.http import HttpRequest
from django.template.loader import render_to_string
from django.utils.safestring import SafeString

from scheduler_app.models import ExecutionLog

Facts = Callable[[HttpRequest], dict[str, object] | None]

FactsOfRun = Callable[[HttpRequest, ExecutionLog], dict[str, object] | None]

# By the id of a run under way, what its template shows of how far it is.
FactsOfProgress = Callable[[HttpRequest, list[int]], Mapping[int, dict[str, object]]]

_panels: dict[str, Panel] = {}
_of_runs: dict[str, tuple[str, FactsOfRun]] = {}
_of_progress: dict[str, tuple[str, FactsOfProgress]] = {}


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


def register_progress(name: str, template: str, facts: FactsOfProgress) -> None:
    """Show how far runs under way are, wherever they are shown. `facts` is asked once for all the
    runs of a page, by a number of queries that does not grow, and leaves out what it does not know."""
    _of_progress[name] = (template, facts)


def rendered_progress(
    request: HttpRequest, executions: Iterable[ExecutionLog]
) -> dict[int, list[SafeString]]:
    """By the id of a run, how far it is, as other apps tell it to this person."""
    ids = [execution.pk for execution in executions]
    told: dict[int, list[SafeString]] = {}
    for template, facts in _of_progress.values() if ids else ():
        for execution_id, of_run in facts(request, ids).items():
            text = render_to_string(template, of_run, request=request)
            told.setdefault(execution_id, []).append(text)
    return told
