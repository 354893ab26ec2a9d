"""What a refusal means, read from its words: the codes alone do not tell.

40203 is both "too many calls" and "no permission"; 40101 both a bad token and a missing parameter.
Messages may lack their tail, so all patterns match on substrings. Rate is tested before
permission, because the old rate text also speaks of 权限.
"""

from __future__ import annotations

import datetime as dt
import re
from zoneinfo import ZoneInfo

from django.utils.translation import gettext as _

from datasync_app.tushare.access import DENIAL_LASTS
from datasync_app.tushare.outcomes import (
    BadRequest,
    DenialKind,
    Denied,
    RateLimited,
    RateUnit,
    TransportFailure,
    TushareError,
    show_call,
)
from datasync_app.tushare.wire import Call

_UNITS = {
    "分钟": RateUnit.MINUTE,
    "小时": RateUnit.HOUR,
    "天": RateUnit.DAY,
    "日": RateUnit.DAY,
}
_UNIT = r"(?P<unit>分钟|小时|天|日)"
# Current wording, then the one used until 2025, then either with its tail cut off.
_RATE_PATTERNS = (
    re.compile(rf"频率超限\s*[(（]\s*(?P<limit>\d+)\s*次\s*/\s*{_UNIT}"),
    re.compile(rf"每{_UNIT}最多访问[^\d]*(?P<limit>\d+)\s*次"),
    re.compile(rf"每{_UNIT}最多"),
    re.compile(r"频率|频繁|频次|最多访问|每分钟"),
)
_TOKEN = re.compile(r"token\s*(不对|无效|错误|有误|过期|已过期)", re.IGNORECASE)
_IP = re.compile(r"IP\s*数量超限", re.IGNORECASE)
_PERMISSION = re.compile(r"没有接口|没有访问|没有权限|权限")
_SERVER = re.compile(r"服务器错误")
_PERMISSION_CODES = frozenset({2002, -2002})
_IP_CODE = 40204
_MARKET_ZONE = ZoneInfo("Asia/Shanghai")
_MINUTE = dt.timedelta(minutes=1)
_HOUR = dt.timedelta(hours=1)


def refusal(code: int, text: str, call: Call, received_at: dt.datetime) -> TushareError:
    """The failure that a body with a code other than 0 stands for."""
    name, params = call.api_name, call.params
    asked = show_call(name, params)
    said = _("it said %r") % text if text else _("it gave no reason")
    said = _("%(said)s (code %(code)s)") % {"said": said, "code": code}

    for pattern in _RATE_PATTERNS:
        if found := pattern.search(text):
            parts = found.groupdict()
            unit = _UNITS.get(parts.get("unit") or "")
            limit = int(parts["limit"]) if parts.get("limit") else None
            stated = f" ({limit}/{unit})" if limit is not None and unit else ""
            return RateLimited(
                _("Tushare refused %(asked)s for its rate limit%(stated)s: %(said)s.")
                % {"asked": asked, "stated": stated, "said": said},
                limit=limit,
                unit=unit,
                reset_at=_reset_at(unit, received_at),
                code=code,
                api_name=name,
                params=params,
            )
    kind = _denial(code, text)
    if kind is not None:
        reason = {
            DenialKind.TOKEN: _("the token is not accepted"),
            DenialKind.IP: _("the token is used from too many addresses"),
            DenialKind.PERMISSION: _("this token may not call it"),
        }[kind]
        return Denied(
            _("Tushare denied %(asked)s, %(reason)s: %(said)s.")
            % {"asked": asked, "reason": reason, "said": said},
            kind=kind,
            until=received_at + DENIAL_LASTS[kind],
            code=code,
            api_name=name,
            params=params,
        )
    if _SERVER.search(text):
        return TransportFailure(
            _("Tushare failed on %(asked)s: %(said)s.") % {"asked": asked, "said": said},
            transient=True,
            code=code,
            api_name=name,
            params=params,
        )
    return BadRequest(
        _("Tushare did not accept %(asked)s: %(said)s.") % {"asked": asked, "said": said},
        code=code,
        api_name=name,
        params=params,
    )


def _denial(code: int, text: str) -> DenialKind | None:
    if _TOKEN.search(text):
        return DenialKind.TOKEN
    if code == _IP_CODE or _IP.search(text):
        return DenialKind.IP
    if code in _PERMISSION_CODES or _PERMISSION.search(text):
        return DenialKind.PERMISSION
    return None


def _reset_at(unit: RateUnit | None, received_at: dt.datetime) -> dt.datetime:
    """When calls are let through again, at the latest that the unit allows."""
    if unit is RateUnit.DAY:
        local = received_at.astimezone(_MARKET_ZONE)
        midnight = dt.datetime.combine(
            local.date() + dt.timedelta(days=1), dt.time(), tzinfo=_MARKET_ZONE
        )
        return midnight.astimezone(dt.UTC)
    return received_at + (_HOUR if unit is RateUnit.HOUR else _MINUTE)
