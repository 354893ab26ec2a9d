"""One call of the protocol: who calls, what is asked, whether it can be proved, the rows."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser, AnonymousUser, PermissionsMixin
from django.utils.translation import gettext as _

from datasync_app.protocol import ENDPOINTS, Refusal, Request, no_permission, unknown_endpoint
from datasync_app.protocol.answers import written
from datasync_app.serving.misses import fetch_missing, is_endpoint, is_of_concepts, passed_on
from datasync_app.serving.proof import Gaps, gaps_of
from datasync_app.serving.queries import Query, read_query
from datasync_app.serving.rows import Cursor
from datasync_app.serving.tables import TABLES, Table
from datasync_app.snapshot import one_view
from datasync_app.tushare.outcomes import Answer

logger = logging.getLogger(__name__)

# Tushare has no such code: what is asked for is not held, or not proved to be whole.
NOT_PROVED = 40901
SHOWN_GAPS = 20


@dataclass(frozen=True)
class Served:
    """The pieces of an answer; `incomplete` says what it lacks, where the call allows that."""

    pieces: Iterator[bytes]
    incomplete: str


def serve(request: Request, user: AbstractBaseUser | AnonymousUser, *, now: dt.datetime) -> Served:
    """Answer a call whose token is good. The rows are those of the moment, however slowly read.

    Raises:
        Refusal: the call is refused, as Tushare would, or because it cannot be proved.
    """
    passes_on = settings.SERVE_PASS_ON and _is_staff(user)
    if passes_on and request.api_name not in TABLES and is_endpoint(request.api_name):
        return _of_the_source(passed_on(request))
    table = _table(request.api_name)
    if not may_read(user, table):
        raise no_permission(request.api_name)
    query = read_query(table, request)
    if settings.SERVE_PASS_ON:
        fetch_missing(query, now=now)
        if passes_on and is_of_concepts(table.dataset) and gaps_of(query, now=now):
            return _of_the_source(passed_on(request))
    with one_view():
        gaps = gaps_of(query, now=now)
        if gaps and not (query.allows_incomplete or settings.SERVE_INCOMPLETE):
            raise Refusal(NOT_PROVED, _sentence(query, gaps), "incomplete")
        cursor = Cursor(query)
    text = _sentence(query, gaps) if gaps else ""
    logger.info("action=serve api_name=%s gaps=%d", request.api_name, len(gaps))
    return Served(_pieces(query, cursor, text), text)


def may_read(user: AbstractBaseUser | AnonymousUser, table: Table) -> bool:
    """Staff may read everything; others what they may view, dataset by dataset."""
    if not isinstance(user, PermissionsMixin):
        return False
    model = table.dataset.model._meta
    return _is_staff(user) or user.has_perm(f"{model.app_label}.view_{model.model_name}")


def _is_staff(user: AbstractBaseUser | AnonymousUser) -> bool:
    """What is not held is passed on for them alone: no permission is of an endpoint without a table."""
    return bool(getattr(user, "is_staff", False))


def _of_the_source(answer: Answer) -> Served:
    rows = answer.items
    return Served(written(answer.fields, [rows], len(rows), has_more=bool(answer.has_more)), "")


def _table(api_name: str) -> Table:
    if api_name in TABLES:
        return TABLES[api_name]
    if api_name in ENDPOINTS:
        raise Refusal(
            NOT_PROVED, _("This database does not hold %(name)s.") % {"name": api_name}, "not held"
        )
    raise unknown_endpoint()


def _pieces(query: Query, cursor: Cursor, text: str) -> Iterator[bytes]:
    with closing(cursor):
        yield from written(query.columns, cursor.batches(), query.size, text=text)


def _sentence(query: Query, gaps: Gaps) -> str:
    shown = "; ".join(f"{key} ({why})" for key, why in list(gaps.items())[:SHOWN_GAPS])
    others = len(gaps) - SHOWN_GAPS
    if others > 0:
        shown = _("%(cells)s; and %(others)d more") % {"cells": shown, "others": others}
    return _(
        "This database cannot prove what is asked of %(dataset)s. Not good are: %(cells)s. "
        "Sync them, ask for less, or pass allow_incomplete=1."
    ) % {"dataset": query.table.dataset.name, "cells": shown}
