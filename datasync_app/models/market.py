"""Market tables: one per Tushare endpoint, with its own column names and units.

Dates are DATE, numbers double precision, missing is NULL: never 0, never NaN. Keys are led by the
date, the way cells are replaced and days are read.
"""

from __future__ import annotations

import datetime as dt

from django.db import models
from django.db.models import Value
from django.db.models.functions import Coalesce
from django.utils.translation import gettext_lazy as _

# Stands for NULL in the identity of a row: PostgreSQL 14 takes two NULLs for different values.
NO_TEXT = Value("")
NO_DATE = Value(dt.date(1, 1, 1))


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
    name = models.TextField(_("name"), null=True)  # noqa: DJ001
    area = models.TextField(null=True)  # noqa: DJ001
    industry = models.TextField(_("industry"), null=True)  # noqa: DJ001
    fullname = models.TextField(null=True)  # noqa: DJ001
    enname = models.TextField(null=True)  # noqa: DJ001
    cnspell = models.TextField(null=True)  # noqa: DJ001
    market = models.TextField(_("market"), null=True)  # noqa: DJ001
    exchange = models.TextField(null=True)  # noqa: DJ001
    curr_type = models.TextField(null=True)  # noqa: DJ001
    list_status = models.CharField(_("listing status"), max_length=1)
    list_date = models.DateField(_("listed"), null=True)
    delist_date = models.DateField(_("delisted"), null=True)
    is_hs = models.TextField(null=True)  # noqa: DJ001
    act_name = models.TextField(null=True)  # noqa: DJ001
    act_ent_type = models.TextField(null=True)  # noqa: DJ001
    last_seen_at = models.DateTimeField(auto_now=True)

    class Meta:
        db_table = "stock_basic"
        verbose_name = _("stock")
        verbose_name_plural = _("stocks")

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


class AdjFactor(models.Model):
    """`adj_factor`: what a price is multiplied by to be comparable over ex-rights days.

    The source has a factor for suspended stocks too, and for codes that no bar was ever seen of.
    """

    pk = models.CompositePrimaryKey("trade_date", "ts_code")
    ts_code = models.CharField(max_length=16)
    trade_date = models.DateField()
    adj_factor = models.FloatField(null=True)

    class Meta:
        db_table = "adj_factor"
        indexes = [models.Index(fields=["ts_code", "trade_date"], name="adj_factor_by_code")]

    def __str__(self) -> str:
        return f"{self.ts_code} {self.trade_date:%Y%m%d}"


class DailyBasic(models.Model):
    """`daily_basic`: ratios in percent or times; shares and market values in units of ten thousand.

    `pe` and `pe_ttm` are NULL for losses. `limit_status` says how the day closed: 0 unchanged, 1 up,
    2 at the upper limit, 3 at it all day, 4 down, 5 at the lower limit, 6 at it all day.
    """

    pk = models.CompositePrimaryKey("trade_date", "ts_code")
    ts_code = models.CharField(max_length=16)
    trade_date = models.DateField()
    close = models.FloatField(null=True)
    turnover_rate = models.FloatField(null=True)
    turnover_rate_f = models.FloatField(null=True)
    volume_ratio = models.FloatField(null=True)
    pe = models.FloatField(null=True)
    pe_ttm = models.FloatField(null=True)
    pb = models.FloatField(null=True)
    ps = models.FloatField(null=True)
    ps_ttm = models.FloatField(null=True)
    dv_ratio = models.FloatField(null=True)
    dv_ttm = models.FloatField(null=True)
    total_share = models.FloatField(null=True)
    float_share = models.FloatField(null=True)
    free_share = models.FloatField(null=True)
    total_mv = models.FloatField(null=True)
    circ_mv = models.FloatField(null=True)
    limit_status = models.SmallIntegerField(null=True)

    class Meta:
        db_table = "daily_basic"
        indexes = [models.Index(fields=["ts_code", "trade_date"], name="daily_basic_by_code")]

    def __str__(self) -> str:
        return f"{self.ts_code} {self.trade_date:%Y%m%d}"


class SuspendD(models.Model):
    """`suspend_d`: S is suspended, R resumed. Without `suspend_timing` it is for the whole day.

    One code may have several rows a day, so the timing belongs to the identity.
    """

    ts_code = models.CharField(max_length=16)
    trade_date = models.DateField()
    suspend_timing = models.TextField(null=True)  # noqa: DJ001 (NULL is what the source did not say)
    suspend_type = models.CharField(max_length=4)

    class Meta:
        db_table = "suspend_d"
        indexes = [models.Index(fields=["ts_code", "trade_date"], name="suspend_d_by_code")]
        constraints = [
            models.UniqueConstraint(
                "trade_date",
                "ts_code",
                "suspend_type",
                Coalesce("suspend_timing", NO_TEXT),
                name="suspend_d_identity",
            )
        ]

    def __str__(self) -> str:
        return f"{self.ts_code} {self.trade_date:%Y%m%d} {self.suspend_type}"


class IndexDaily(models.Model):
    """`index_daily`: bars of indices in points; `vol` in lots, `amount` in thousand yuan."""

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

    class Meta:
        db_table = "index_daily"
        indexes = [models.Index(fields=["ts_code", "trade_date"], name="index_daily_by_code")]

    def __str__(self) -> str:
        return f"{self.ts_code} {self.trade_date:%Y%m%d}"


class NameChange(models.Model):
    """`namechange`: the names of a code over time. `end_date` is NULL for the name in use.

    Most rows have no `ann_date`, and one change may stand twice with different reasons: only the
    whole row is an identity.
    """

    ts_code = models.CharField(max_length=16)
    name = models.TextField()
    start_date = models.DateField()
    end_date = models.DateField(null=True)
    ann_date = models.DateField(null=True)
    change_reason = models.TextField(null=True)  # noqa: DJ001 (NULL is what the source did not say)

    class Meta:
        db_table = "namechange"
        indexes = [models.Index(fields=["ts_code", "start_date"], name="namechange_by_code")]
        constraints = [
            models.UniqueConstraint(
                "ts_code",
                "start_date",
                "name",
                Coalesce("end_date", NO_DATE),
                Coalesce("ann_date", NO_DATE),
                Coalesce("change_reason", NO_TEXT),
                name="namechange_identity",
            )
        ]

    def __str__(self) -> str:
        return f"{self.ts_code} {self.name}"


class BseMapping(models.Model):
    """`bse_mapping`: the old and the new code of companies of the Beijing exchange."""

    o_code = models.CharField(max_length=16, primary_key=True)
    n_code = models.CharField(max_length=16)
    name = models.TextField(null=True)  # noqa: DJ001 (NULL is what the source did not say)
    list_date = models.DateField(null=True)

    class Meta:
        db_table = "bse_mapping"
        indexes = [models.Index(fields=["n_code"], name="bse_mapping_by_new_code")]

    def __str__(self) -> str:
        return f"{self.o_code} {self.n_code}"


class CodeChange(models.Model):
    """One instrument, renumbered: `new_code` stands for `old_code` from `from_date` on.

    Seeded with the changes that no endpoint tells, and filled from `bse_mapping`.
    """

    old_code = models.CharField(max_length=16, primary_key=True)
    new_code = models.CharField(max_length=16)
    from_date = models.DateField()

    class Meta:
        db_table = "code_change"
        indexes = [models.Index(fields=["new_code"], name="code_change_by_new_code")]

    def __str__(self) -> str:
        return f"{self.old_code} {self.new_code} {self.from_date:%Y%m%d}"
