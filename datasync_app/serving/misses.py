"""What a call lacks, fetched from the source on the way, where SERVE_PASS_ON says so.

Cells of what is held go through the engine, as in any run: under the limiter, checked, stored and
accounted for. An endpoint that is not held has no table; its answer is passed on as it is. So is that of
concepts of another source, kind or day than are held: only the last day of one source is kept.
"""

from __future__ import annotations

import datetime as dt
import logging
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from django.conf import settings
from django.utils.translation import gettext as _

from datasync_app.datasets.base import Cell, Dataset
from datasync_app.datasets.concept import CONCEPT_SOURCES, ByConcept, ConceptList, ConceptSource
from datasync_app.datasets.cuts import ByCodeYear, ByExchangeYear, ByListStatus, ByTradeDate, Whole
from datasync_app.datasets.finance import ByCompanyPeriod, ByDisclosureDay
from datasync_app.dates import market_day, parse_date
from datasync_app.engine import concepts, ledger
from datasync_app.engine.due import is_due
from datasync_app.engine.finance.expected import Scope
from datasync_app.engine.finance.run import FinanceRun
from datasync_app.engine.guard import OwnGuard
from datasync_app.engine.identity import refuse_foreign, stored_identity
from datasync_app.engine.plan import Plan
from datasync_app.engine.run import Engine
from datasync_app.errors import DatasyncError, SourceMismatch
from datasync_app.models import SyncLedger
from datasync_app.protocol import Refusal, Request
from datasync_app.serving.proof import Gaps, gaps_of
from datasync_app.serving.queries import Query
from datasync_app.tushare.from_settings import client_from_settings
from datasync_app.tushare.outcomes import Answer, TushareError

logger = logging.getLogger(__name__)

# A call that lacks more is work for `manage.py sync`.
MOST_CELLS = 60
# So long a caller is kept waiting, for quota too.
PATIENCE_SECONDS = 60.0
_ENDPOINT = re.compile(r"[a-z][a-z0-9_]{1,63}", re.ASCII)
_one_at_a_time = threading.Lock()


class OutOfPatience(DatasyncError):
    """The caller would have to wait too long."""


class _Patient(OwnGuard):
    def __init__(self) -> None:
        self._until = time.monotonic() + PATIENCE_SECONDS

    def checkpoint(self) -> None:
        if time.monotonic() > self._until:
            raise OutOfPatience("It takes longer than a caller should wait.")


def fetch_missing(query: Query, *, now: dt.datetime) -> None:
    """Fetch and store the cells that the query lacks. What fails is in the ledger, and stays a gap."""
    if not gaps_of(query, now=now):
        return
    if not _one_at_a_time.acquire(timeout=PATIENCE_SECONDS):
        return
    try:
        for _round in range(2):  # the calendar first, then the days it knows of
            # Whoever waited may find that nothing is missing any more.
            gaps = gaps_of(query, now=now)
            if not gaps or not _fetch(query, gaps, now):
                return
    except DatasyncError as error:
        logger.warning("action=pass_on dataset=%s: %s", query.table.dataset.name, error)
    finally:
        _one_at_a_time.release()


def passed_on(request: Request) -> Answer:
    """The source's answer to a call of what is not held.

    Raises:
        Refusal: the source refuses it, or is not the one that this database belongs to.
    """
    params = {name: text for name, text in request.params.items() if name != "allow_incomplete"}
    until = time.monotonic() + PATIENCE_SECONDS
    try:
        client = client_from_settings(cancelled=lambda: time.monotonic() > until)
        try:
            answer = client.fetch(request.api_name, params, request.fields)
        finally:
            client.close()
        if stored_identity() not in (None, answer.source):
            raise SourceMismatch(_("The source is not the one this database belongs to."))
    except DatasyncError as error:
        code = error.code if isinstance(error, TushareError) else None
        raise Refusal(code or -1, str(error), "source") from None
    return answer


def is_endpoint(name: str) -> bool:
    """Whether it may be the name of one: only then is it sent anywhere."""
    return _ENDPOINT.fullmatch(name) is not None


def _fetch(query: Query, gaps: Gaps, now: dt.datetime) -> bool:
    """Whether anything was asked for."""
    dataset = query.table.dataset
    if is_of_concepts(dataset):
        return _fetch_concepts(query, now)
    if "trade_cal" in gaps and query.first and query.last:
        with _engine(now) as engine:
            engine.refresh_calendar(query.first, query.last)
        return True
    cells = _wanted(dataset, gaps, now)
    fetch = _WAYS.get(type(dataset.cut))
    if fetch is None or not 0 < len(cells) <= MOST_CELLS:
        return False
    with _engine(now) as engine:
        fetch(engine, dataset, cells)
    logger.info("action=pass_on dataset=%s cells=%d", dataset.name, len(cells))
    return True


def is_of_concepts(dataset: Dataset) -> bool:
    return isinstance(dataset.cut, (ConceptList, ByConcept))


def _fetch_concepts(query: Query, now: dt.datetime) -> bool:
    """The list, and the constituents that are asked for, as of the last day. Fresh ones stand.

    Only of the source that concepts are taken from: another's list would want all of its constituents.
    """
    source = concepts.source_of(query.table.dataset)
    if not _is_taken(source):
        return False
    with _engine(now) as engine:
        day = None
        if source.by_date:
            today = market_day(now)
            engine.refresh_calendar(today - concepts.NEAR, today)
            day = concepts.latest_day(now)
            if not query.first == query.last == day:
                return False
        work = concepts.ConceptSync(engine, source, day, engine.fence, lambda: now)
        if work.listed().denied:
            return False
        cut = source.members.cut
        if query.table.dataset == source.members and isinstance(cut, ByConcept):
            asked = query.texts(cut.id_field)
            held = concepts.listed_ids(source)
            cells = [cut.of(each, day) for each in held if not asked or each in asked]
            lacking = concepts.plan_concepts(source.members, cells, now=now).todo
            if len(lacking) > MOST_CELLS:
                return False
            work.members({cell.key for cell in lacking})
    logger.info("action=pass_on dataset=%s", query.table.dataset.name)
    return True


def _is_taken(source: ConceptSource) -> bool:
    """Whether concepts come from it: it was asked before, or nobody was and it is the one to ask."""
    lists = [each.listed.name for each in CONCEPT_SOURCES.values()]
    asked = set(SyncLedger.objects.filter(dataset__in=lists).values_list("dataset", flat=True))
    if asked:
        return source.listed.name in asked
    return source == concepts.candidates(settings.SYNC_CONCEPT_SOURCE)[0]


def _wanted(dataset: Dataset, gaps: Gaps, now: dt.datetime) -> list[Cell]:
    """The gaps that are cells, are out by now, and whose next attempt does not lie ahead."""
    cells = [cell for key in gaps if (cell := _cell(dataset, key)) is not None]
    entries = ledger.entries(dataset, cells)
    return [
        cell
        for cell in cells
        if not ledger.waits(entries.get(cell.key), now)
        and (not dataset.due or cell.date is None or is_due(dataset, cell.date, now))
    ]


def _cell(dataset: Dataset, key: str) -> Cell | None:
    """The cell of that key; None where a gap is a range or a sentence."""
    if isinstance(dataset.cut, (ByListStatus, Whole)):
        return Cell(key)
    name, _colon, end = key.rpartition(":")
    if isinstance(dataset.cut, (ByCodeYear, ByExchangeYear)):
        return Cell(key) if name and end.isdigit() else None
    try:
        return Cell(key, parse_date(end))
    except ValueError:
        return None


@contextmanager
def _engine(now: dt.datetime) -> Iterator[Engine]:
    client = client_from_settings()
    try:
        refuse_foreign(client.base_url, has_token=bool(settings.TUSHARE_TOKEN))
        yield Engine(client, guard=_Patient(), now=lambda: now)
    finally:
        client.close()


def _days(engine: Engine, dataset: Dataset, cells: list[Cell]) -> None:
    days = [cell.date for cell in cells if cell.date]
    engine.prepare(min(days), max(days))
    engine.run_side_by_side([Plan(dataset, tuple(cells), ())])


def _plain(engine: Engine, dataset: Dataset, cells: list[Cell]) -> None:
    engine.run(Plan(dataset, tuple(cells), ()))


def _calendar(engine: Engine, dataset: Dataset, cells: list[Cell]) -> None:
    years = [int(cell.key[-4:]) for cell in cells]
    engine.refresh_calendar(dt.date(min(years), 1, 1), dt.date(max(years), 12, 31))


def _stock_list(engine: Engine, dataset: Dataset, cells: list[Cell]) -> None:
    engine.refresh_stock_list(max_age=dt.timedelta(0))


def _list(engine: Engine, dataset: Dataset, cells: list[Cell]) -> None:
    engine.refresh_lists(dataset, max_age=dt.timedelta(0))


def _reports(engine: Engine, dataset: Dataset, cells: list[Cell]) -> None:
    periods = [cell.date for cell in cells if cell.date]
    codes = sorted({cell.key.partition(":")[0] for cell in cells})
    FinanceRun(engine).only(Scope(min(periods), max(periods), tuple(codes)))


_WAYS: Mapping[type, Callable[[Engine, Dataset, list[Cell]], None]] = {
    ByTradeDate: _days,
    ByCodeYear: _plain,
    ByExchangeYear: _calendar,
    ByListStatus: _stock_list,
    Whole: _list,
    ByDisclosureDay: _plain,
    ByCompanyPeriod: _reports,
}
