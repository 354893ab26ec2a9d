"""Digests over what is held: they change if any value does, and only then.

The digest of a dataset's rows is the SHA-256 of what `COPY (statement) TO STDOUT (FORMAT csv)` writes,
and so is that of its ledger; `psql` and `sha256sum` give the same. That of a report is the SHA-256 of a
line for each dataset, in the order of their names: name, digest of rows, digest of ledger.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from django.utils.translation import gettext_noop

from datasync_app.datasets.base import Dataset
from datasync_app.reports.content import Span, copied, ledger_sql, rows_sql

# For programs as it is, for people in their language.
RECIPE = gettext_noop(
    "Per dataset, rows and ledger: the SHA-256 of what PostgreSQL writes for "
    "COPY (sql) TO STDOUT (FORMAT csv), in UTF-8, with extra_float_digits = 1 (its default). "
    "Over all: the SHA-256 of one line 'name rows ledger', ended by a line feed, for each dataset, "
    "sorted by name."
)


@dataclass(frozen=True)
class Digest:
    """Of what a statement gives."""

    sql: str
    sha256: str

    def as_json(self) -> dict[str, str]:
        return {"sql": self.sql, "sha256": self.sha256}


@dataclass(frozen=True)
class Digests:
    """Of one dataset in a range: its rows, and what the ledger says of them."""

    dataset: str
    rows: Digest
    ledger: Digest

    def as_json(self) -> dict[str, object]:
        return {"rows": self.rows.as_json(), "ledger": self.ledger.as_json()}


def digests(dataset: Dataset, span: Span) -> Digests:
    return Digests(
        dataset.name, digest_of(rows_sql(dataset, span)), digest_of(ledger_sql(dataset, span))
    )


def digest_of(statement: str) -> Digest:
    """Streamed: the memory it takes does not grow with the rows."""
    digest = hashlib.sha256()
    for piece in copied(statement):
        digest.update(piece)
    return Digest(statement, digest.hexdigest())


def over_all(parts: Iterable[Digests]) -> str:
    lines = sorted(f"{part.dataset} {part.rows.sha256} {part.ledger.sha256}\n" for part in parts)
    return hashlib.sha256("".join(lines).encode()).hexdigest()
