"""`manage.py sync NAME`: one dataset or job in the foreground, with progress."""

from __future__ import annotations

import datetime as dt
import getpass
import signal
from argparse import ArgumentParser
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from datasync_app.datasets import DATASETS, STOCK_BASIC, TRADE_CAL
from datasync_app.datasets.base import Dataset
from datasync_app.datasets.concept import ByConcept, ConceptList
from datasync_app.datasets.cuts import ByCodeYear, ByTradeDate
from datasync_app.datasets.market import BSE_MAPPING, NAMECHANGE
from datasync_app.dates import check_range, market_day, parse_date, show_date
from datasync_app.engine import horizon
from datasync_app.engine.finance.run import FinanceRun
from datasync_app.engine.report import DatasetReport
from datasync_app.engine.run import OwnGuard
from datasync_app.errors import DatasyncError
from datasync_app.management import dry_run
from datasync_app.management.finance import Work, finance_work
from datasync_app.progress import Progress
from datasync_app.session import Session, open_session
from datasync_app.tushare.from_settings import current_limit
from datasync_app.tushare.outcomes import TushareError
from scheduler_app.errors import SchedulerError
from scheduler_app.registry import registry
from scheduler_app.tracker import ExecutionTracker

SHOWN_CELLS = 20


class Command(BaseCommand):
    help = gettext_noop(
        "Sync one dataset or job in the foreground. Exit 0 only if every due cell of the range ended "
        "good; otherwise 1 and the list."
    )
    requires_system_checks: list[str] = []  # they are of the code: `make lint` makes them

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.description = _(self.help)
        names = ", ".join([*DATASETS, *registry.ids()])
        parser.add_argument("name", metavar="NAME", help=_("one of: %s") % names)
        parser.add_argument("--start", metavar="D", help=_("first date, YYYYMMDD"))
        parser.add_argument("--end", metavar="D", help=_("last date, YYYYMMDD [today]"))
        parser.add_argument("--codes", metavar="A,B", help=_("for datasets that are cut by code"))
        parser.add_argument(
            "--dry-run", action="store_true", help=_("print cells, calls and time; fetch nothing")
        )

    def handle(self, *args: Any, **options: Any) -> None:
        start, end = _date("--start", options["start"]), _date("--end", options["end"])
        if problem := check_range({"start": start, "end": end}):
            raise CommandError(problem)
        with _stopped_like_ctrl_c():
            self._sync(options["name"], start, end, options)

    def _sync(
        self, name: str, start: dt.date | None, end: dt.date | None, options: dict[str, Any]
    ) -> None:
        try:
            if name in DATASETS and isinstance(DATASETS[name].cut, (ConceptList, ByConcept)):
                raise CommandError(
                    _(
                        "The list and its constituents come together: say `manage.py sync "
                        "sync_concept_data`, with SYNC_CONCEPT_SOURCE for another source than %s's."
                    )
                    % name
                )
            work = finance_work(name, start, end, options["codes"], now=timezone.now())
            if work is None and name in DATASETS:
                self._check_codes(DATASETS[name], options["codes"])
            if options["dry_run"] and (name in DATASETS or name in registry):
                self._show_plan(name, start, end, options["codes"])
            elif work is not None:
                self._sync_finance(name, work)
            elif name in DATASETS:
                self._sync_dataset(DATASETS[name], start, end)
            elif name in registry:
                self._sync_job(name, start, end, options)
            else:
                known = ", ".join([*DATASETS, *registry.ids()])
                raise CommandError(
                    _("There is no dataset or job %(name)s. The known ones are: %(known)s.")
                    % {"name": repr(name), "known": known}
                )
        except (DatasyncError, SchedulerError, TushareError) as error:
            raise CommandError(str(error)) from None
        except KeyboardInterrupt:
            raise CommandError(
                _("Stopped. What was finished is stored; start again to go on.")
            ) from None

    def _check_codes(self, dataset: Dataset, codes: str | None) -> None:
        if codes is not None:
            raise CommandError(
                _("--codes does not fit %s: its cells hold every code of a date or list.")
                % dataset.name
            )

    def _sync_finance(self, name: str, work: Work) -> None:
        with (
            Progress(self.stdout, name, current_limit),
            open_session(f"sync {name}", OwnGuard()) as session,
        ):
            report = work.run(FinanceRun(session.engine))
        self._finish(report)

    def _sync_job(
        self, job_id: str, start: dt.date | None, end: dt.date | None, options: dict[str, Any]
    ) -> None:
        if options["codes"]:
            raise CommandError(_("--codes takes a dataset, not a job."))
        given = {"start": start, "end": end}
        kwargs = {name: show_date(date) for name, date in given.items() if date is not None}
        values = registry.validate_kwargs(job_id, kwargs)
        tracker = ExecutionTracker(job_id, triggered_by=getpass.getuser(), kwargs=kwargs)
        with Progress(self.stdout, job_id, current_limit), tracker:
            result = registry.get(job_id).function(tracker.run, **values)
            tracker.set_result(result)
        for name, said in (result or {}).items():
            self._tell(name, said)

    def _tell(self, name: str, said: object) -> None:
        """A part of a run's result: of a dataset its sentence, of a list each of its sentences."""
        if isinstance(said, Mapping) and "summary" in said:
            self.stdout.write(str(said["summary"]))
        elif isinstance(said, list):
            for sentence in said:
                self.stdout.write(f"{name.replace('_', ' ')}: {sentence}")
        else:
            self.stdout.write(f"{name.replace('_', ' ')}: {said}")

    def _sync_dataset(self, dataset: Dataset, start: dt.date | None, end: dt.date | None) -> None:
        now = timezone.now()
        if isinstance(dataset.cut, (ByTradeDate, ByCodeYear)):
            first = start or horizon.of(dataset)
            if first is None:
                raise CommandError(
                    _("%s was never synced here: say --start YYYYMMDD.") % dataset.name
                )
            last = end or market_day(now)
        else:
            first, last = start or market_day(now), end or market_day(now)
        work = _WORK.get(dataset.name, _sync_dates)
        with (
            Progress(self.stdout, dataset.name, current_limit),
            open_session(f"sync {dataset.name}", OwnGuard()) as session,
        ):
            report = work(session, dataset, first, last)
        self._finish(report)

    def _show_plan(
        self, name: str, start: dt.date | None, end: dt.date | None, codes: str | None
    ) -> None:
        now = timezone.now()
        if name in registry:
            lines = dry_run.job_lines(name, start, end, now=now)
        else:
            lines = [dry_run.line(name, start, end, codes=codes, now=now)]
        for line in lines:
            self.stdout.write(line)

    def _finish(self, report: DatasetReport) -> None:
        self.stdout.write(report.sentence())
        for key, why in report.waived.items():
            self.stdout.write(f"  {key}: {why}")
        if report.not_due:
            self.stdout.write("  " + _("%d cells are not due yet") % report.not_due)
        if report.is_good:
            return
        cells = sorted(report.open_cells.items(), reverse=True)
        lines = [f"  {key}: {why}" for key, why in cells[:SHOWN_CELLS]]
        if len(cells) > SHOWN_CELLS:
            lines.append("  " + _("and %d more") % (len(cells) - SHOWN_CELLS))
        said = _("%(count)d cells of %(dataset)s are not good:")
        told = said % {"count": len(cells), "dataset": report.dataset}
        raise CommandError("\n".join([told, *lines]))


def _sync_dates(session: Session, dataset: Dataset, first: dt.date, last: dt.date) -> DatasetReport:
    session.engine.prepare(first, min(last, market_day(session.now())))
    return session.engine.sync_dates(dataset, first, last)


def _sync_calendar(
    session: Session, dataset: Dataset, first: dt.date, last: dt.date
) -> DatasetReport:
    return session.engine.refresh_calendar(first, last)


def _sync_stock_list(
    session: Session, dataset: Dataset, first: dt.date, last: dt.date
) -> DatasetReport:
    return session.engine.refresh_stock_list(max_age=dt.timedelta(0))


def _sync_list(session: Session, dataset: Dataset, first: dt.date, last: dt.date) -> DatasetReport:
    reports = session.engine.refresh_lists(dataset, max_age=dt.timedelta(0))
    return reports[0]


_Work = Callable[[Session, Dataset, dt.date, dt.date], DatasetReport]
_WORK: dict[str, _Work] = {
    TRADE_CAL.name: _sync_calendar,
    STOCK_BASIC.name: _sync_stock_list,
    BSE_MAPPING.name: _sync_list,
    NAMECHANGE.name: _sync_list,
}


@contextmanager
def _stopped_like_ctrl_c() -> Iterator[None]:
    """Whoever kills the command politely finds its task closed, as after Ctrl-C."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _date(option: str, text: str | None) -> dt.date | None:
    if text is None:
        return None
    try:
        return parse_date(text)
    except ValueError as error:
        raise CommandError(f"{option}: {error}.") from None
