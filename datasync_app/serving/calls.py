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
from datasync_app.serving.proof import Gaps, gaps_of
from datasync_app.serving.queries import Query, read_query
from datasync_app.serving.rows import Cursor
from datasync_app.serving.tables import TABLES, Table
from datasync_app.snapshot import one_view

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
    table = _table(request.api_name)
    if not may_read(user, table):
        raise no_permission(request.api_name)
    query = read_query(table, request)
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
    is_staff = bool(getattr(user, "is_staff", False))
    return is_staff or user.has_perm(f"{model.app_label}.view_{model.model_name}")


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
