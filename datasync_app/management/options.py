"""Options that several commands take, read with one clear sentence where they are wrong."""

from __future__ import annotations

import datetime as dt

from django.core.management.base import CommandError
from django.utils.translation import gettext as _

from datasync_app.datasets import DATASETS, Dataset, get_dataset
from datasync_app.dates import parse_date
from datasync_app.errors import UnknownDataset


def date_of(option: str, text: str) -> dt.date:
    """YYYYMMDD as a date. Raises CommandError for anything else."""
    try:
        return parse_date(text)
    except ValueError as error:
        raise CommandError(f"{option}: {error}.") from None


def datasets_of(text: str | None) -> list[Dataset]:
    """Datasets by name, separated by commas; all where none is named. Raises CommandError."""
    if text is None:
        return list(DATASETS.values())
    names = dict.fromkeys(name for part in text.split(",") if (name := part.strip()))
    try:
        chosen = [get_dataset(name) for name in names]
    except UnknownDataset as unknown:
        raise CommandError(f"--datasets: {unknown}") from None
    if not chosen:
        raise CommandError(
            _("--datasets: %(text)s names none; the known ones are %(known)s.")
            % {"text": repr(text), "known": ", ".join(sorted(DATASETS))}
        )
    return chosen
