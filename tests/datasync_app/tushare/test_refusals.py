"""Every text of the protocol notes, with the code it came with, as the body of an answer."""

from __future__ import annotations

import datetime as dt
import json

import pytest

from datasync_app.tushare.classify import classify
from datasync_app.tushare.outcomes import (
    BadRequest,
    DenialKind,
    Denied,
    RateLimited,
    RateUnit,
    TransportFailure,
    TushareError,
)
from datasync_app.tushare.wire import Call, Reply

RECEIVED = dt.datetime(2026, 5, 6, 7, 8, 9, tzinfo=dt.UTC)
MORE = "https://tushare.pro/document/1?doc_id=108"
CALL = Call("daily", {"trade_date": "20240102"})

RATE = [
    (f"抱歉，您访问接口(fina_audit)频率超限(400次/分钟)，具体频次详情：{MORE}。", 400, "minute"),
    (f"抱歉，您访问接口(daily_basic)频率超限(1次/分钟)，具体频次详情：{MORE}。", 1, "minute"),
    (f"抱歉，您访问接口(shibor_lpr)频率超限(1次/小时)，具体频次详情：{MORE}。", 1, "hour"),
    (f"抱歉，您访问接口(hk_daily)频率超限(1次/小时)，具体频次详情：{MORE}。", 1, "hour"),
    (f"抱歉，您访问接口(stk_mins)频率超限(2次/天)，具体频次详情：{MORE}。", 2, "day"),
    (f"抱歉，您每分钟最多访问该接口500次，权限的具体详情访问：{MORE}。", 500, "minute"),
    (f"抱歉，您每小时最多访问该接口1次，权限的具体详情访问：{MORE}。", 1, "hour"),
    (f"抱歉，您每天最多访问该接口5次，权限的具体详情访问：{MORE}。", 5, "day"),
    ("抱歉，您每天最多访问该接口2次", 2, "day"),
    ("抱歉，您每分钟最多访问该接口", None, "minute"),
    ("抱歉，您访问接口(daily)频率超限", None, None),
    ("抱歉，您访问接口(daily)频率超限（30次/分钟）", 30, "minute"),
    ("访问过于频繁，权限的具体详情访问", None, None),
]

DENIED = [
    (40101, "您的token不对，请确认。", DenialKind.TOKEN),
    (40203, f"抱歉，您没有接口(fund_daily)访问权限，权限的具体详情访问：{MORE}。", "permission"),
    (40203, f"抱歉，您没有接口访问权限，权限的具体详情访问：{MORE}。", DenialKind.PERMISSION),
    (2002, f"抱歉，您没有访问该接口的权限，权限的具体详情访问：{MORE}。", DenialKind.PERMISSION),
    (-2002, "抱歉，您没有权限访问该接口，", DenialKind.PERMISSION),
    (40203, f"抱歉，您没有访问该接口的权限，权限的具体详情访问：{MORE}。", DenialKind.PERMISSION),
    (40203, "抱歉，您没有接口(fund_daily)访问权", DenialKind.PERMISSION),
    (2002, "", DenialKind.PERMISSION),
    (40204, "您的IP数量超限，最大数量为2个！", DenialKind.IP),
    (40204, "您的IP数量超限，最大数量为5个！", DenialKind.IP),
    (40204, "您的IP数量超限，最大数量为10个！", DenialKind.IP),
    (40203, "在线Ip数量超限, 请联系管理员获取权限", DenialKind.IP),
]

BAD = [
    (40101, "ts_code required"),
    (50101, "参数校验失败, ts_code,trade_date至少输入一个参数"),
    (50101, "查询数据失败，请确认参数！可以反馈管理员协助您排查问题"),
    (40101, "请指定正确的接口名"),
    (40101, "抱歉，没有pro_bar接口"),
    (40001, "invalid api key"),
    (-2001, "参数错误"),
    (2001, "参数错误"),
    (99999, ""),
]


def refusal(code: int, text: str, **more: str) -> TushareError:
    body = {"code": code, "msg": text, "data": None, **more}
    raw = json.dumps(body, ensure_ascii=False).encode()
    with pytest.raises(TushareError) as failure:
        classify(Reply(200, {"content-type": "application/json"}, raw, RECEIVED), CALL)
    return failure.value


@pytest.mark.parametrize(("text", "limit", "unit"), RATE)
def test_it_reads_the_limit_and_its_unit(text: str, limit: int | None, unit: str | None) -> None:
    # One log has the text twice.
    for failure in (refusal(40203, text), refusal(40203, text, message=text)):
        assert isinstance(failure, RateLimited)
        assert (failure.limit, failure.unit) == (limit, unit and RateUnit(unit))
        assert failure.is_short == (unit in {"minute", None})
        assert failure.code == 40203 and text in str(failure)


@pytest.mark.parametrize(("code", "text", "kind"), DENIED)
def test_it_tells_why_a_call_is_denied(code: int, text: str, kind: str) -> None:
    failure = refusal(code, text)

    assert isinstance(failure, Denied)
    assert failure.kind == kind


@pytest.mark.parametrize(("code", "text"), BAD)
def test_it_takes_the_rest_for_a_bad_request(code: int, text: str) -> None:
    assert type(refusal(code, text)) is BadRequest


def test_it_takes_a_server_error_for_a_passing_failure() -> None:
    text = "服务器错误，请稍后再试！期待您能把错误反馈给我们，谢谢！"

    failure = refusal(-1, text)

    assert isinstance(failure, TransportFailure)
    assert failure.transient


@pytest.mark.parametrize(
    ("unit", "reset_at"),
    [
        ("分钟", dt.datetime(2026, 5, 6, 7, 9, 9, tzinfo=dt.UTC)),
        ("小时", dt.datetime(2026, 5, 6, 8, 8, 9, tzinfo=dt.UTC)),
        ("天", dt.datetime(2026, 5, 6, 16, 0, tzinfo=dt.UTC)),  # midnight in Shanghai
    ],
)
def test_it_says_when_calls_are_let_through_again(unit: str, reset_at: dt.datetime) -> None:
    failure = refusal(40203, f"频率超限(1次/{unit})")

    assert isinstance(failure, RateLimited)
    assert failure.reset_at == reset_at


def test_its_message_is_a_sentence_with_the_original_text() -> None:
    failure = refusal(50101, "参数校验失败")

    assert str(failure) == (
        "Tushare did not accept daily(trade_date=20240102): it said '参数校验失败' (code 50101)."
    )
    assert (failure.code, failure.api_name) == (50101, "daily")
    assert failure.params == {"trade_date": "20240102"}
