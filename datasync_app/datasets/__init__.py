"""Every dataset that is declared, by name."""

from __future__ import annotations

from django.utils.translation import gettext as _

from datasync_app.datasets.base import Dataset
from datasync_app.datasets.concept import CONCEPT_SOURCES
from datasync_app.datasets.finance import DISCLOSURE_DATE, FINA_INDICATOR
from datasync_app.datasets.market import (
    ADJ_FACTOR,
    BSE_MAPPING,
    DAILY,
    DAILY_BASIC,
    INDEX_DAILY,
    NAMECHANGE,
    STOCK_BASIC,
    SUSPEND_D,
    TRADE_CAL,
)
from datasync_app.errors import UnknownDataset

DATASETS: dict[str, Dataset] = {
    dataset.name: dataset
    for dataset in (
        TRADE_CAL,
        STOCK_BASIC,
        BSE_MAPPING,
        NAMECHANGE,
        SUSPEND_D,
        DAILY,
        ADJ_FACTOR,
        DAILY_BASIC,
        INDEX_DAILY,
        *(each for source in CONCEPT_SOURCES.values() for each in (source.listed, source.members)),
        DISCLOSURE_DATE,
        FINA_INDICATOR,
    )
}
# What `sync_daily_by_date` keeps up to date, by trade date; suspensions explain the others' days.
DAILY_DATASETS = (SUSPEND_D, DAILY, ADJ_FACTOR, DAILY_BASIC, INDEX_DAILY)


def get_dataset(name: str) -> Dataset:
    """The declaration of that name. Raises UnknownDataset, which lists the known ones."""
    try:
        return DATASETS[name]
    except KeyError:
        raise UnknownDataset(
            _("%(name)s is not a dataset; the known ones are %(known)s.")
            % {"name": repr(name), "known": ", ".join(sorted(DATASETS))}
        ) from None


__all__ = [
    "DAILY",
    "DAILY_DATASETS",
    "DATASETS",
    "DISCLOSURE_DATE",
    "FINA_INDICATOR",
    "STOCK_BASIC",
    "TRADE_CAL",
    "Dataset",
    "get_dataset",
]
