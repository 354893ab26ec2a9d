"""`stock_basic` of the generated market: names that nobody could take for real ones."""

from __future__ import annotations

from datasync_app.protocol import Rows
from datasync_app.sandbox.calendar import Calendar
from datasync_app.sandbox.names import Names
from datasync_app.sandbox.noise import Noise
from datasync_app.sandbox.population import (
    BEIJING,
    CHINEXT,
    SHANGHAI_MAIN,
    SHENZHEN_MAIN,
    STAR,
    Population,
)

_MARKETS = {
    SHANGHAI_MAIN: ("主板", "SSE"),
    SHENZHEN_MAIN: ("主板", "SZSE"),
    CHINEXT: ("创业板", "SZSE"),
    STAR: ("科创板", "SSE"),
    BEIJING: ("北交所", "BSE"),
}
_AREAS = (
    "北京",
    "上海",
    "深圳",
    "浙江",
    "江苏",
    "广东",
    "山东",
    "四川",
    "湖北",
    "福建",
    "安徽",
    "湖南",
)
_INDUSTRIES = (
    "软件服务",
    "电气设备",
    "化工原料",
    "专用机械",
    "元器件",
    "汽车配件",
    "银行",
    "白酒",
    "医疗保健",
)
_ENTERPRISES = ("民营企业", "地方国企", "中央国企", "外资企业", "无", None)
# Approved companies appear as "G" so many open days before their first one.
_ANNOUNCED_DAYS = 10


def basic_rows(
    people: Population, calendar: Calendar, names: Names, noise: Noise, today: int
) -> Rows:
    """Everybody known on a day (the number of the last open day), by code."""
    ids = range(people.listed_before(today + 1 + _ANNOUNCED_DAYS))
    codes = people.renumbering.on(today).shown
    areas = (noise.unit("area", ids) * len(_AREAS)).astype(int).tolist()
    industries = (noise.unit("industry", ids) * len(_INDUSTRIES)).astype(int).tolist()
    enterprises = (noise.unit("enterprise", ids) * len(_ENTERPRISES)).astype(int).tolist()
    connect = noise.unit("connect", ids).tolist()
    rows: Rows = []
    for number in ids:
        code = codes[number]
        market, exchange = _MARKETS[int(people.boards[number])]
        status = _status(people, number, today)
        connected = exchange != "BSE" and connect[number] < 0.5
        rows.append(
            [
                code,
                code[:6],
                names.on(number, today),
                _AREAS[areas[number]],
                _INDUSTRIES[industries[number]],
                f"虚构{number + 1:04}股份有限公司",
                f"Invented Company {number + 1:04} Co., Ltd.",
                f"xg{number + 1:04}",
                market,
                exchange,
                "CNY",
                status,
                None if status == "G" else calendar.texts[people.listed[number]],
                calendar.texts[people.delists[number]] if status == "D" else None,
                ("H" if exchange == "SSE" else "S") if connected else "N",
                f"虚构{number + 1:04}之控制人",
                _ENTERPRISES[enterprises[number]],
            ]
        )
    return sorted(rows, key=lambda row: str(row[0]))


def _status(people: Population, number: int, today: int) -> str:
    if people.listed[number] > today:
        return "G"
    if people.delists[number] <= today:
        return "D"
    return "P" if people.ends[number] <= today else "L"
