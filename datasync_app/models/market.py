"""Market tables: one per Tushare endpoint, with its own column names and units.

Dates are DATE, numbers double precision, missing is NULL: never 0, never NaN. Keys are led by the
date, the way cells are replaced and days are read.
"""

from __future__ import annotations

from django.db import models


class TradeCal(models.Model):
    """`trade_cal`: one row per exchange and calendar day. `is_open` is 1 or 0, as the source has it."""

    pk = models.CompositePrimaryKey("cal_date", "exchange")
    exchange = models.CharField(max_length=10)
    cal_date = models.DateField()
    is_open = models.SmallIntegerField()
    pretrade_date = models.DateField(null=True)

    class Meta:
        db_table = "trade_cal"

    def __str__(self) -> str:
        return f"{self.exchange} {self.cal_date:%Y%m%d}"


class StockBasic(models.Model):
    """`stock_basic`: what the source last said of each code. Not the universe: no table refers to it."""

    ts_code = models.CharField(max_length=16, primary_key=True)
    symbol = models.TextField(null=True)  # noqa: DJ001 (NULL is what the source did not say)
    name = models.TextField(null=True)  # noqa: DJ001
    area = models.TextField(null=True)  # noqa: DJ001
    industry = models.TextField(null=True)  # noqa: DJ001
    fullname = models.TextField(null=True)  # noqa: DJ001
    enname = models.TextField(null=True)  # noqa: DJ001
    market = models.TextField(null=True)  # noqa: DJ001
    exchange = models.TextField(null=True)  # noqa: DJ001
    curr_type = models.TextField(null=True)  # noqa: DJ001
    list_status = models.CharField(max_length=1)
    list_date = models.DateField(null=True)
    delist_date = models.DateField(null=True)
    is_hs = models.TextField(null=True)  # noqa: DJ001
    last_seen_at = models.DateTimeField(auto_now=True)

    class Meta:
        db_table = "stock_basic"

    def __str__(self) -> str:
        return f"{self.ts_code} {self.name or ''}".strip()


class Daily(models.Model):
    """`daily`: unadjusted bars. Prices in yuan, `vol` in lots of 100 shares, `amount` in thousand yuan."""

    pk = models.CompositePrimaryKey("trade_date", "ts_code")
    ts_code = models.CharField(max_length=16)
    trade_date = models.DateField()
    open = models.FloatField(null=True)
    high = models.FloatField(null=True)
    low = models.FloatField(null=True)
    close = models.FloatField(null=True)
    pre_close = models.FloatField(null=True)
    change = models.FloatField(null=True)
    pct_chg = models.FloatField(null=True)
    vol = models.FloatField(null=True)
    amount = models.FloatField(null=True)
    ah_vol = models.FloatField(null=True)
    ah_amount = models.FloatField(null=True)

    class Meta:
        db_table = "daily"
        indexes = [models.Index(fields=["ts_code", "trade_date"], name="daily_by_code")]

    def __str__(self) -> str:
        return f"{self.ts_code} {self.trade_date:%Y%m%d}"
