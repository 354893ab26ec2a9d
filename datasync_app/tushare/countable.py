"""A call while the database that counts the calls is away: none is made, and none is given up at once."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Callable
from typing import TypeVar

from datasync_app.tushare.database import QuotaUnavailable
from datasync_app.tushare.outcomes import Uncounted, show_call
from datasync_app.tushare.wire import Call

logger = logging.getLogger(__name__)

PATIENCE_SECONDS = 60.0
PAUSE_SECONDS = 2.0
# A database that was away for that long is given so much more.
AGAIN = dt.timedelta(minutes=1)

T = TypeVar("T")


def while_countable(
    attempt: Callable[[], T],
    call: Call,
    *,
    clock: Callable[[], float],
    now: Callable[[], dt.datetime],
    pause: Callable[[float], None],
) -> T:
    """What `attempt` returns, tried again for about a minute while the calls cannot be counted.

    Raises:
        Uncounted: the database stayed away.
        Whatever `attempt` and `pause` raise.
    """
    end = clock() + PATIENCE_SECONDS
    told = False
    while True:
        try:
            return attempt()
        except QuotaUnavailable as error:
            asked = show_call(call.api_name, call.params)
            if clock() >= end:
                until = now() + AGAIN
                raise Uncounted(
                    f"{asked} was not asked, and is again at {until:%Y-%m-%d %H:%M:%S} UTC: {error}",
                    until=until,
                    api_name=call.api_name,
                    params=call.params,
                ) from error
            if not told:
                logger.warning("action=wait_for_database call=%s reason=%s", asked, error)
                told = True
        pause(PAUSE_SECONDS)
