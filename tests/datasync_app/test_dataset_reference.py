"""The table of datasets in the reference is what the declarations say."""

from __future__ import annotations

from datasync_app.datasets import DATASETS
from datasync_app.datasets.base import Dataset, Expectation
from tests.processes import REPOSITORY

EXPECTED = {
    Expectation.LISTED_CODES: "codes listed that day",
    Expectation.EVERY_DAY_OF_YEAR: "every day of the year",
    Expectation.OPEN_DAYS: "open days of the year",
    Expectation.NONE: "nothing",
}


def row(dataset: Dataset) -> str:
    due = ", ".join(f"{time:%H:%M}" for time in dataset.due)
    hours = dataset.fresh_for.total_seconds() / 3600 if dataset.fresh_for else 0
    again = f"after {hours:g} hours" if hours else "-"
    expected = EXPECTED[dataset.expectation]
    if dataset.expectation is Expectation.LISTED_CODES:
        expected += ", suspended or not" if dataset.expects_suspended else ", not suspended"
    if dataset.read_twice:
        expected += ", read twice"
    cells = (
        f"`{dataset.name}`", str(dataset.title), due or "-", again, expected,
        ", ".join(dataset.sisters) or "-", str(dataset.row_cap or "-"),
        str(dataset.minimal_points),
    )  # fmt: skip
    return f"| {' | '.join(cells)} |"


def test_the_reference_has_a_row_for_each_dataset_as_it_is_declared() -> None:
    text = (REPOSITORY / "docs/reference/datasets.md").read_text(encoding="utf-8")
    told = [line for line in text.splitlines() if line.startswith("| `")]
    declared = [row(dataset) for dataset in DATASETS.values()]
    assert told == declared, "\n".join(["it should be", *declared])
