"""What every admin page says of the data's source: generated data are never silent about it."""

from __future__ import annotations

from django.conf import settings
from django.db import DatabaseError
from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from datasync_app.engine.identity import is_generated, stored_identity
from datasync_app.tushare.addresses import is_loopback


def source(request: HttpRequest) -> dict[str, object]:
    """What the banner asks.

    `generated_source`: the identity of a sandbox or replay whose data this database holds, or "".
    `token_is_refused`: whether a token is set that these data keep from being used.
    """
    return {
        "generated_source": SimpleLazyObject(_generated_source),
        "token_is_refused": bool(settings.TUSHARE_TOKEN)
        and not is_loopback(settings.TUSHARE_BASE_URL),
    }


def _generated_source() -> str:
    try:
        identity = stored_identity()
    except DatabaseError:
        return ""  # the page itself reports the outage
    return identity if identity and is_generated(identity) else ""
