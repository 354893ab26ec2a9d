"""What clients learn of their accounts and of their sources, forgotten between two tests."""

from __future__ import annotations

from datasync_app.models import CallSlot, EndpointAccess, TushareAccount, TushareCall
from datasync_app.tushare import circuit, limits
from datasync_app.tushare.database import quota_database
from datasync_app.tushare.journal import call_journal

_EMPTY = "; ".join(
    f"DELETE FROM {model._meta.db_table}"  # noqa: S608
    for model in (CallSlot, EndpointAccess, TushareAccount, TushareCall)
)


def forget_accounts() -> None:
    """Empty the tables of the quota, and the memory of this process.

    They are written on a connection of their own, so a test's rollback leaves what its clients
    learned. On loopback the address is the account; another sandbox gets the same port one day, and
    would be taken for the account whose points and denials are known.
    """
    call_journal().flush()
    quota_database().rows(_EMPTY)
    limits._stored.clear()
    circuit._circuits.clear()
