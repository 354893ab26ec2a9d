"""One message to one address, and one ping. What goes wrong is a sentence that tells no secret."""

from __future__ import annotations

import logging
import re
from urllib.parse import unquote, urlsplit

import requests

from scheduler_app.errors import SchedulerError
from scheduler_app.redaction import MASK, SHORTEST_SECRET, storable

PING_SECONDS = 10


class NotSent(SchedulerError):
    """The address did not take it; the message says why, without the address."""


def send(address: str, subject: str, body: str) -> None:
    """Hand a message to the service of an address. Takes some seconds at most.

    Raises:
        NotSent: it did not take it.
    """
    import apprise

    _hush()
    target = apprise.Apprise()
    if not target.add(address):
        raise NotSent("The address is none that can be used; enter it again.")
    with apprise.LogCapture(level=logging.WARNING, fmt="%(message)s") as said:  # type: ignore[no-untyped-call]
        sent = target.notify(title=subject, body=body, body_format=apprise.NotifyFormat.TEXT)
        why = said.getvalue()
    if not sent:
        raise NotSent(without_address(" ".join(why.split()) or "The service refused it.", address))


def ping(address: str) -> None:
    """Tell a watcher that this scheduler lives.

    Raises:
        NotSent: it did not answer with success.
    """
    host = urlsplit(address).hostname
    try:
        answer = requests.get(address, timeout=PING_SECONDS, allow_redirects=False)
    except requests.RequestException as error:
        # The error's own text carries the URL.
        raise NotSent(f"{host} could not be reached: {type(error).__name__}.") from None
    if not answer.ok:
        raise NotSent(f"{host} answered the ping with HTTP {answer.status_code}.")


def without_address(text: str, address: str) -> str:
    """The text with every part of the address masked that could be a key, a user or a password."""
    parts = {*re.split(r"[/?&=:@;,]+", address), *re.split(r"[/?&=:@;,]+", unquote(address))}
    for part in sorted({address, *parts}, key=len, reverse=True):
        if len(part) >= SHORTEST_SECRET and part != urlsplit(address).scheme:
            text = text.replace(part, MASK)
    return storable(text, 1000)


def _hush() -> None:
    """Keep what apprise logs, which may carry parts of an address, out of our own log."""
    logging.getLogger("apprise").propagate = False
