"""Concept tables, one per endpoint of the three sources. Nothing is deleted: rows have intervals.

Sources reuse the ids of concepts, and names repeat: a concept is its source, id and name, from
`valid_from` until `valid_to` (not included; NULL while it holds). `valid_from` is the day on which
this database first saw it, so nothing is known of the time before the first fetch.
"""

from __future__ import annotations

from django.db import models


class Interval(models.Model):
    """A row that holds for a time. `first_seen_at` and `last_seen_at` are moments of fetches."""

    valid_from = models.DateField()
    valid_to = models.DateField(null=True)
    first_seen_at = models.DateTimeField()
    last_seen_at = models.DateTimeField()

    class Meta:
        abstract = True


class ThsIndex(Interval):
    """`ths_index`: the concepts of Tonghuashun (type N). `count` is how many constituents it names."""

    pk = models.CompositePrimaryKey("ts_code", "name", "valid_from")
    ts_code = models.CharField(max_length=16)
    name = models.CharField(max_length=100)
    count = models.FloatField(null=True)
    exchange = models.TextField(null=True)  # noqa: DJ001 (NULL is what the source did not say)
    list_date = models.DateField(null=True)
    type = models.TextField(null=True)  # noqa: DJ001

    class Meta:
        db_table = "ths_index"

    def __str__(self) -> str:
        return f"{self.ts_code} {self.name}"


class ThsMember(Interval):
    """`ths_member`: a constituent, `con_code`, of the concept `ts_code`."""

    pk = models.CompositePrimaryKey("ts_code", "con_code", "valid_from")
    ts_code = models.CharField(max_length=16)
    con_code = models.CharField(max_length=16)
    con_name = models.TextField(null=True)  # noqa: DJ001
    weight = models.FloatField(null=True)
    in_date = models.DateField(null=True)
    out_date = models.DateField(null=True)
    is_new = models.TextField(null=True)  # noqa: DJ001

    class Meta:
        db_table = "ths_member"
        indexes = [models.Index(fields=["con_code"], name="ths_member_by_stock")]

    def __str__(self) -> str:
        return f"{self.ts_code} {self.con_code}"


class DcIndex(Interval):
    """`dc_index`: the concepts of Eastmoney, as of `trade_date`, the last day it was seen for.

    `leading` is the stock that rose most, by `leading_pct`; `up_num` and `down_num` count the stocks
    that rose and fell. `pct_change`, `leading_pct` and `turnover_rate` are percent, `total_mv` is in
    ten thousand yuan. All of them are of `trade_date`.
    """

    pk = models.CompositePrimaryKey("ts_code", "name", "valid_from")
    ts_code = models.CharField(max_length=16)
    name = models.CharField(max_length=100)
    trade_date = models.DateField()
    leading = models.TextField(null=True)  # noqa: DJ001
    leading_code = models.TextField(null=True)  # noqa: DJ001
    pct_change = models.FloatField(null=True)
    leading_pct = models.FloatField(null=True)
    total_mv = models.FloatField(null=True)
    turnover_rate = models.FloatField(null=True)
    up_num = models.FloatField(null=True)
    down_num = models.FloatField(null=True)

    class Meta:
        db_table = "dc_index"

    def __str__(self) -> str:
        return f"{self.ts_code} {self.name}"


class DcMember(Interval):
    """`dc_member`: a constituent, `con_code`, of the concept `ts_code`, as of `trade_date`."""

    pk = models.CompositePrimaryKey("ts_code", "con_code", "valid_from")
    ts_code = models.CharField(max_length=16)
    con_code = models.CharField(max_length=16)
    name = models.TextField(null=True)  # noqa: DJ001
    trade_date = models.DateField()

    class Meta:
        db_table = "dc_member"
        indexes = [models.Index(fields=["con_code"], name="dc_member_by_stock")]

    def __str__(self) -> str:
        return f"{self.ts_code} {self.con_code}"


class Concept(Interval):
    """`concept`: the classic list, which Tushare no longer updates."""

    pk = models.CompositePrimaryKey("code", "name", "valid_from")
    code = models.CharField(max_length=16)
    name = models.CharField(max_length=100)
    src = models.TextField(null=True)  # noqa: DJ001

    class Meta:
        db_table = "concept"

    def __str__(self) -> str:
        return f"{self.code} {self.name}"


class ConceptDetail(Interval):
    """`concept_detail`: a constituent of the classic concept `id`, which Tushare no longer updates."""

    pk = models.CompositePrimaryKey("id", "concept_name", "ts_code", "valid_from")
    id = models.CharField(max_length=16)
    concept_name = models.CharField(max_length=100)
    ts_code = models.CharField(max_length=16)
    name = models.TextField(null=True)  # noqa: DJ001
    in_date = models.DateField(null=True)
    out_date = models.DateField(null=True)

    class Meta:
        db_table = "concept_detail"
        indexes = [models.Index(fields=["ts_code"], name="concept_detail_by_stock")]

    def __str__(self) -> str:
        return f"{self.id} {self.ts_code}"
