"""From an HTTP answer to exactly one outcome. Pure: no clock, no network, no settings.

Order matters. A body that says why it refuses is believed whatever the HTTP status; any other
status than 200 is a failure whatever the body; only then are fields and rows looked at.
"""

from __future__ import annotations

import codecs
import datetime as dt
import email.utils
import html
import json
import re
from collections.abc import Mapping, Sequence
from typing import NoReturn

import orjson

from datasync_app.tushare.outcomes import (
    Answer,
    AnswerKind,
    Mismatched,
    TransportFailure,
    show_call,
    without_token,
)
from datasync_app.tushare.refusals import refusal
from datasync_app.tushare.wire import Call, Reply

SOURCE_HEADER = "x-stocksync-source"
REAL_SOURCE = "tushare"
_TRANSIENT_STATUSES = frozenset({408, 425, 429})
_EXCERPT_CHARACTERS = 200
SHOWN_FIELDS = 8


def classify(reply: Reply, call: Call) -> Answer:
    """The answer, when the reply is one.

    Raises:
        TushareError: one of its kinds, for everything that is not a well-formed answer.
    """
    body = _json_object(reply)
    if body is not None:
        _raise_refusal(body, reply, call)
    if reply.status != 200:
        _raise_status(reply, _text(reply, call), call)
    if body is None:
        _raise_no_json(_text(reply, call), call, reply)
    if not _is_zero(body.get("code")):
        text = _text(reply, call)
        _fail(f"sent JSON without a numeric code: {_excerpt(text)!r}", call, reply)
    fields, items, has_more = _table(body, call, reply)
    return _answer(fields, items, has_more, reply, call)


def _text(reply: Reply, call: Call) -> str:
    """Always UTF-8, whatever the header says: requests takes text/* without charset for Latin-1."""
    try:
        return reply.body.decode("utf-8-sig")
    except UnicodeDecodeError:
        if reply.status != 200:
            return reply.body.decode("utf-8-sig", errors="replace")
        _fail("sent an answer that is not UTF-8", call, reply, transient=True)


def _json_object(reply: Reply) -> dict[str, object] | None:
    try:
        document = orjson.loads(reply.body.removeprefix(codecs.BOM_UTF8))
    except orjson.JSONDecodeError:
        document = _lenient_json(reply)
    return document if isinstance(document, dict) else None


def _lenient_json(reply: Reply) -> object:
    """What the slower standard library reads all the same: NaN, and pages of errors in any bytes."""
    errors = "strict" if reply.status == 200 else "replace"
    try:
        return json.loads(reply.body.decode("utf-8-sig", errors=errors), parse_constant=_constant)
    except (ValueError, RecursionError):
        return None


def _constant(name: str) -> None:
    """NaN is how some relays write a missing number; an infinity is no number of the market."""
    if name != "NaN":
        raise ValueError(name)


def _is_zero(code: object) -> bool:
    return isinstance(code, int) and not isinstance(code, bool) and code == 0


def _raise_refusal(body: Mapping[str, object], reply: Reply, call: Call) -> None:
    code = body.get("code")
    if isinstance(code, int) and not isinstance(code, bool) and code != 0:
        words = body.get("msg") or body.get("message") or ""
        raise refusal(code, _excerpt(str(words)), call, reply.received_at)


def _raise_status(reply: Reply, text: str, call: Call) -> NoReturn:
    status = reply.status
    if 300 <= status < 400:
        where = reply.headers.get("location", "nowhere")
        _fail(f"redirected the call (HTTP {status}) to {where!r}", call, reply)
    _fail(
        f"answered HTTP {status}: {_page_excerpt(text)!r}",
        call,
        reply,
        transient=status >= 500 or status in _TRANSIENT_STATUSES,
        retry_after=_asked_wait(reply),
    )


def _asked_wait(reply: Reply) -> float | None:
    """The seconds of `Retry-After`, which may be a date (RFC 9110): by the clock of who sent it."""
    wait = reply.headers.get("retry-after", "")
    if wait.isdecimal():
        return float(wait)
    until = _http_date(wait)
    if until is None:
        return None
    sent = _http_date(reply.headers.get("date", "")) or reply.received_at
    return max(0.0, (until - sent).total_seconds())


def _http_date(text: str) -> dt.datetime | None:
    try:
        date = email.utils.parsedate_to_datetime(text)
    except ValueError:
        return None
    return date if date.tzinfo is not None else date.replace(tzinfo=dt.UTC)


def _raise_no_json(text: str, call: Call, reply: Reply) -> NoReturn:
    if text.lstrip().startswith("<"):
        _fail(f"answered with a web page instead of JSON: {_page_excerpt(text)!r}", call, reply)
    # Also what is left of an answer whose connection was cut.
    what = f"something other than a JSON object: {_excerpt(text)!r}" if text else "an empty body"
    _fail(f"sent {what}", call, reply, transient=True)


def _table(
    body: Mapping[str, object], call: Call, reply: Reply
) -> tuple[tuple[str, ...], list[list[object]], bool | None]:
    data = body.get("data")
    if data is None:
        _fail("reported success without any data (data: null)", call, reply)
    if not isinstance(data, dict):
        _fail("sent data that is not an object", call, reply)
    fields, items, has_more = data.get("fields"), data.get("items"), data.get("has_more")
    if not isinstance(fields, list) or not all(isinstance(name, str) for name in fields):
        _fail("sent data without a list of field names", call, reply)
    if len(set(fields)) != len(fields):
        _fail(f"named a field twice: {', '.join(fields)}", call, reply)
    if not isinstance(items, list):
        _fail("sent data without a list of rows", call, reply)
    for number, item in enumerate(items, start=1):
        if not isinstance(item, list) or len(item) != len(fields):
            held = f"{len(item)} values" if isinstance(item, list) else f"{item!r:.60}"
            _fail(f"sent row {number} with {held} for {len(fields)} fields", call, reply)
    return tuple(fields), items, None if has_more is None else bool(has_more)


def _some(names: Sequence[str]) -> str:
    """Few enough for a sentence: an indicator has more than a hundred fields."""
    more = len(names) - SHOWN_FIELDS
    return ", ".join(names[:SHOWN_FIELDS]) + (f" and {more} more" if more > 0 else "")


def _answer(
    fields: tuple[str, ...],
    items: list[list[object]],
    has_more: bool | None,
    reply: Reply,
    call: Call,
) -> Answer:
    needed = [*call.required, *(name for name in call.expect if name not in call.required)]
    lacking = [name for name in needed if name not in fields]
    absent = tuple(name for name in call.fields if name not in fields)
    if lacking or not fields or (call.fields and len(absent) == len(call.fields)):
        names = _some(lacking or absent) or "any field"
        _mismatch(f"without {names} (it has: {_some(fields) or 'nothing'})", call)
    for name, allowed in call.expect.items():
        position = fields.index(name)
        strangers = {str(item[position]) for item in items} - allowed
        if strangers:
            found = ", ".join(sorted(strangers)[:3])
            wanted = ", ".join(sorted(allowed)[:3])
            _mismatch(f"with rows whose {name} is {found} where {wanted} was asked for", call)
    cut = bool(has_more) or (call.row_cap is not None and len(items) >= call.row_cap)
    kind = AnswerKind.TRUNCATED if cut else AnswerKind.ROWS if items else AnswerKind.EMPTY
    return Answer(
        api_name=call.api_name,
        params=without_token(call.params),
        fields=fields,
        items=items,
        has_more=has_more,
        source=reply.headers.get(SOURCE_HEADER) or REAL_SOURCE,
        kind=kind,
        absent_fields=absent,
    )


def _fail(
    what: str,
    call: Call,
    reply: Reply,
    *,
    transient: bool = False,
    retry_after: float | None = None,
) -> NoReturn:
    raise TransportFailure(
        f"The source of {show_call(call.api_name, call.params)} {what}.",
        transient=transient,
        status=reply.status,
        retry_after=retry_after,
        api_name=call.api_name,
        params=call.params,
    )


def _mismatch(what: str, call: Call) -> NoReturn:
    raise Mismatched(
        f"Tushare answered {show_call(call.api_name, call.params)} {what}.",
        code=0,
        api_name=call.api_name,
        params=call.params,
    )


def _excerpt(text: str) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= _EXCERPT_CHARACTERS else f"{flat[:_EXCERPT_CHARACTERS]}..."


def _page_excerpt(text: str) -> str:
    """What a person would read on the page: its title, else its text without the tags."""
    title = re.search(r"<title[^>]*>(.*?)</title>", text[:20_000], re.IGNORECASE | re.DOTALL)
    words = title[1] if title else re.sub(r"<[^>]*>", " ", text[:20_000])
    return _excerpt(html.unescape(words))
