"""After a change: has the running scheduler taken it? The person who made it is told."""

from __future__ import annotations

import time
from collections.abc import Callable

from django.contrib import messages
from django.http import HttpRequest, HttpResponseBase
from django.utils.translation import gettext as _

from scheduler_app import health
from scheduler_app.models import ScheduleRevision

WAIT_SECONDS = 2.0
LOOK_EVERY_SECONDS = 0.05


def telling(
    request: HttpRequest,
    view: Callable[[], HttpResponseBase],
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> HttpResponseBase:
    """Run the view, which commits by itself; if it changed a schedule, wait and add a message.

    Other people's changes count too: the message is then still true.
    """
    if request.method != "POST":
        return view()
    before = _revision()
    response = view()
    if _revision() > before:
        tell(request, clock=clock, sleep=sleep)
    return response


def tell(
    request: HttpRequest, *, clock: Callable[[], float], sleep: Callable[[float], None]
) -> None:
    until = clock() + WAIT_SECONDS
    while True:
        status = health.scheduler_status()
        if not status.is_alive:
            messages.warning(
                request, _("Saved; no scheduler is running, it will load this when it starts.")
            )
            return
        # In the seconds of a take-over there is none: the next one is waited for.
        name = str(status.active or status.standbys[0])
        if status.active and (status.revision_applied or 0) >= status.revision_wanted:
            messages.success(request, _("Applied by the running scheduler (%s).") % name)
            return
        if clock() >= until:
            messages.warning(
                request,
                _("Saved; the scheduler %s has not confirmed it within 2 seconds. It loads it by "
                  "itself.") % name,
            )  # fmt: skip
            return
        sleep(LOOK_EVERY_SECONDS)


def _revision() -> int:
    return ScheduleRevision.objects.values_list("value", flat=True).first() or 0
