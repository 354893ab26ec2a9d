"""What may stand as an address, and what may be shown of one. The address itself is in no sentence."""

from __future__ import annotations

import ipaddress
from urllib.parse import parse_qs, urlsplit

from django.utils.translation import gettext as _

from scheduler_app.errors import SchedulerError
from scheduler_app.notification_models import ChannelKind

EXAMPLES = "wecombot://KEY, dingtalk://TOKEN, feishu://TOKEN, mailtos://USER:PASSWORD@HOST, jsons://HOST/PATH"
LONGEST = 2000


class BadAddress(SchedulerError):
    """Nothing can be sent to such an address; the message says why, without the address."""


def service_of(address: str, kind: str) -> str:
    """The name of the service that an address belongs to.

    Raises:
        BadAddress: nothing can be sent there.
    """
    if len(address) > LONGEST:
        raise BadAddress(
            _("The address has %(length)d characters; it takes at most %(most)d.")
            % {"length": len(address), "most": LONGEST}
        )
    return _url_to_ping(address) if kind == ChannelKind.HEARTBEAT else _service(address)


def _service(address: str) -> str:
    # It knows a hundred services and takes its time to load them.
    import apprise

    scheme = _scheme(address)
    target = apprise.Apprise.instantiate(address, suppress_exceptions=True)
    if target is None:
        raise BadAddress(
            _("The address, which begins with %(scheme)s, is none that can be used. Valid are such as "
              "%(examples)s.") % {"scheme": scheme, "examples": EXAMPLES}
        )  # fmt: skip
    if not target.verify_certificate or "no" in parse_qs(urlsplit(address).query).get("verify", ()):
        raise BadAddress(_("The address says verify=no; certificates are always verified."))
    return str(target.service_name)[:100]


def _url_to_ping(address: str) -> str:
    try:
        parts = urlsplit(address)
        host, _port = parts.hostname or "", parts.port
    except ValueError:
        parts, host = urlsplit(""), ""
    if parts.scheme == "https" and host:
        return host[:100]
    if parts.scheme == "http" and _is_loopback(host):
        return host[:100]
    raise BadAddress(
        _("The address, which begins with %(scheme)s, cannot be pinged. Valid is a URL such as "
          "https://hc-ping.com/UUID; plain http only on this machine.") % {"scheme": _scheme(address)}
    )  # fmt: skip


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _scheme(address: str) -> str:
    """What stands before `://`, where that is a word; the rest may be a secret."""
    scheme, found, _rest = address.strip().partition("://")
    is_word = found and scheme.replace("+", "").replace("-", "").isalnum() and len(scheme) <= 20
    return f"{scheme}://" if is_word else _("no word and ://")
