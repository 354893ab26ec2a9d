"""What every admin page says of the data's source: generated data are never silent about it."""

from __future__ import annotations

from django.db import DatabaseError
from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from datasync_app.engine.identity import is_generated, stored_identity


def source(request: HttpRequest) -> dict[str, object]:
    """`generated_source`: the identity of a sandbox or replay whose data this database holds, or ""."""
    return {"generated_source": SimpleLazyObject(_generated_source)}


def _generated_source() -> str:
    try:
        identity = stored_identity()
    except DatabaseError:
        return ""  # the page itself reports the outage
    return identity if identity and is_generated(identity) else ""
