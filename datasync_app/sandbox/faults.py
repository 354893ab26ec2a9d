"""Faults that can be switched on: a table of names, each with how it spoils a good answer.

Each says what a careful client makes of it (`ends_in`). Three still end in rows, or in none, because
nothing in the answer tells: `charset` and `charset_wrong` do no harm to a client that knows the body
is UTF-8, while `partial` and `empty` are seen only by whoever knows which rows must be there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _

from datasync_app.protocol import (
    Refusal,
    bad_token,
    no_permission,
    no_permission_formerly,
    rate_exceeded,
    rate_exceeded_formerly,
    server_error,
    too_many_addresses,
)
from datasync_app.sandbox.reply import Delivery, Reply
from datasync_app.sandbox.spoiled_rows import (
    at_cap,
    empty,
    has_more,
    missing_field,
    other_date,
    partial,
)

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

Spoil = Callable[[str, Reply, float], Reply]


class Outcome(TextChoices):
    """What a careful client makes of a spoiled answer."""

    ROWS = "rows", _("rows")
    EMPTY = "empty", _("no rows")
    TRUNCATED = "truncated", _("truncated")
    RATE_LIMITED = "rate limited", _("rate limited")
    DENIED = "denied", _("denied")
    MISMATCHED = "mismatched", _("mismatched")
    TRANSPORT = "transport", _("failure of the transport")


@dataclass(frozen=True)
class Fault:
    """`spoil` gets the endpoint, the reply that would have been sent, and a number in [0, 1).

    It returns the very same reply where the fault does not apply, as `empty` to a refusal.
    """

    name: str
    summary: StrOrPromise
    ends_in: Outcome
    spoil: Spoil


_PAGE = "<html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>"


def _page(status: int, title: str, **headers: str) -> Spoil:
    body = _PAGE.format(title=title).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}

    def spoil(api_name: str, reply: Reply, draw: float) -> Reply:
        return Reply(status=status, content_type="text/html", body=body, headers=named)

    return spoil


def _refused(refuse: Callable[[str], Refusal]) -> Spoil:
    def spoil(api_name: str, reply: Reply, draw: float) -> Reply:
        refusal = refuse(api_name)
        document = {
            **(reply.document or {}),
            "code": refusal.code,
            "msg": refusal.text,
            "data": None,
        }
        return replace(reply, document=document)

    return spoil


def _rate(calls: int, unit: str) -> Spoil:
    return _refused(lambda api_name: rate_exceeded(api_name, calls, unit))


def _rate_formerly(calls: int, unit: str) -> Spoil:
    return _refused(lambda api_name: rate_exceeded_formerly(calls, unit))


def _delivered(delivery: Delivery) -> Spoil:
    return lambda api_name, reply, draw: replace(reply, delivery=delivery)


def _labelled(content_type: str) -> Spoil:
    return lambda api_name, reply, draw: replace(reply, content_type=content_type)


def _gbk(api_name: str, reply: Reply, draw: float) -> Reply:
    # Codes and prices are the same bytes in both encodings; the greeting never is.
    greeting = reply if reply.data is None else _with(reply, msg="查询成功")
    body = greeting.encoded().decode().encode("gbk", errors="replace")
    return replace(reply, document=None, body=body)


def _null_data(api_name: str, reply: Reply, draw: float) -> Reply:
    return reply if reply.data is None else _with(reply, data=None)


def _broken_json(api_name: str, reply: Reply, draw: float) -> Reply:
    body = reply.encoded()
    return replace(reply, document=None, body=body[: 1 + int(draw * (len(body) - 1))])


def _with(reply: Reply, **members: object) -> Reply:
    return replace(reply, document={**(reply.document or {}), **members})


_O = Outcome
FAULTS: Mapping[str, Fault] = {
    fault.name: fault
    for fault in (
        Fault(
            "http_502",
            _("a gateway's page with status 502"),
            _O.TRANSPORT,
            _page(502, "502 Bad Gateway"),
        ),
        Fault(
            "http_500",
            _("a page with status 500"),
            _O.TRANSPORT,
            _page(500, "500 Internal Server Error"),
        ),
        Fault(
            "http_429",
            _("a page with status 429 and Retry-After: 1"),
            _O.TRANSPORT,
            _page(429, "429 Too Many Requests", Retry_After="1"),
        ),
        Fault(
            "redirect_302",
            _("a redirect to a page of the sandbox's own"),
            _O.TRANSPORT,
            _page(302, "302 Found", Location="/maintenance"),
        ),
        Fault("html", _("a page with status 200"), _O.TRANSPORT, _page(200, "系统维护中")),
        Fault(
            "charset", _("UTF-8 as text/html without a charset"), _O.ROWS, _labelled("text/html")
        ),
        Fault(
            "charset_wrong",
            _("UTF-8 that is declared to be Latin-1"),
            _O.ROWS,
            _labelled("application/json; charset=iso-8859-1"),
        ),
        Fault("gbk", _("a body in GBK that is declared to be UTF-8"), _O.TRANSPORT, _gbk),
        Fault("null_data", _("code 0 with data: null"), _O.TRANSPORT, _null_data),
        Fault("broken_json", _("a body that ends too soon"), _O.TRANSPORT, _broken_json),
        Fault("stall", _("no answer for a long time"), _O.TRANSPORT, _delivered(Delivery.STALL)),
        Fault("slow_drip", _("a byte now and then"), _O.TRANSPORT, _delivered(Delivery.DRIP)),
        Fault("reset", _("a reset amid the body"), _O.TRANSPORT, _delivered(Delivery.RESET)),
        Fault(
            "server_error",
            _("an error of the server's own"),
            _O.TRANSPORT,
            _refused(lambda name: server_error()),
        ),
        Fault("has_more", _("half the rows, and has_more"), _O.TRUNCATED, has_more),
        Fault("at_cap", _("as many rows as the endpoint's cap, no has_more"), _O.TRUNCATED, at_cap),
        Fault("other_date", _("rows of the day before"), _O.MISMATCHED, other_date),
        Fault("missing_field", _("no sign of a key or price field"), _O.MISMATCHED, missing_field),
        Fault("partial", _("a part of the rows is left out"), _O.ROWS, partial),
        Fault("empty", _("code 0 and the fields, but no rows"), _O.EMPTY, empty),
        Fault("rate_minute", _("over the minute's calls"), _O.RATE_LIMITED, _rate(200, "分钟")),
        Fault("rate_hour", _("over the hour's calls"), _O.RATE_LIMITED, _rate(1, "小时")),
        Fault("rate_day", _("over the day's calls"), _O.RATE_LIMITED, _rate(5, "天")),
        Fault(
            "rate_minute_old",
            _("over the minute's calls, as worded to 2025"),
            _O.RATE_LIMITED,
            _rate_formerly(500, "分钟"),
        ),
        Fault(
            "rate_hour_old",
            _("over the hour's calls, as worded to 2025"),
            _O.RATE_LIMITED,
            _rate_formerly(1, "小时"),
        ),
        Fault(
            "rate_day_old",
            _("over the day's calls, as worded to 2025"),
            _O.RATE_LIMITED,
            _rate_formerly(5, "天"),
        ),
        Fault(
            "permission", _("no permission for the endpoint"), _O.DENIED, _refused(no_permission)
        ),
        Fault(
            "permission_unnamed",
            _("no permission, the endpoint not named"),
            _O.DENIED,
            _refused(lambda api_name: no_permission()),
        ),
        Fault(
            "permission_old",
            _("no permission, as worded to 2020"),
            _O.DENIED,
            _refused(lambda api_name: no_permission_formerly()),
        ),
        Fault("token", _("the token is wrong"), _O.DENIED, _refused(lambda name: bad_token())),
        Fault(
            "ip", _("too many addresses"), _O.DENIED, _refused(lambda name: too_many_addresses())
        ),
    )
}


def describe_faults() -> str:
    """A line per fault: its name, what it does, and what a careful client makes of it."""
    width = max(map(len, FAULTS))
    return "\n".join(
        f"{fault.name:<{width}}  {fault.summary} ({fault.ends_in.label})"
        for fault in FAULTS.values()
    )
