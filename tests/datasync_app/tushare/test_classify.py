from __future__ import annotations

import datetime as dt
import email.utils
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datasync_app.tushare.classify import classify
from datasync_app.tushare.outcomes import (
    Answer,
    AnswerKind,
    Mismatched,
    RateLimited,
    TransportFailure,
)
from datasync_app.tushare.wire import Call, Reply

FIELDS = ["ts_code", "trade_date", "close"]
ITEM = ["000001.SZ", "20240102", 9.21]
CALL = Call("daily", {"trade_date": "20240102"}, tuple(FIELDS))


def body_of(
    fields: object = FIELDS, items: object = (ITEM,), has_more: bool | None = False
) -> dict[str, Any]:
    data = {"fields": fields, "items": items, "count": -1}
    if has_more is not None:
        data["has_more"] = has_more
    return {"request_id": "x", "code": 0, "msg": None, "data": data}


def outcome(
    body: object, call: Call = CALL, status: int = 200, headers: dict[str, str] | None = None
) -> Answer:
    raw = body if isinstance(body, bytes) else json.dumps(body, ensure_ascii=False).encode()
    return classify(Reply(status, headers or {}, raw, dt.datetime.now(dt.UTC)), call)


def test_it_gives_the_rows_as_they_came() -> None:
    answer = outcome(body_of(items=[ITEM, ["000002.SZ", "20240102", None]]))

    assert answer.kind is AnswerKind.ROWS
    assert answer.fields == tuple(FIELDS)
    assert answer.items == [ITEM, ["000002.SZ", "20240102", None]]
    assert (answer.has_more, answer.source) == (False, "tushare")


def test_it_is_empty_when_the_source_sends_fields_without_rows() -> None:
    assert outcome(body_of(items=[])).kind is AnswerKind.EMPTY


@pytest.mark.parametrize("items", [[], [ITEM]])
def test_it_is_truncated_when_the_source_has_more(items: list[object]) -> None:
    assert outcome(body_of(items=items, has_more=True)).kind is AnswerKind.TRUNCATED


@pytest.mark.parametrize(("rows", "kind"), [(2, "rows"), (3, "truncated"), (4, "truncated")])
def test_it_is_truncated_from_the_row_cap_on(rows: int, kind: str) -> None:
    capped = Call("daily", {}, tuple(FIELDS), row_cap=3)

    assert outcome(body_of(items=[ITEM] * rows, has_more=None), capped).kind.value == kind


def test_it_does_not_know_whether_there_is_more_when_the_source_does_not_say() -> None:
    assert outcome(body_of(has_more=None)).has_more is None


def test_it_names_the_source_that_the_header_tells() -> None:
    assert outcome(body_of(), headers={"x-stocksync-source": "sandbox:7"}).source == "sandbox:7"


@pytest.mark.parametrize("kind", ["text/plain", "text/html; charset=iso-8859-1", "text/json"])
def test_it_reads_utf_8_whatever_the_header_says(kind: str) -> None:
    named = body_of(["name"], [["平安银行"]])

    assert outcome(named, Call("stock_basic"), headers={"content-type": kind}).items == [
        ["平安银行"]
    ]


def test_it_takes_nan_for_a_missing_value() -> None:
    raw = json.dumps(body_of()).replace("9.21", "NaN").encode()

    assert outcome(raw).items == [["000001.SZ", "20240102", None]]


BROKEN: list[tuple[object, str]] = [
    (b"", "an empty body"),
    (b"<html><head><title>502 Bad &amp; Gateway</title></head></html>", "'502 Bad & Gateway'"),
    (b"\n <!DOCTYPE html><body>Please log in</body>", "'Please log in'"),
    (json.dumps(body_of()).encode()[:-9], "other than a JSON object"),
    (b"[]", "other than a JSON object"),
    (b"[" * 100_000, "other than a JSON object"),
    (json.dumps(body_of()).replace("9.21", "Infinity").encode(), "other than a JSON object"),
    (json.dumps(body_of(["name"], [["平安"]]), ensure_ascii=False).encode("gbk"), "not UTF-8"),
    ({"code": 0, "msg": "", "data": None}, "data: null"),
    ({"code": 0, "msg": ""}, "data: null"),
    ({"msg": "", "data": body_of()["data"]}, "without a numeric code"),
    ({"code": False, "data": body_of()["data"]}, "without a numeric code"),
    ({"code": "0", "data": body_of()["data"]}, "without a numeric code"),
    ({"code": 0, "data": []}, "not an object"),
    (body_of(fields=None), "without a list of field names"),
    (body_of(fields=["ts_code", 3, "close"]), "without a list of field names"),
    (body_of(fields=["ts_code", "ts_code", "close"]), "named a field twice"),
    (body_of(items=None), "without a list of rows"),
    (body_of(items=[ITEM, ITEM[:2]]), "row 2 with 2 values for 3 fields"),
    (body_of(items=[{"ts_code": "000001.SZ"}]), "row 1 with {'ts_code'"),
]


@pytest.mark.parametrize(("body", "says"), BROKEN, ids=[says for _, says in BROKEN])
def test_it_never_takes_a_broken_answer_for_no_data(body: object, says: str) -> None:
    with pytest.raises(TransportFailure, match=r"daily\(trade_date=20240102\)") as failure:
        outcome(body)

    assert says in str(failure.value)


WHOLE = json.dumps(
    body_of(["ts_code", "name"], [["000001.SZ", "平安"]]), ensure_ascii=False
).encode()


@given(st.integers(0, len(WHOLE) - 1))
def test_it_never_takes_a_part_for_the_whole(length: int) -> None:
    with pytest.raises(TransportFailure):
        outcome(WHOLE[:length], Call("stock_basic"))


@pytest.mark.parametrize(
    ("status", "transient"),
    [(400, False), (403, False), (404, False), (429, True), (500, True), (502, True), (204, False)],
)
def test_it_takes_any_other_status_for_a_failure(status: int, transient: bool) -> None:
    with pytest.raises(TransportFailure, match=f"HTTP {status}") as failure:
        outcome(body_of(), status=status)

    assert (failure.value.transient, failure.value.status) == (transient, status)


SENT = {"date": "Wed, 01 Jan 2020 00:00:00 GMT"}


@pytest.mark.parametrize(
    ("wait", "seconds"),
    [
        ("7", 7),
        ("Wed, 01 Jan 2020 00:01:30 GMT", 90),
        ("Tue, 31 Dec 2019 23:59:00 GMT", 0),
        ("Wed, 01 Jan 2020 00:01:30 -0000", 90),
        ("soon", None),
        ("-7", None),
        ("", None),
    ],
)
def test_it_tells_how_long_the_source_asks_to_wait(wait: str, seconds: float | None) -> None:
    with pytest.raises(TransportFailure) as failure:
        outcome(b"", status=429, headers={"retry-after": wait, **SENT})

    assert failure.value.retry_after == seconds


def test_a_date_to_wait_for_is_read_by_our_clock_where_the_source_tells_none() -> None:
    until = email.utils.format_datetime(
        dt.datetime.now(dt.UTC) + dt.timedelta(hours=1), usegmt=True
    )
    with pytest.raises(TransportFailure) as failure:
        outcome(b"", status=503, headers={"retry-after": until})

    assert failure.value.retry_after == pytest.approx(3600, abs=60)


@given(st.text(max_size=40))
def test_no_wait_that_a_source_asks_for_stops_it(wait: str) -> None:
    with pytest.raises(TransportFailure) as failure:
        outcome(b"", status=503, headers={"retry-after": wait, "date": wait})

    assert failure.value.retry_after is None or failure.value.retry_after >= 0


def test_it_says_where_a_redirect_leads() -> None:
    with pytest.raises(TransportFailure, match="redirected") as failure:
        outcome(b"", status=302, headers={"location": "https://login.example/"})

    assert "https://login.example/" in str(failure.value)
    assert not failure.value.transient


def test_it_believes_a_refusal_whatever_the_status() -> None:
    refusal = {"code": 40203, "msg": "抱歉，您每分钟最多访问该接口500次", "data": None}

    with pytest.raises(RateLimited):
        outcome(refusal, status=429)


def test_it_reads_a_refusal_from_the_other_key() -> None:
    with pytest.raises(RateLimited):
        outcome({"code": 40203, "message": "频率超限(1次/分钟)", "data": None})


def test_it_lists_optional_fields_that_are_absent() -> None:
    call = Call("daily", {}, (*FIELDS, "ah_vol"), required=("close",))

    assert outcome(body_of(), call).absent_fields == ("ah_vol",)


@pytest.mark.parametrize("items", [[], [ITEM]])
def test_it_is_a_mismatch_when_a_required_field_is_absent(items: list[object]) -> None:
    call = Call("daily", {}, (*FIELDS, "pre_close"), required=("pre_close",))

    with pytest.raises(Mismatched, match="without pre_close"):
        outcome(body_of(items=items), call)


def test_it_is_a_mismatch_when_nothing_asked_for_is_there() -> None:
    with pytest.raises(Mismatched, match="without ts_code, trade_date, close"):
        outcome(body_of(fields=["name"], items=[["x"]]))


def test_it_is_a_mismatch_when_there_are_no_fields_at_all() -> None:
    with pytest.raises(Mismatched, match="it has: nothing"):
        outcome(body_of(fields=[], items=[]), Call("daily"))


def test_of_many_fields_a_mismatch_names_the_first() -> None:
    fields = [f"field_{number}" for number in range(100)]
    with pytest.raises(Mismatched, match=r"it has: field_0, .*, field_7 and 92 more"):
        outcome(body_of(fields=fields, items=[]), Call("fina_indicator", {}, ("ts_code",)))


def test_it_is_a_mismatch_when_a_row_is_of_another_date() -> None:
    call = Call("daily", {}, tuple(FIELDS), expect={"trade_date": frozenset({"20240103"})})

    with pytest.raises(Mismatched, match="trade_date is 20240102 where 20240103 was asked for"):
        outcome(body_of(), call)


def test_it_accepts_any_of_the_values_expected() -> None:
    codes = frozenset({"000001.SZ", "000002.SZ"})

    assert outcome(body_of(), Call("daily", expect={"ts_code": codes})).kind is AnswerKind.ROWS


def test_it_is_a_mismatch_when_the_expected_field_is_absent() -> None:
    with pytest.raises(Mismatched, match="without exchange"):
        outcome(body_of(), Call("daily", expect={"exchange": frozenset({"SSE"})}))


def test_it_keeps_the_token_out_of_the_answer() -> None:
    answer = outcome(body_of(), Call("user", {"token": "secret", "a": "b"}))

    assert answer.params == {"a": "b"}
