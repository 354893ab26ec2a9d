"""`manage.py export`: the data as files."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from datasync_app.datasets import DATASETS, Dataset
from datasync_app.errors import DatasyncError
from datasync_app.management.options import datasets_of
from datasync_app.models import GOOD_STATES, SyncLedger

SHOWN = 20


class Command(BaseCommand):
    help = gettext_noop(
        "Parquet files by dataset and year, a DuckDB file of views over them, and qlib's layout. Only what "
        "changed is written anew, and readers see all of it at once. What the ledger cannot prove is refused."
    )
    requires_system_checks: list[str] = []  # they are of the code: `make lint` makes them

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.description = _(self.help)
        parser.add_argument(
            "folder", metavar="FOLDER", nargs="?", type=Path,
            help=_("where the Parquet files go [export, beside the database]"),
        )  # fmt: skip
        parser.add_argument(
            "--datasets", metavar="NAME,…", help=_("only these [all that were ever fetched]")
        )
        parser.add_argument(
            "--duckdb",
            metavar="FILE",
            type=Path,
            help=_("also a DuckDB file of views over the folder"),
        )
        parser.add_argument(
            "--qlib", metavar="DIR", type=Path,
            help=_("qlib's layout, adjusted prices with their factor; alone, unless FOLDER is named"),
        )  # fmt: skip
        parser.add_argument(
            "--allow-incomplete", action="store_true",
            help=_("export what the ledger cannot prove too; the manifest names it"),
        )  # fmt: skip

    def handle(self, *args: Any, **options: Any) -> None:
        datasets = datasets_of(options["datasets"]) if options["datasets"] else _ever_fetched()
        folder, qlib = options["folder"], options["qlib"]
        wants_parquet = folder or options["duckdb"] or options["datasets"] or not qlib
        try:
            if wants_parquet:
                self._parquet(folder or settings.VAR_DIR / "export", datasets, options)
            if qlib:
                self._qlib(qlib, options)
        except DatasyncError as error:
            raise CommandError(str(error)) from None

    def _parquet(self, path: Path, datasets: list[Dataset], options: dict[str, Any]) -> None:
        # Here, for they take half a second to load, and no other command needs them.
        from datasync_app.exports.duck import write_duckdb
        from datasync_app.exports.folder import Folder
        from datasync_app.exports.parquet import export_parquet

        outcome = export_parquet(
            Folder(path), datasets, now=timezone.now(), allow_incomplete=options["allow_incomplete"]
        )
        for name in outcome.written:
            self.stdout.write(_("written") + f" {name}")
        for name in outcome.dropped:
            self.stdout.write(_("dropped") + f" {name}")
        said = _("%(path)s: %(written)d files written, %(kept)d unchanged, %(rows)d rows")
        told = {"path": path, "written": len(outcome.written), "kept": len(outcome.kept)}
        self.stdout.write(said % {**told, "rows": outcome.rows})
        self._warn(outcome.gaps)
        if options["duckdb"]:
            views = write_duckdb(options["duckdb"], path)
            self.stdout.write(f"{options['duckdb']}: {', '.join(views)}")

    def _qlib(self, path: Path, options: dict[str, Any]) -> None:
        from datasync_app.exports.folder import Folder
        from datasync_app.exports.qlib import export_qlib

        outcome = export_qlib(
            Folder(path), now=timezone.now(), allow_incomplete=options["allow_incomplete"]
        )
        said = _(
            "%(path)s: %(days)d days had changed; %(written)d codes written, %(kept)d unchanged"
        )
        told = {"days": outcome.days, "written": outcome.written, "kept": outcome.kept}
        self.stdout.write(said % {"path": path, **told})
        self._warn(outcome.gaps)

    def _warn(self, gaps: Mapping[str, Mapping[str, str]]) -> None:
        """What was exported all the same, as allowed, and stands in the manifest."""
        found = [(name, *gap) for name, of_it in gaps.items() for gap in of_it.items()]
        for name, cell, why in found[:SHOWN]:
            self.stderr.write(_("not proved: %s") % f"{name} {cell} ({why})")
        if len(found) > SHOWN:
            self.stderr.write(_("and %d more, which the manifest names") % (len(found) - SHOWN))


def _ever_fetched() -> list[Dataset]:
    good = SyncLedger.objects.filter(state__in=GOOD_STATES)
    names = set(good.values_list("dataset", flat=True).distinct())
    if not names:
        raise CommandError(_("Nothing was ever fetched, so there is nothing to export."))
    return [dataset for name, dataset in DATASETS.items() if name in names]
