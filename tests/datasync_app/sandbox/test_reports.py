from __future__ import annotations

import datetime as dt
from collections import Counter, defaultdict

import pytest

from datasync_app.dates import SHANGHAI
from datasync_app.protocol.indicator_fields import INDICATOR_FIELDS
from datasync_app.sandbox.indicators import CORRECTED_FIELDS
from datasync_app.sandbox.market import GeneratedMarket
from datasync_app.sandbox.server import Sandbox
from tests.datasync_app.sandbox.asking import table
from tests.datasync_app.sandbox.conftest import Ask

Row = dict[str, object]
PERIOD = "20250930"


@pytest.fixture(scope="module")
def reports(generated: GeneratedMarket) -> dict[object, list[Row]]:
    """What every company has told of a period by March of the next year."""
    found = defaultdict(list)
    for row in table(generated, "fina_indicator_vip", period=PERIOD):
        found[row["ts_code"]].append(row)
    return dict(found)


@pytest.fixture(scope="module")
def plans(generated: GeneratedMarket) -> dict[object, Row]:
    _, rows = generated.truth("disclosure_date", {"end_date": PERIOD})
    names = ("ts_code", "ann_date", "end_date", "pre_date", "actual_date", "modify_date")
    return {row[0]: dict(zip(names, row, strict=True)) for row in rows}


def market_at(day: dt.date, hour: int = 23) -> GeneratedMarket:
    now = dt.datetime.combine(day, dt.time(hour), SHANGHAI)
    return GeneratedMarket(1, lambda: now)


def changed(one: Row, other: Row) -> set[str]:
    return {name for name in one if one[name] != other[name]} - {"update_flag", "ann_date"}


def test_it_tells_default_fields_unless_others_are_named(
    generated: GeneratedMarket, ask: Ask
) -> None:
    with Sandbox(generated) as sandbox:
        usual = ask(sandbox, "fina_indicator", ts_code="000001.SZ").json()["data"]["fields"]
        named = ask(
            sandbox, "fina_indicator", ts_code="000001.SZ", fields="ts_code,update_flag,rd_exp,none"
        ).json()["data"]["fields"]
        plan = ask(sandbox, "disclosure_date", ts_code="000001.SZ").json()["data"]["fields"]

    assert len(usual) == 108
    assert not {"update_flag", "rd_exp"} & set(usual)
    assert named == ["ts_code", "update_flag", "rd_exp"]
    assert plan == ["ts_code", "ann_date", "end_date", "pre_date", "actual_date"]


def test_it_has_every_documented_field() -> None:
    assert len(INDICATOR_FIELDS) == len(set(INDICATOR_FIELDS)) == 167


def test_it_announces_a_report_on_the_day_it_is_disclosed(
    reports: dict[object, list[Row]], plans: dict[object, Row]
) -> None:
    disclosed = {code: plan["actual_date"] for code, plan in plans.items() if plan["actual_date"]}

    assert {code: rows[0]["ann_date"] for code, rows in reports.items()} == disclosed
    assert len(disclosed) > 5000


def test_it_reports_within_the_window_of_the_period_with_few_exceptions(
    plans: dict[object, Row],
) -> None:
    inside = [
        plan for plan in plans.values() if "20251008" <= str(plan["actual_date"]) <= "20251031"
    ]

    assert 0.97 < len(inside) / len(plans) < 1


def test_it_moves_a_plan_when_it_is_revised(plans: dict[object, Row]) -> None:
    revised = [plan for plan in plans.values() if plan["modify_date"]]
    day = dt.datetime.strptime(str(revised[0]["modify_date"]), "%Y%m%d").date()
    code = str(revised[0]["ts_code"])
    before = table(
        market_at(day - dt.timedelta(days=1)), "disclosure_date", ts_code=code, end_date=PERIOD
    )
    after = table(market_at(day), "disclosure_date", ts_code=code, end_date=PERIOD)

    assert 0.05 < len(revised) / len(plans) < 0.2
    assert before[0]["modify_date"] is None
    assert before[0]["ann_date"] != after[0]["ann_date"] == revised[0]["modify_date"]
    assert after[0]["actual_date"] is None


def test_it_tells_the_report_four_hours_after_its_disclosure(plans: dict[object, Row]) -> None:
    plan = next(plan for plan in plans.values() if not plan["modify_date"])
    day = dt.datetime.strptime(str(plan["actual_date"]), "%Y%m%d").date()
    named = {"ts_code": str(plan["ts_code"])}
    seen = [
        (
            table(market_at(day, hour), "disclosure_date", **named, end_date=PERIOD)[0][
                "actual_date"
            ],
            len(table(market_at(day, hour), "fina_indicator", **named, period=PERIOD)) > 0,
        )
        for hour in (17, 18, 22)
    ]

    assert seen == [(None, False), (plan["actual_date"], False), (plan["actual_date"], True)]


def test_it_finds_plans_by_each_of_their_dates(generated: GeneratedMarket) -> None:
    plan = table(generated, "disclosure_date", ts_code="000001.SZ", end_date=PERIOD)[0]
    for name in ("ann_date", "pre_date", "actual_date"):
        found = table(generated, "disclosure_date", **{name: str(plan[name])})
        assert plan in found
        assert {row[name] for row in found} == {plan[name]}


def test_it_cuts_the_plans_of_a_period_at_its_cap(generated: GeneratedMarket, ask: Ask) -> None:
    with Sandbox(generated) as sandbox:
        data = ask(sandbox, "disclosure_date", end_date=PERIOD).json()["data"]

    assert (len(data["items"]), data["has_more"]) == (3000, True)


def test_it_never_discloses_more_on_a_day_than_one_call_can_tell(
    plans: dict[object, Row],
) -> None:
    for name in ("ann_date", "pre_date", "actual_date"):
        assert max(Counter(plan[name] for plan in plans.values()).values()) < 3000


def test_it_gives_corrections_under_the_same_dates(reports: dict[object, list[Row]]) -> None:
    twice = [
        rows
        for rows in reports.values()
        if len(rows) == 2 and rows[0]["ann_date"] == rows[1]["ann_date"]
    ]
    corrected = [rows for rows in twice if changed(*rows)]

    assert {(str(a["update_flag"]), str(b["update_flag"])) for a, b in twice} == {("0", "1")}
    assert all(changed(*rows) <= set(CORRECTED_FIELDS) for rows in corrected)
    assert len(corrected) > 100
    assert len(twice) - len(corrected) > 100


def test_it_flags_reports_in_every_way_of_the_source(reports: dict[object, list[Row]]) -> None:
    alone = Counter(str(rows[0]["update_flag"]) for rows in reports.values() if len(rows) == 1)

    assert alone["1"] > alone["0"] > 500


def test_it_dates_a_few_reports_before_the_end_of_their_period(
    reports: dict[object, list[Row]],
) -> None:
    early = [rows for rows in reports.values() if any(str(r["ann_date"]) < PERIOD for r in rows)]

    assert 0 < len(early) < 40


def test_it_brings_a_correction_months_after_the_report(reports: dict[object, list[Row]]) -> None:
    code, rows = next((c, r) for c, r in reports.items() if len(r) == 2 and changed(*r))
    day = dt.datetime.strptime(str(rows[0]["ann_date"]), "%Y%m%d").date()
    first = table(market_at(day), "fina_indicator", ts_code=str(code), period=PERIOD)

    assert first == rows[:1]


def test_it_restates_some_reports_a_year_later(generated: GeneratedMarket) -> None:
    rows = table(generated, "fina_indicator_vip", period="20240630")
    dates = defaultdict(set)
    for row in rows:
        dates[row["ts_code"]].add(str(row["ann_date"]))
    again = [found for found in dates.values() if len(found) == 2 and min(found) > "20240630"]

    assert again
    assert all(max(found)[:4] == "2025" for found in again)


@pytest.mark.parametrize("code", ["000001.SZ", "600003.SH", "688001.SH"])
def test_it_tells_the_same_by_company_and_by_period(
    generated: GeneratedMarket, reports: dict[object, list[Row]], code: str
) -> None:
    assert table(generated, "fina_indicator", ts_code=code, period=PERIOD) == reports[code]


def test_it_ranges_over_report_periods(generated: GeneratedMarket) -> None:
    span = {"start_date": "20240331", "end_date": "20241230"}
    rows = table(generated, "fina_indicator", ts_code="000001.SZ", **span)

    assert {row["end_date"] for row in rows} == {"20240331", "20240630", "20240930"}


def test_it_finds_reports_by_the_day_they_were_announced(
    generated: GeneratedMarket, reports: dict[object, list[Row]]
) -> None:
    date = reports["000001.SZ"][0]["ann_date"]
    found = table(generated, "fina_indicator_vip", ann_date=str(date))

    assert {row["ann_date"] for row in found} == {date}
    assert [row for row in found if row["ts_code"] == "000001.SZ"] == reports["000001.SZ"]


def test_it_tells_a_hundred_reports_of_a_company_at_most(
    generated: GeneratedMarket, ask: Ask
) -> None:
    with Sandbox(generated) as sandbox:
        data = ask(sandbox, "fina_indicator", ts_code="000001.SZ").json()["data"]

    assert (len(data["items"]), data["has_more"]) == (100, True)


def test_it_asks_for_a_code_and_sells_whole_periods_for_points(
    generated: GeneratedMarket, ask: Ask
) -> None:
    with Sandbox(generated) as sandbox:
        codeless = ask(sandbox, "fina_indicator", period=PERIOD).json()
        poor = ask(sandbox, "fina_indicator_vip", period=PERIOD).json()

    assert (codeless["code"], codeless["msg"]) == (50101, "参数校验失败, ts_code至少输入一个参数")
    assert poor["code"] == 40203


def test_it_earns_what_the_valuation_says(generated: GeneratedMarket) -> None:
    """The multiple of March 2026 is of the year 2024."""
    for code in ("000001.SZ", "600003.SH", "688001.SH"):
        report = table(generated, "fina_indicator", ts_code=code, period="20241231")[0]
        day = table(generated, "daily_basic", ts_code=code, trade_date="20260316")[0]
        then = table(generated, "daily_basic", ts_code=code, trade_date="20241231")[0]
        eps, margin = float(str(report["eps"])), float(str(report["netprofit_margin"]))
        profit = eps * float(str(then["total_share"]))
        assert (day["pe"] is None) == (profit <= 0)
        if day["pe"] is not None:
            value = float(str(day["total_mv"]))
            assert value / float(str(day["pe"])) == pytest.approx(profit, rel=1e-2)
            assert value / float(str(day["ps"])) == pytest.approx(100 * profit / margin, rel=1e-2)
