"""A database belongs to one source: invented prices are never readable as real ones.

The identity is stored with the first cell and compared inside the transaction of every later one.
"""

from __future__ import annotations

from django.db import connection
from django.db.backends.utils import CursorWrapper
from django.utils.translation import gettext as _

from datasync_app.errors import SourceMismatch
from datasync_app.models import SourceIdentity
from datasync_app.tushare.addresses import is_loopback

REAL_SOURCE = "tushare"
_ONLY_ROW = 1


def stored_identity() -> str | None:
    """`tushare`, `sandbox:SEED`, `replay:NAME`, or None while nothing is stored."""
    return SourceIdentity.objects.values_list("identity", flat=True).first()


def claim_identity(source: str) -> None:
    """Make `source` the owner of this database, or check that it is. Call inside the transaction.

    Raises:
        SourceMismatch: the database belongs to another source; nothing may be stored.
    """
    with connection.cursor() as cursor:
        owner = _locked_owner(cursor)
        if owner is None:
            # The insert waits for a concurrent first one, so two sources can never both be first.
            cursor.execute(
                "INSERT INTO sync_source_identity (id, identity, recorded_at) "
                "VALUES (%s, %s, now()) ON CONFLICT (id) DO NOTHING",
                [_ONLY_ROW, source],
            )
            owner = _locked_owner(cursor) or source
    if owner != source:
        raise SourceMismatch(mismatch_sentence(owner, source))


def _locked_owner(cursor: CursorWrapper) -> str | None:
    """Whose data these are; it stays so until the transaction ends."""
    cursor.execute("SELECT identity FROM sync_source_identity WHERE id = %s FOR SHARE", [_ONLY_ROW])
    row = cursor.fetchone()
    return str(row[0]) if row else None


def refuse_foreign(base_url: str, *, has_token: bool) -> None:
    """Refuse before any call where the settings alone tell that the source is not the owner's.

    Off loopback nobody answers but Tushare, and without a token nobody but a sandbox; in all other
    cases only the answers tell.

    Raises:
        SourceMismatch: as `claim_identity`.
    """
    owner = stored_identity()
    if owner is None:
        return
    if is_generated(owner) and not is_loopback(base_url):
        raise SourceMismatch(mismatch_sentence(owner, REAL_SOURCE))
    if not is_generated(owner) and not has_token:
        raise SourceMismatch(mismatch_sentence(owner, _("the sandbox at %s") % base_url))


def mismatch_sentence(owner: str, source: str) -> str:
    if owner == REAL_SOURCE:
        return _(
            "This database holds data of Tushare, and the answers now come from %(source)s: nothing "
            "was stored. Set TUSHARE_TOKEN again, or give the generated source a database of its own "
            "(DATABASE_URL or STOCKSYNC_VAR)."
        ) % {"source": source}
    return _(
        "This database holds the generated data of %(owner)s, and the answers now come from "
        "%(source)s: nothing was stored. `manage.py go_live` drops the generated data and keeps "
        "schedules and accounts."
    ) % {"owner": owner, "source": source}


def is_generated(identity: str) -> bool:
    return identity != REAL_SOURCE
