"""Every dataset that is declared, by name."""

from __future__ import annotations

from datasync_app.datasets.base import Dataset
from datasync_app.datasets.market import DAILY, STOCK_BASIC, TRADE_CAL
from datasync_app.errors import UnknownDataset

DATASETS: dict[str, Dataset] = {
    dataset.name: dataset for dataset in (TRADE_CAL, STOCK_BASIC, DAILY)
}


def get_dataset(name: str) -> Dataset:
    """The declaration of that name. Raises UnknownDataset, which lists the known ones."""
    try:
        return DATASETS[name]
    except KeyError:
        raise UnknownDataset(
            f"{name!r} is not a dataset; the known ones are {', '.join(sorted(DATASETS))}."
        ) from None


__all__ = ["DAILY", "DATASETS", "STOCK_BASIC", "TRADE_CAL", "Dataset", "get_dataset"]
