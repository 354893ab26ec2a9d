"""Questions to a generated market, answered as dictionaries."""

from __future__ import annotations

from datasync_app.sandbox.market import GeneratedMarket

LAST = "20260316"


def table(market: GeneratedMarket, api_name: str, **params: str) -> list[dict[str, object]]:
    fields, rows = market.rows(api_name, params)
    return [dict(zip(fields, row, strict=True)) for row in rows]


def day_at(market: GeneratedMarket, share: float) -> str:
    """An open day, so far along the market's history."""
    texts = market.world().calendar.texts
    return texts[int(share * (texts.index(LAST) + 1))]


def code_at(market: GeneratedMarket, share: float) -> str:
    codes = market.world().people.codes
    return codes[int(share * len(codes))]


def bars_of(market: GeneratedMarket, date: str) -> list[dict[str, object]]:
    return table(market, "daily", trade_date=date)


def codes_on(market: GeneratedMarket, date: str) -> set[object]:
    """The codes that have a bar on that day."""
    fields, rows = market.rows("daily", {"trade_date": date})
    column = fields.index("ts_code")
    return {row[column] for row in rows}


def under_new_codes(
    market: GeneratedMarket, rows: list[dict[str, object]]
) -> list[dict[str, object]]:
    """Rows that were told before some companies got another code, as told since."""
    people = market.world().people
    new = {change.old: people.codes[n] for n, change in people.renumbering.changes.items()}
    return [{**row, "ts_code": new.get(str(row["ts_code"]), row["ts_code"])} for row in rows]
