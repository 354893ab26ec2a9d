from __future__ import annotations

import datetime as dt
import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datasync_app.dates import SHANGHAI
from datasync_app.sandbox.market import GeneratedMarket
from datasync_app.sandbox.server import Sandbox
from tests.datasync_app.sandbox.asking import LAST, bars_of, code_at, day_at, table
from tests.datasync_app.sandbox.conftest import Ask

shares = st.floats(0, 1, exclude_max=True)
some = settings(max_examples=10, deadline=None)
REROUNDED = {"20000626", "20030625", "20060626", "20090625", "20120625", "20150625"} | {
    *("20180625", "20210625", "20240625")
}


def of_code(market: GeneratedMarket, api_name: str, code: str) -> dict[str, dict[str, object]]:
    return {str(row["trade_date"]): row for row in table(market, api_name, ts_code=code)}


def listed_on(market: GeneratedMarket, date: str) -> set[str]:
    return {
        str(row["ts_code"])
        for row in table(market, "stock_basic", list_status="L,D,P")
        if str(row["list_date"]) <= date < str(row["delist_date"] or "99991231")
    }


def codes(rows: list[dict[str, object]]) -> set[str]:
    return {str(row["ts_code"]) for row in rows}


@some
@given(share=shares)
def test_it_changes_a_factor_where_pre_close_differs_from_the_close_before(
    generated: GeneratedMarket, share: float
) -> None:
    code = code_at(generated, share)
    bars, factors = of_code(generated, "daily", code), of_code(generated, "adj_factor", code)
    for before, after in itertools.pairwise(sorted(bars)):
        was, is_ = factors[before]["adj_factor"], factors[after]["adj_factor"]
        assert isinstance(was, float) and isinstance(is_, float)
        ex_rights = bars[after]["pre_close"] != bars[before]["close"]
        assert (abs(is_ / was - 1) > 1e-3) == ex_rights
        assert ex_rights or was == is_ or any(before < day <= after for day in REROUNDED)


def test_it_rounds_factors_anew_on_a_day_without_a_reason(generated: GeneratedMarket) -> None:
    before, after = (
        {
            row["ts_code"]: row["adj_factor"]
            for row in table(generated, "adj_factor", trade_date=day)
        }
        for day in ("20240624", "20240625")
    )
    changed = [code for code in before if before[code] != after.get(code)]

    assert len(changed) > 1000


@some
@given(share=shares)
def test_it_has_a_factor_for_everybody_on_the_list(
    generated: GeneratedMarket, share: float
) -> None:
    date = day_at(generated, share)

    assert codes(table(generated, "adj_factor", trade_date=date)) == listed_on(generated, date)


@some
@given(share=shares)
def test_it_suspends_exactly_those_on_the_list_without_a_bar(
    generated: GeneratedMarket, share: float
) -> None:
    date = day_at(generated, share)
    rows = table(generated, "suspend_d", trade_date=date)
    all_day = [row for row in rows if row["suspend_type"] == "S" and not row["suspend_timing"]]
    traded = codes(bars_of(generated, date))

    assert codes(all_day) == listed_on(generated, date) - traded
    assert len(all_day) == len(codes(all_day))


def test_it_suspends_some_for_part_of_a_day_that_has_a_bar(generated: GeneratedMarket) -> None:
    span = {"start_date": "20230103", "end_date": "20230228"}
    parts = [row for row in table(generated, "suspend_d", **span) if row["suspend_timing"]]

    assert len(parts) > 5
    for row in parts:
        assert row["suspend_type"] == "S"
        assert table(
            generated, "daily", ts_code=str(row["ts_code"]), trade_date=str(row["trade_date"])
        )


def test_it_tells_of_a_return_on_the_first_day_of_trade(generated: GeneratedMarket) -> None:
    back = table(generated, "suspend_d", suspend_type="R", start_date="20230103")[-1]
    code, date = str(back["ts_code"]), str(back["trade_date"])
    texts = generated.world().calendar.texts
    before = texts[texts.index(date) - 1]

    assert back["suspend_timing"] is None
    assert code in codes(bars_of(generated, date))
    assert code not in codes(bars_of(generated, before))


def test_it_filters_suspensions_by_several_codes(generated: GeneratedMarket) -> None:
    rows = table(generated, "suspend_d", start_date="20230103", end_date="20230331")
    asked = [str(row["ts_code"]) for row in rows[:2]]
    found = table(
        generated,
        "suspend_d",
        ts_code=",".join(asked),
        start_date="20230103",
        end_date="20230331",
    )

    assert found == [row for row in rows if row["ts_code"] in asked]


@some
@given(share=shares)
def test_it_values_every_bar_at_its_close(generated: GeneratedMarket, share: float) -> None:
    date = day_at(generated, share)
    bars = {bar["ts_code"]: bar for bar in bars_of(generated, date)}
    rows = table(generated, "daily_basic", trade_date=date)

    assert [row["ts_code"] for row in rows] == list(bars)
    for row in rows:
        bar = bars[row["ts_code"]]
        close, total, part, free = (
            float(str(row[name])) for name in ("close", "total_share", "float_share", "free_share")
        )
        assert close == bar["close"]
        change = float(str(bar["change"]))
        assert row["limit_status"] == (1 if change > 0 else 4 if change < 0 else 0)
        assert row["total_mv"] == pytest.approx(close * total, abs=1e-4)
        assert row["circ_mv"] == pytest.approx(close * part, abs=1e-4)
        assert 0 < free < part <= total
        assert row["turnover_rate"] == pytest.approx(float(str(bar["vol"])) / part, abs=1e-4)


def test_it_gives_no_multiple_of_a_loss(generated: GeneratedMarket) -> None:
    rows = table(generated, "daily_basic", trade_date=LAST)
    lossy = [row for row in rows if row["pe"] is None]

    assert 0.05 < len(lossy) / len(rows) < 0.2
    assert all(float(str(row["pe"])) > 0 for row in rows if row["pe"] is not None)


@some
@given(code_share=shares, day_share=shares)
@pytest.mark.parametrize("api_name", ["daily_basic", "adj_factor", "suspend_d"])
def test_it_tells_the_same_by_code_and_by_date(
    generated: GeneratedMarket, api_name: str, code_share: float, day_share: float
) -> None:
    code, date = code_at(generated, code_share), day_at(generated, day_share)
    by_code = table(generated, api_name, ts_code=code, start_date=date, end_date=date)
    by_date = table(generated, api_name, trade_date=date)

    assert by_code == [row for row in by_date if row["ts_code"] == code]


@pytest.mark.parametrize(
    ("api_name", "hour", "minute"),
    [
        ("adj_factor", 9, 20),
        ("daily", 16, 0),
        ("daily_basic", 17, 0),
        ("suspend_d", 17, 30),
    ],
)
def test_it_publishes_each_endpoint_at_its_time_of_the_day(
    api_name: str, hour: int, minute: int
) -> None:
    out = dt.datetime(2026, 3, 16, hour, minute, tzinfo=SHANGHAI)
    now = out - dt.timedelta(seconds=1)
    market = GeneratedMarket(1, lambda: now)
    early = table(market, api_name, trade_date=LAST)
    truth = market.truth(api_name, {"trade_date": LAST})
    now = out

    assert early == []
    assert market.rows(api_name, {"trade_date": LAST}) == truth
    assert truth[1]


def test_it_cuts_what_has_no_cap_at_one_of_its_own(generated: GeneratedMarket, ask: Ask) -> None:
    with Sandbox(generated) as sandbox:
        data = ask(sandbox, "adj_factor", start_date="20250101").json()["data"]

    assert (len(data["items"]), data["has_more"]) == (100_000, True)


@pytest.mark.parametrize("api_name", ["daily_basic", "adj_factor"])
def test_it_knows_no_list_of_codes_where_none_is_documented(
    generated: GeneratedMarket, api_name: str
) -> None:
    assert table(generated, api_name, ts_code="000001.SZ,000002.SZ") == []
