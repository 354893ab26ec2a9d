"""Addresses hold keys and passwords: the database keeps them encrypted under Django's SECRET_KEY."""

from __future__ import annotations

import base64
import hashlib

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings

from scheduler_app.errors import SchedulerError


class Unreadable(SchedulerError):
    """The address was sealed under another SECRET_KEY; it has to be entered again."""


def seal(address: str) -> str:
    return _keys().encrypt(address.encode()).decode()


def unseal(sealed: str) -> str:
    """The address.

    Raises:
        Unreadable: no key of today opens it.
    """
    try:
        return _keys().decrypt(sealed.encode()).decode()
    except InvalidToken:
        raise Unreadable(
            "The address was stored under another SECRET_KEY and cannot be read; enter it again."
        ) from None


def _keys() -> MultiFernet:
    secrets = [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
    return MultiFernet([Fernet(_key(secret)) for secret in secrets])


def _key(secret: str | bytes) -> bytes:
    given = secret.encode() if isinstance(secret, str) else secret
    digest = hashlib.sha256(b"stocksync notification address\0" + given)
    return base64.urlsafe_b64encode(digest.digest())
