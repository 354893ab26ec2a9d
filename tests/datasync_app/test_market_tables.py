"""The tables of the market datasets, against their declarations."""

from __future__ import annotations

import datetime as dt

import pytest
from django.core.exceptions import FieldDoesNotExist
from django.db import IntegrityError, models, transaction

from datasync_app.datasets import market
from datasync_app.datasets.base import Dataset, Kind
from datasync_app.models import CodeChange, NameChange, SuspendD

DECLARED = sorted(
    (value for value in vars(market).values() if isinstance(value, Dataset)),
    key=lambda dataset: dataset.name,
)
COLUMNS = {
    Kind.TEXT: models.TextField,
    Kind.CODE: models.CharField,
    Kind.DATE: models.DateField,
    Kind.NUMBER: models.FloatField,
    Kind.FLAG: models.SmallIntegerField,
}
DAY = dt.date(2020, 3, 12)


@pytest.mark.parametrize("dataset", DECLARED, ids=lambda dataset: dataset.name)
def test_every_declared_field_is_a_column_of_its_type(dataset: Dataset) -> None:
    meta = dataset.model._meta
    assert meta.db_table == dataset.name
    for field in dataset.fields:
        try:
            column = meta.get_field(field.name)
        except FieldDoesNotExist:
            pytest.fail(f"{dataset.name} has no column {field.name}")
        assert isinstance(column, COLUMNS[field.kind])
        may_be_null = field.name not in dataset.key or field.name in dataset.optional_key
        if column.null is False:
            assert field.required and not (may_be_null and field.name in dataset.key)
    assert set(dataset.optional_key) <= set(dataset.key) <= set(dataset.field_names)


@pytest.mark.parametrize("dataset", DECLARED, ids=lambda dataset: dataset.name)
def test_no_table_of_the_market_refers_to_another(dataset: Dataset) -> None:
    """The stock list lacks codes that have prices: it must not be able to keep any out."""
    assert not [field.name for field in dataset.model._meta.get_fields() if field.is_relation]


@pytest.mark.parametrize("dataset", DECLARED, ids=lambda dataset: dataset.name)
def test_sisters_are_mutual_and_cut_alike(dataset: Dataset) -> None:
    by_name = {declared.name: declared for declared in DECLARED}
    for sister in dataset.sisters:
        assert dataset.name in by_name[sister].sisters
        assert by_name[sister].cut == dataset.cut


@pytest.mark.django_db
def test_the_changes_that_no_endpoint_tells_are_seeded() -> None:
    seeded = CodeChange.objects.order_by("from_date").values_list(
        "old_code", "new_code", "from_date"
    )
    assert list(seeded) == [
        ("000022.SZ", "001872.SZ", dt.date(2018, 12, 26)),
        ("000043.SZ", "001914.SZ", dt.date(2019, 12, 16)),
        ("300114.SZ", "302132.SZ", dt.date(2025, 2, 17)),
    ]


@pytest.mark.django_db
def test_a_whole_day_suspension_stands_once_and_beside_part_of_the_day() -> None:
    def suspend(timing: str | None) -> None:
        SuspendD.objects.create(
            ts_code="300819.SZ", trade_date=DAY, suspend_type="S", suspend_timing=timing
        )

    suspend(None)
    suspend("09:30-10:00")
    for timing in (None, "09:30-10:00"):
        with pytest.raises(IntegrityError), transaction.atomic():
            suspend(timing)


@pytest.mark.django_db
def test_a_name_without_its_dates_stands_once() -> None:
    def name(reason: str) -> None:
        NameChange.objects.create(
            ts_code="002684.SZ", name="猛狮科技", start_date=DAY, change_reason=reason
        )

    name("改名")
    name("其他")
    with pytest.raises(IntegrityError), transaction.atomic():
        name("改名")
