"""How far back a dataset is kept. Moved earlier by a history run or by staff, by nothing else."""

from __future__ import annotations

import datetime as dt

from django.db.models import Min, Q

from datasync_app.datasets.base import Dataset
from datasync_app.engine.plan import first_horizon
from datasync_app.models import DatasetState


def of(dataset: Dataset) -> dt.date | None:
    """The stored horizon, or None before the first start."""
    return (
        DatasetState.objects.filter(dataset=dataset.name).values_list("horizon", flat=True).first()
    )


def earliest() -> dt.date | None:
    """The earliest horizon of all datasets: what else is kept must reach back as far."""
    first: dt.date | None = DatasetState.objects.aggregate(first=Min("horizon"))["first"]
    return first


def start(dataset: Dataset, *, now: dt.datetime) -> dt.date:
    """Store the first horizon, the 20th due open day before now, unless there is one already."""
    horizon = of(dataset)
    if horizon is None:
        horizon = first_horizon(dataset, now=now)
        move_earlier(dataset, horizon)
    return horizon


def move_earlier(dataset: Dataset, date: dt.date) -> None:
    """Keep the dataset from `date` on, if that is earlier than what is stored."""
    DatasetState.objects.get_or_create(dataset=dataset.name)
    later = Q(horizon__isnull=True) | Q(horizon__gt=date)
    DatasetState.objects.filter(later, dataset=dataset.name).update(horizon=date)
