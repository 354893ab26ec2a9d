"""What may be stored of a text: no secrets, nothing PostgreSQL refuses, no more than fits."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import date, datetime

from django.conf import settings

MASK = "***"
# A shorter secret would mask ordinary words, and is no secret.
SHORTEST_SECRET = 6


def _secrets() -> list[str]:
    configured = [getattr(settings, "TUSHARE_TOKEN", ""), settings.SECRET_KEY]
    configured += [database.get("PASSWORD") or "" for database in settings.DATABASES.values()]
    secrets = [str(secret) for secret in configured if len(str(secret)) >= SHORTEST_SECRET]
    return sorted(secrets, key=len, reverse=True)


def redact(text: str) -> str:
    """The text with the token, the secret key and the database password masked."""
    for secret in _secrets():
        text = text.replace(secret, MASK)
    return text


def storable(text: str, limit: int = 64 * 1024) -> str:
    """Redacted, without NUL and lone surrogates, at most `limit` characters: the end is kept."""
    text = redact(text).replace("\0", "�")
    text = text.encode("utf-8", "replace").decode("utf-8")
    return text if len(text) <= limit else "…" + text[1 - limit :]


def storable_json(value: object, depth: int = 10) -> object:
    """A value as JSON that PostgreSQL takes: text storable, NaN as null, the unknown as text."""
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, date | datetime):
        return value.isoformat()
    if depth > 0 and isinstance(value, Mapping):
        return {storable(str(k)): storable_json(v, depth - 1) for k, v in value.items()}
    if depth > 0 and isinstance(value, list | tuple | set | frozenset):
        return [storable_json(item, depth - 1) for item in value]
    return storable(str(value))
