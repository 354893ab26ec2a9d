from __future__ import annotations

import datetime as dt
from collections import Counter

import pytest

from datasync_app.dates import SHANGHAI
from datasync_app.sandbox.market import GeneratedMarket
from datasync_app.sandbox.server import Sandbox
from tests.datasync_app.sandbox.asking import LAST, bars_of, table
from tests.datasync_app.sandbox.conftest import Ask


def market_on(year: int, month: int, day: int) -> GeneratedMarket:
    now = dt.datetime(year, month, day, 20, tzinfo=SHANGHAI)
    return GeneratedMarket(1, lambda: now, companies=600)


def test_it_lists_the_members_of_a_classic_concept(generated: GeneratedMarket) -> None:
    concepts = table(generated, "concept")
    members = table(generated, "concept_detail", id="TS3")
    member = members[0]

    assert len(concepts) == 90
    assert {row["concept_name"] for row in members} == {concepts[3]["name"]}
    assert member in table(generated, "concept_detail", ts_code=str(member["ts_code"]))
    assert table(generated, "concept", src="em") == []


def test_it_gave_the_ids_of_classic_concepts_to_others_once() -> None:
    before, after = market_on(2020, 12, 31), market_on(2021, 1, 4)
    old = {row["code"]: row["name"] for row in table(before, "concept")}
    new = {row["code"]: row["name"] for row in table(after, "concept")}

    assert old.keys() == new.keys()
    assert sum(old[code] != new[code] for code in old) > 0.9 * len(old)
    assert set(old.values()) == set(new.values())


def test_it_lets_the_classic_source_stand_still() -> None:
    codes = {
        tuple(str(row["ts_code"]) for row in table(market, "concept_detail", id="TS3"))
        for market in (market_on(2021, 1, 4), market_on(2021, 6, 1))
    }

    assert len(codes) == 1


def test_it_uses_some_names_twice(generated: GeneratedMarket) -> None:
    names = Counter(row["name"] for row in table(generated, "concept"))

    assert set(names.values()) == {1, 2}


def test_it_counts_the_members_of_a_board(generated: GeneratedMarket) -> None:
    boards = table(generated, "ths_index", exchange="A", type="N")

    assert {row["type"] for row in table(generated, "ths_index")} == {"N", "I", "R"}
    assert {row["type"] for row in boards} == {"N"}
    for board in boards[:5]:
        members = table(generated, "ths_member", ts_code=str(board["ts_code"]))
        found = table(generated, "ths_member", con_code=str(members[0]["con_code"]))
        assert len(members) == board["count"]
        assert board["ts_code"] in {row["ts_code"] for row in found}


def test_it_tells_some_fields_of_members_only_by_name(generated: GeneratedMarket, ask: Ask) -> None:
    with Sandbox(generated, points=6000) as sandbox:
        usual = ask(sandbox, "ths_member", ts_code="885001.TI").json()["data"]["fields"]
        classic = ask(sandbox, "concept_detail", id="TS3").json()["data"]["fields"]

    assert usual == ["ts_code", "con_code", "con_name"]
    assert classic == ["id", "concept_name", "ts_code", "name"]


def test_it_changes_the_members_of_a_board_over_the_years() -> None:
    then, now = (
        {(row["ts_code"], row["con_code"]) for row in table(market, "ths_member")}
        for market in (market_on(2024, 3, 15), market_on(2026, 3, 16))
    )

    assert then - now
    assert now - then


def test_it_sums_a_board_up_from_the_bars_of_its_members(generated: GeneratedMarket) -> None:
    board = table(generated, "dc_index", trade_date=LAST)[3]
    members = table(generated, "dc_member", trade_date=LAST, ts_code=str(board["ts_code"]))
    codes = {row["con_code"] for row in members}
    bars = [bar for bar in bars_of(generated, LAST) if bar["ts_code"] in codes]
    worth = {row["ts_code"]: row for row in table(generated, "daily_basic", trade_date=LAST)}
    changes = [float(str(bar["pct_chg"])) for bar in bars]

    assert board["up_num"] == sum(change > 0 for change in changes)
    assert board["down_num"] == sum(change < 0 for change in changes)
    assert board["leading_pct"] == pytest.approx(max(changes), abs=0.006)
    assert board["total_mv"] == pytest.approx(
        sum(float(str(worth[bar["ts_code"]]["total_mv"])) for bar in bars), abs=1
    )


def test_it_has_boards_by_day_since_their_first_one(generated: GeneratedMarket) -> None:
    assert table(generated, "dc_index", trade_date="20241219") == []
    assert table(generated, "dc_index", trade_date="20241220")
    assert table(generated, "dc_member", trade_date="20241219") == []


def test_it_finds_several_boards_at_once(generated: GeneratedMarket) -> None:
    rows = table(generated, "dc_index", trade_date=LAST)
    asked = [str(row["ts_code"]) for row in rows[:2]]

    assert table(generated, "dc_index", trade_date=LAST, ts_code=",".join(asked)) == rows[:2]


def test_it_cuts_the_members_of_all_boards(generated: GeneratedMarket, ask: Ask) -> None:
    with Sandbox(generated, points=6000) as sandbox:
        data = ask(sandbox, "dc_member", trade_date=LAST).json()["data"]

    assert (len(data["items"]), data["has_more"]) == (5000, True)


@pytest.mark.parametrize(
    ("api_name", "points"),
    [("concept", 300), ("concept_detail", 300), ("ths_index", 6000), ("dc_member", 6000)],
)
def test_it_wants_points_for_boards(
    generated: GeneratedMarket, ask: Ask, api_name: str, points: int
) -> None:
    asked = {"trade_date": LAST, "id": "TS3", "ts_code": "BK1001.DC"}
    with Sandbox(generated, points=points - 1) as sandbox:
        poor = ask(sandbox, api_name, **asked).json()["code"]
    with Sandbox(generated, points=points) as sandbox:
        rich = ask(sandbox, api_name, **asked).json()["code"]

    assert (poor, rich) == (40203, 0)
