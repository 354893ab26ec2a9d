from __future__ import annotations

import datetime as dt
import itertools
import logging
import math
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datasync_app.dates import SHANGHAI
from datasync_app.sandbox.calendar import Calendar
from datasync_app.sandbox.market import GeneratedMarket
from datasync_app.sandbox.server import Sandbox
from tests.datasync_app.sandbox.asking import (
    LAST,
    bars_of,
    code_at,
    codes_on,
    day_at,
    table,
    under_new_codes,
)
from tests.datasync_app.sandbox.conftest import NOW, Ask
from tests.datasync_app.sandbox.test_replay import cells

shares = st.floats(0, 1, exclude_max=True)
# Each example is a day of five thousand companies, or a company's whole life.
some = settings(max_examples=10, deadline=None)


def limit_of(code: str, date: str) -> int:
    if code.endswith(".BJ"):
        return 30
    wide = code.startswith("688") or (code.startswith("30") and date >= "20200824")
    return 20 if wide else 10


def cents(price: object) -> int:
    assert isinstance(price, float)
    return round(price * 100)


@some
@given(share=shares)
def test_it_keeps_the_price_limits(generated: GeneratedMarket, share: float) -> None:
    date = day_at(generated, share)
    for bar in bars_of(generated, date):
        limit, pre = limit_of(str(bar["ts_code"]), date), cents(bar["pre_close"])
        assert cents(bar["high"]) <= (pre * (100 + limit) + 50) // 100
        assert cents(bar["low"]) >= (pre * (100 - limit) + 50) // 100


@some
@given(share=shares)
def test_it_makes_bars_that_make_sense(generated: GeneratedMarket, share: float) -> None:
    for bar in bars_of(generated, day_at(generated, share)):
        low, high, pre = cents(bar["low"]), cents(bar["high"]), cents(bar["pre_close"])
        first, last = cents(bar["open"]), cents(bar["close"])
        volume, amount = bar["vol"], bar["amount"]
        assert isinstance(volume, float) and isinstance(amount, float)
        assert 0 < low <= min(first, last) <= max(first, last) <= high
        assert bar["change"] == (last - pre) / 100
        assert bar["pct_chg"] == pytest.approx((last - pre) / pre * 100, abs=0.00006)
        assert volume > 0
        assert low - 0.01 <= amount * 1000 / volume <= high + 0.01
        for name in ("open", "high", "low", "close", "pre_close", "change", "vol"):
            assert len(str(bar[name]).split(".")[1]) <= 2


@some
@given(share=shares)
def test_it_chains_closes_except_on_ex_rights_days(
    generated: GeneratedMarket, share: float
) -> None:
    code = code_at(generated, share)
    world = generated.world()
    number = np.array([world.people.numbers[code]])
    bars = table(generated, "daily", ts_code=code)[::-1]
    ratios = world.prices.rights.log_ratio(number, 0, len(world.calendar.days) // 64 + 1)
    log_ratio = ratios[0, :, 1:].reshape(-1)
    ex_days = 0
    for before, bar in itertools.pairwise(bars):
        days = [world.calendar.numbers[str(row["trade_date"])] for row in (before, bar)]
        ratio = math.exp(log_ratio[days[1]] - log_ratio[days[0]])
        ex_days += ratio != 1
        assert cents(bar["pre_close"]) == math.floor(cents(before["close"]) * ratio + 0.5)
    assert ex_days <= len(bars) / 180 + 1


@some
@given(code_share=shares, day_shares=st.lists(shares, min_size=1, max_size=3))
def test_it_tells_the_same_by_code_and_by_date(
    generated: GeneratedMarket, code_share: float, day_shares: list[float]
) -> None:
    code = code_at(generated, code_share)
    history = {bar["trade_date"]: bar for bar in table(generated, "daily", ts_code=code)}
    for share in day_shares:
        date = day_at(generated, share)
        of_day = {bar["ts_code"]: bar for bar in bars_of(generated, date)}
        assert of_day.get(code) == history.get(date)


def test_it_tells_the_same_for_many_codes_at_once(generated: GeneratedMarket) -> None:
    codes = generated.world().people.codes[:2000:50]
    span = {"start_date": "20190701", "end_date": "20191231"}
    together = table(generated, "daily", ts_code=",".join(codes), **span)
    apart = [bar for code in codes for bar in table(generated, "daily", ts_code=code, **span)]
    by_date = [
        bar
        for bar in itertools.chain.from_iterable(
            bars_of(generated, text)
            for text in generated.world().calendar.texts
            if "20190701" <= text <= "20190731"
        )
        if bar["ts_code"] in codes
    ]

    def key(bar: dict[str, object]) -> tuple[str, str]:
        return str(bar["trade_date"]), str(bar["ts_code"])

    assert len(together) <= 6000
    assert sorted(together, key=key) == sorted(apart, key=key)
    assert sorted(by_date, key=key) == [
        bar for bar in sorted(together, key=key) if str(bar["trade_date"]) <= "20190731"
    ]


@settings(max_examples=8, deadline=None)
@given(share=shares)
def test_it_loses_few_codes_from_one_day_to_the_next(
    generated: GeneratedMarket, share: float
) -> None:
    texts = generated.world().calendar.texts
    start = texts.index(day_at(generated, share))
    span = texts[start : min(start + 30, texts.index(LAST) + 1)]
    present = [codes_on(generated, date) for date in span]
    for before, after in itertools.pairwise(present):
        assert len(before - after) <= 6


def test_it_halts_about_two_companies_a_day(generated: GeneratedMarket) -> None:
    texts = generated.world().calendar.texts
    span = texts[texts.index("20230103") :][:100]
    present = [codes_on(generated, date) for date in span]
    newly_absent = sum(len(before - after) for before, after in itertools.pairwise(present))

    assert 1.2 < newly_absent / 99 < 2.8


@settings(max_examples=10, deadline=None)
@given(share=shares)
def test_it_is_the_same_forever(generated: GeneratedMarket, share: float) -> None:
    date = day_at(generated, share * 0.75)
    earlier = GeneratedMarket(1, lambda: dt.datetime(2017, 12, 29, 18, tzinfo=SHANGHAI))
    if date <= "20171229":
        assert under_new_codes(generated, bars_of(earlier, date)) == bars_of(generated, date)
    else:
        assert bars_of(earlier, date) == []


def test_it_is_another_market_with_another_seed(generated: GeneratedMarket) -> None:
    other = GeneratedMarket(2, lambda: NOW)

    assert other.identity == "sandbox:2"
    assert bars_of(other, "20200102") != bars_of(generated, "20200102")


def test_it_grows_when_the_clock_enters_a_new_year(generated: GeneratedMarket) -> None:
    now = dt.datetime(2024, 12, 31, 20, tzinfo=SHANGHAI)
    market = GeneratedMarket(1, lambda: now)
    before = bars_of(market, "20241231")
    now = NOW

    assert bars_of(market, "20241231") == under_new_codes(generated, before)
    assert bars_of(market, LAST) == bars_of(generated, LAST)


def test_it_publishes_a_day_at_four_in_the_afternoon() -> None:
    now = dt.datetime(2026, 3, 16, 15, 59, tzinfo=SHANGHAI)
    market = GeneratedMarket(1, lambda: now.astimezone(dt.UTC))
    early, friday = bars_of(market, LAST), bars_of(market, "20260313")
    now = now.replace(hour=16, minute=0)

    assert early == []
    assert len(friday) > 5000
    assert len(bars_of(market, LAST)) > 5000
    assert bars_of(market, "20260317") == []


def test_it_has_nothing_on_closed_days(generated: GeneratedMarket) -> None:
    assert bars_of(generated, "20260314") == []


def test_it_lists_about_as_many_companies_as_there_are(generated: GeneratedMarket) -> None:
    listed = table(generated, "stock_basic")
    sizes = {status: len(table(generated, "stock_basic", list_status=status)) for status in "LDPG"}

    assert 5200 < sizes["L"] < 5600
    assert sizes["L"] == len(listed)
    assert sizes["D"] > 200
    assert 0 < sizes["P"] < 30
    assert 0 < sizes["G"] < 30
    boards = Counter(str(row["market"]) for row in listed)
    assert set(boards) == {"主板", "创业板", "科创板", "北交所"}


@pytest.mark.parametrize(
    ("prefix", "suffix", "market", "since"),
    [
        ("60", "SH", "主板", "19901219"),
        ("688", "SH", "科创板", "20190722"),
        ("00", "SZ", "主板", "19901219"),
        ("30", "SZ", "创业板", "20091030"),
        ("920", "BJ", "北交所", "20211115"),
    ],
)
def test_it_hands_out_codes_in_the_real_ranges(
    generated: GeneratedMarket, prefix: str, suffix: str, market: str, since: str
) -> None:
    rows = [row for row in table(generated, "stock_basic") if row["market"] == market]
    found = [row for row in rows if str(row["ts_code"])[-2:] == suffix]

    assert found
    assert all(str(row["symbol"]).startswith(prefix) for row in found)
    assert min(str(row["list_date"]) for row in found) >= since


def test_it_never_gives_a_code_twice(generated: GeneratedMarket) -> None:
    codes = generated.world().people.codes

    assert len(set(codes)) == len(codes)


def test_it_names_companies_so_that_nobody_takes_them_for_real(generated: GeneratedMarket) -> None:
    assert all("虚构" in str(row["name"]) for row in table(generated, "stock_basic"))


def test_it_lists_new_companies_most_weeks(generated: GeneratedMarket) -> None:
    dates = [
        dt.datetime.strptime(str(row["list_date"]), "%Y%m%d").date()
        for row in table(generated, "stock_basic", list_status="L,D,P")
        if "20240101" <= str(row["list_date"]) <= "20251231"
    ]
    weeks = {date.isocalendar()[:2] for date in dates}

    assert 150 < len(dates) < 300
    assert len(weeks) > 70


def test_it_has_no_bars_of_a_company_outside_its_listing(generated: GeneratedMarket) -> None:
    for row in table(generated, "stock_basic", list_status="D")[:40]:
        bars = table(generated, "daily", ts_code=str(row["ts_code"]))
        assert bars[-1]["trade_date"] == row["list_date"]
        assert str(bars[0]["trade_date"]) < str(row["delist_date"])


def test_it_shows_a_paused_company_without_bars(generated: GeneratedMarket) -> None:
    today = {bar["ts_code"] for bar in bars_of(generated, LAST)}
    paused = table(generated, "stock_basic", list_status="P")

    assert not {row["ts_code"] for row in paused} & today
    assert all(row["list_date"] and not row["delist_date"] for row in paused)


def test_it_gives_optional_fields_only_by_name(generated: GeneratedMarket, ask: Ask) -> None:
    with Sandbox(generated) as sandbox:
        usual = ask(sandbox, "daily", trade_date=LAST).json()["data"]["fields"]
        basics = ask(sandbox, "stock_basic").json()["data"]["fields"]
        asked = "ts_code,list_status,delist_date,ah_vol"
        named = ask(sandbox, "daily", trade_date=LAST, fields=asked).json()["data"]
        more = ask(sandbox, "stock_basic", fields=asked).json()["data"]["fields"]

    assert (len(usual), usual[-1]) == (11, "amount")
    usual_basics = (
        "ts_code symbol name area industry cnspell market list_date act_name act_ent_type"
    )
    assert basics == usual_basics.split()
    assert named["fields"] == ["ts_code", "ah_vol"]
    assert named["items"][0][1] is None
    assert more == ["ts_code", "list_status", "delist_date"]


def test_it_counts_trade_after_hours_since_it_exists() -> None:
    market = GeneratedMarket(1, lambda: dt.datetime(2026, 7, 6, 20, tzinfo=SHANGHAI))

    assert {bar["ah_vol"] for bar in bars_of(market, "20260703")} == {None}
    assert None not in {bar["ah_vol"] for bar in bars_of(market, "20260706")}


def test_it_has_the_recorded_open_days(sample: Path, generated: GeneratedMarket) -> None:
    lines = cells(sample / "trade_cal" / "sse_19901219_to_20241231.csv.gz")[1:]
    rows = generated.rows("trade_cal", {"start_date": "19901219", "end_date": "20241231"})[1]

    assert sum(line[2] == "1" for line in lines) == 8312
    assert [["" if cell is None else str(cell) for cell in row] for row in rows] == lines


def test_it_has_one_calendar_for_both_exchanges(generated: GeneratedMarket) -> None:
    shanghai = generated.rows("trade_cal", {"exchange": "SSE"})[1]
    shenzhen = generated.rows("trade_cal", {"exchange": "SZSE"})[1]

    assert [row[1:] for row in shanghai] == [row[1:] for row in shenzhen]
    assert {row[0] for row in shenzhen} == {"SZSE"}
    assert shanghai[0][1] == "20261231"
    assert generated.rows("trade_cal", {"exchange": "CFFEX"})[1] == []


def test_it_filters_the_calendar_by_open_days(generated: GeneratedMarket) -> None:
    span = {"start_date": "20260214", "end_date": "20260225"}
    opened = [row[1] for row in generated.rows("trade_cal", {**span, "is_open": "1"})[1]]
    closed = [row[1] for row in generated.rows("trade_cal", {**span, "is_open": "0"})[1]]

    assert opened == ["20260225", "20260224"]
    assert len(closed) == 10


def test_it_goes_on_with_weekdays_and_says_so(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        calendar = Calendar(2031)

    assert calendar.texts[-1] == "20311231"
    assert {day.weekday() for day in calendar.days[-200:]} == {0, 1, 2, 3, 4}
    assert [record.message.split()[0] for record in caplog.records] == ["action=guess_calendar"]


@pytest.mark.parametrize("params", [{"trade_date": "2020-01-02"}, {"start_date": "20200231"}])
def test_it_refuses_what_is_no_date(
    generated: GeneratedMarket, ask: Ask, params: dict[str, str]
) -> None:
    with Sandbox(generated) as sandbox:
        assert ask(sandbox, "daily", **params).json()["code"] == 50101


def test_it_does_not_mind_an_unknown_code(generated: GeneratedMarket) -> None:
    assert table(generated, "daily", ts_code="999999.SZ") == []
    assert len(table(generated, "daily", ts_code="999999.SZ,000001.SZ", trade_date="20200102")) == 1


def test_it_denies_what_it_does_not_make(generated: GeneratedMarket, ask: Ask) -> None:
    with Sandbox(generated) as sandbox:
        answer = ask(sandbox, "income", ts_code="000001.SZ").json()

    assert answer["code"] == 40203
    assert "没有接口(income)访问权限" in answer["msg"]
