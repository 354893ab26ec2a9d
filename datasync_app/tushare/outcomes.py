"""What a call to Tushare can end in: an `Answer`, or exactly one of these failures.

Nothing here is ever "no data" by accident: an answer is EMPTY only when the source said so in a
well-formed body. Failures carry the numeric code, the original text and the request without token.
"""

from __future__ import annotations

import datetime as dt
import enum
from collections.abc import Mapping
from dataclasses import dataclass

from django.utils.translation import gettext_noop

from datasync_app.errors import DatasyncError


class AnswerKind(enum.Enum):
    ROWS = "rows"
    EMPTY = "empty"
    """The source answered with its fields and no rows."""
    TRUNCATED = "truncated"
    """The source has more than it sent: it said so, or the rows reach the endpoint's cap."""


@dataclass(frozen=True)
class Answer:
    """Rows as the source sent them. `items` align with `fields`; map by name, never by position."""

    api_name: str
    params: Mapping[str, object]
    fields: tuple[str, ...]
    items: list[list[object]]
    has_more: bool | None
    source: str
    kind: AnswerKind
    absent_fields: tuple[str, ...] = ()
    """Optional fields that were asked for and are not in the answer."""


class RateUnit(enum.StrEnum):
    """The window of a rate limit, as the refusal names it."""

    MINUTE = "minute"
    HOUR = "hour"
    DAY = "day"


class DenialKind(enum.StrEnum):
    PERMISSION = gettext_noop("permission")
    TOKEN = "token"  # noqa: S105 - a word, not a token
    IP = "ip"


class TushareError(DatasyncError):
    """Root of every failed call. The message is one sentence with the source's own words in it."""

    def __init__(
        self,
        message: str,
        *,
        code: int | None = None,
        api_name: str = "",
        params: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.api_name = api_name
        self.params = without_token(params or {})


class RateLimited(TushareError):
    """Refused for the number of calls. `limit` per `unit`, where the text says so."""

    def __init__(
        self,
        message: str,
        *,
        limit: int | None = None,
        unit: RateUnit | None = None,
        reset_at: dt.datetime | None = None,
        code: int | None = None,
        api_name: str = "",
        params: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(message, code=code, api_name=api_name, params=params)
        self.limit = limit
        self.unit = unit
        self.reset_at = reset_at

    @property
    def is_short(self) -> bool:
        """Waiting for it within one run makes sense: by minute, or by an unnamed unit."""
        return self.unit not in {RateUnit.HOUR, RateUnit.DAY}


class LongWait(RateLimited):
    """No call was made: the quota has room only at `reset_at`, too late for a run to wait for."""

    @property
    def is_short(self) -> bool:
        return False


class Denied(TushareError):
    """This token, or this address, may not make the call; asking before `until` changes nothing."""

    def __init__(
        self,
        message: str,
        *,
        kind: DenialKind = DenialKind.PERMISSION,
        until: dt.datetime | None = None,
        code: int | None = None,
        api_name: str = "",
        params: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(message, code=code, api_name=api_name, params=params)
        self.kind = kind
        self.until = until


class BadRequest(TushareError):
    """The source does not accept the request: a parameter, a name, or a reason of its own."""


class Mismatched(TushareError):
    """A well-formed answer that is not the answer to what was asked."""


class TransportFailure(TushareError):
    """No usable answer arrived. `transient` ones may succeed when tried again soon."""

    def __init__(
        self,
        message: str,
        *,
        transient: bool = False,
        status: int | None = None,
        retry_after: float | None = None,
        code: int | None = None,
        api_name: str = "",
        params: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(message, code=code, api_name=api_name, params=params)
        self.transient = transient
        self.status = status
        self.retry_after = retry_after


class HungUp(TransportFailure):
    """The call was under way when its client was closed: nobody waits for the answer any more."""


class SourceAway(TransportFailure):
    """No call was made: the source has failed many in a row, and is asked again at `until`."""

    def __init__(
        self,
        message: str,
        *,
        until: dt.datetime,
        api_name: str = "",
        params: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(message, api_name=api_name, params=params)
        self.until = until


class Uncounted(TushareError):
    """No call was made: the database that counts the calls is away. Try again at `until`."""

    def __init__(
        self,
        message: str,
        *,
        until: dt.datetime,
        api_name: str = "",
        params: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(message, api_name=api_name, params=params)
        self.until = until


class NoSource(TushareError):
    """Neither a token nor a base URL is set, and no sandbox is running."""


class CallCancelled(DatasyncError):
    """The caller gave up while waiting. No failure of the source, so no TushareError."""


def without_token(params: Mapping[str, object]) -> dict[str, object]:
    """The parameters as they may be shown: the `user` endpoint takes the token as one of them."""
    return {name: value for name, value in params.items() if name != "token"}


def show_call(api_name: str, params: Mapping[str, object]) -> str:
    """`daily(trade_date=20240102)`: a call in a sentence or a log line, long lists cut short."""
    shown = (f"{name}={_short(value)}" for name, value in without_token(params).items())
    return f"{api_name}({', '.join(shown)})"


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
