from __future__ import annotations

import datetime as dt
import itertools
from collections import Counter, defaultdict

import pytest

from datasync_app.dates import SHANGHAI
from datasync_app.sandbox.market import GeneratedMarket
from datasync_app.sandbox.server import Sandbox
from tests.datasync_app.sandbox.asking import LAST, table
from tests.datasync_app.sandbox.conftest import Ask


def market_on(*day: int, companies: int | None = None) -> GeneratedMarket:
    now = dt.datetime(*day, 20, tzinfo=SHANGHAI)  # type: ignore[arg-type, misc]
    return GeneratedMarket(1, lambda: now, companies=companies)


def test_it_tells_the_whole_history_under_the_new_code() -> None:
    before, after = market_on(2018, 12, 25), market_on(2018, 12, 26)
    old = table(before, "daily", ts_code="000022.SZ")
    new = table(after, "daily", ts_code="001872.SZ")

    assert len(old) > 5000
    assert [{**row, "ts_code": "001872.SZ"} for row in old] == new[1:]
    assert table(before, "daily", ts_code="001872.SZ") == []
    assert table(after, "daily", ts_code="000022.SZ") == []
    for api_name in ("adj_factor", "daily_basic", "fina_indicator", "disclosure_date"):
        assert table(after, api_name, ts_code="001872.SZ")
        assert not table(after, api_name, ts_code="000022.SZ")


def test_it_lists_a_renumbered_company_once() -> None:
    market = market_on(2025, 2, 17)
    codes = {str(row["ts_code"]) for row in table(market, "stock_basic")}

    assert {"001872.SZ", "001914.SZ", "302132.SZ"} <= codes
    assert not {"000022.SZ", "000043.SZ", "300114.SZ"} & codes


def test_it_maps_old_beijing_codes_to_new_ones_on_the_day_of_the_change() -> None:
    before, after = market_on(2025, 9, 30), market_on(2025, 10, 9)
    mapping = {str(row["o_code"]): str(row["n_code"]) for row in table(after, "bse_mapping")}

    def beijing(market: GeneratedMarket, date: str) -> list[str]:
        bars = table(market, "daily", trade_date=date)
        return [str(bar["ts_code"]) for bar in bars if str(bar["ts_code"]).endswith(".BJ")]

    old = beijing(before, "20250930")
    assert table(before, "bse_mapping") == []
    assert any(code.startswith("83") for code in old) and any(c.startswith("920") for c in old)
    assert len(mapping) > 200
    assert [mapping.get(code, code) for code in old] == beijing(after, "20250930")


def test_it_finds_a_mapping_by_either_code(generated: GeneratedMarket) -> None:
    row = table(generated, "bse_mapping")[7]

    assert table(generated, "bse_mapping", o_code=str(row["o_code"])) == [row]
    assert table(generated, "bse_mapping", n_code=str(row["n_code"])) == [row]


@pytest.fixture(scope="module")
def names(generated: GeneratedMarket) -> list[dict[str, object]]:
    return table(generated, "namechange")


def test_it_calls_a_company_by_its_last_name(
    generated: GeneratedMarket, names: list[dict[str, object]]
) -> None:
    in_use = {row["ts_code"]: row["name"] for row in names if not row["end_date"]}
    listed = {row["ts_code"]: row["name"] for row in table(generated, "stock_basic")}

    assert {code: in_use[code] for code in listed} == listed


def test_it_follows_one_name_with_the_next(names: list[dict[str, object]]) -> None:
    histories = defaultdict(set)
    for row in names:
        histories[row["ts_code"]].add((str(row["start_date"]), str(row["end_date"] or "")))
    for spans in histories.values():
        ordered = sorted(spans)
        for (_, end), (start, _) in itertools.pairwise(ordered):
            day = dt.datetime.strptime(end, "%Y%m%d") + dt.timedelta(days=1)
            assert f"{day:%Y%m%d}" == start
        assert ordered[-1][1] == ""


def test_it_repeats_some_names_and_leaves_most_announcements_out(
    names: list[dict[str, object]],
) -> None:
    twice = [n for n in Counter(tuple(row.items()) for row in names).values() if n > 1]

    assert twice and set(twice) == {2}
    assert sum(row["ann_date"] is None for row in names) > len(names) / 2
    assert {"ST", "*ST", "撤销ST", "改名"} <= {str(row["change_reason"]) for row in names}


def test_it_ranges_over_the_announcements_of_names(
    generated: GeneratedMarket, names: list[dict[str, object]]
) -> None:
    span = {"start_date": "20240101", "end_date": "20241231"}
    found = table(generated, "namechange", **span)

    assert found == [row for row in names if str(row["ann_date"] or "")[:4] == "2024"]


def test_it_has_more_names_than_one_call_tells(generated: GeneratedMarket, ask: Ask) -> None:
    with Sandbox(generated) as sandbox:
        data = ask(sandbox, "namechange").json()["data"]

    assert (len(data["items"]), data["has_more"]) == (10_000, True)


@pytest.mark.parametrize("code", ["000001.SH", "399001.SZ", "399006.SZ"])
def test_it_sums_an_index_up_from_the_bars_of_its_constituents(
    generated: GeneratedMarket, code: str
) -> None:
    world = generated.world()
    members = {world.people.codes[n] for n in world.indices.constituents(code).tolist()}
    for date in ("20110310", "20200511", LAST):
        bar = table(generated, "index_daily", ts_code=code, trade_date=date)[0]
        own = [
            row for row in table(generated, "daily", trade_date=date) if row["ts_code"] in members
        ]
        sums = {
            name: sum(float(str(row[name])) for row in own)
            for name in ("open", "high", "low", "close", "pre_close", "vol", "amount")
        }
        assert bar["vol"] == pytest.approx(sums["vol"])
        assert bar["amount"] == pytest.approx(sums["amount"])
        for name in ("open", "high", "low", "close"):
            share = float(str(bar[name])) / float(str(bar["pre_close"]))
            assert share == pytest.approx(sums[name] / sums["pre_close"], abs=1e-6)


def test_it_chains_the_closes_of_an_index(generated: GeneratedMarket) -> None:
    bars = table(generated, "index_daily", ts_code="000001.SH")

    assert len(bars) > 8000
    assert [bar["close"] for bar in bars[1:]] == [bar["pre_close"] for bar in bars[:-1]]


def test_it_begins_an_index_on_its_first_day(generated: GeneratedMarket) -> None:
    assert table(generated, "index_daily", ts_code="399006.SZ")[-1]["trade_date"] == "20100601"
    assert table(generated, "index_daily", ts_code="999999.SH") == []


def test_it_cuts_a_long_history_of_an_index(generated: GeneratedMarket, ask: Ask) -> None:
    with Sandbox(generated) as sandbox:
        data = ask(sandbox, "index_daily", ts_code="000001.SH", fields="trade_date").json()["data"]
        codeless = ask(sandbox, "index_daily").json()

    assert (len(data["items"]), data["has_more"]) == (8000, True)
    assert codeless["code"] == 50101


def test_it_makes_a_small_market_of_the_same_kind() -> None:
    small = market_on(2026, 3, 16, companies=60)
    listed = table(small, "stock_basic")

    assert small.identity == "sandbox:1:60"
    assert 30 < len(listed) < 90
    assert {str(row["market"]) for row in listed} >= {"主板", "创业板"}
    assert {str(row["ts_code"]) for row in table(small, "adj_factor", trade_date=LAST)} == {
        str(row["ts_code"]) for row in listed
    }
