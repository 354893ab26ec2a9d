"""The client that the settings name: its source, its account's limits, its journal."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import connection
from django.utils.translation import gettext as _

from datasync_app.tushare.access import Access, LimitRules
from datasync_app.tushare.addresses import is_loopback
from datasync_app.tushare.circuit import circuit_of
from datasync_app.tushare.database import Values
from datasync_app.tushare.journal import call_journal
from datasync_app.tushare.knowledge import StoredKnowledge
from datasync_app.tushare.limits import EndpointLimiters, account_of, stored_limiters
from datasync_app.tushare.outcomes import NoSource
from datasync_app.tushare.transport import utc_now

if TYPE_CHECKING:
    from datasync_app.tushare.client import TushareClient

MINUTE_SECONDS = 60.0
SANDBOX_TOKEN = "sandbox"  # noqa: S105 - what the sandbox accepts, no secret


def client_from_settings(cancelled: Callable[[], bool] | None = None) -> TushareClient:
    """The client for the source that the settings name, or else for the sandbox that is running.

    Its calls are counted and written down in the database, with those of every other process that
    uses the same account. Close it to write the last of them.

    Raises:
        NoSource: there is nothing to ask, or no token to ask with.
    """
    token, base_url = source_from_settings()
    # Not above: it brings pandas, which web, scheduler and commands do without until a call is made.
    from datasync_app.tushare.client import TushareClient

    rules = rules_from_settings()
    journal = call_journal()
    journal.keep_days = settings.TUSHARE_CALL_JOURNAL_DAYS
    return TushareClient(
        token,
        base_url,
        limiters=_limiters_of(token, base_url, rules),
        cancelled=cancelled,
        circuit=circuit_of(base_url),
        journal=journal,
        asks_account=rules.max_calls is None,
    )


def rules_from_settings() -> LimitRules:
    """What the settings say of the quota.

    Limits that no setting gives are calls a minute: a shorter window would let more of them go.
    """
    max_calls = settings.TUSHARE_RATE_LIMIT_MAX_CALLS
    window, minute = settings.TUSHARE_RATE_LIMIT_WINDOW_SECONDS, _minute_seconds()
    return LimitRules(
        max_calls=max_calls,
        window_seconds=max(window, minute) if max_calls is None else window,
        share=settings.TUSHARE_QUOTA_SHARE,
        learned_lasts=dt.timedelta(days=settings.TUSHARE_LEARNED_LIMIT_DAYS),
        minute_seconds=minute,
    )


def _minute_seconds() -> float:
    """How long the source counts a call; on this machine whatever the setting says of a sandbox."""
    try:
        _token, base_url = source_from_settings()
    except NoSource:
        return 0.0
    return 0.0 if is_loopback(base_url) else MINUTE_SECONDS


def current_limit(api_name: str) -> int:
    """Calls of this endpoint in a window, as the next call would find it; no call is made."""
    return rules_from_settings().in_force(current_access(api_name))


def current_access(api_name: str) -> Access:
    """What the next call of this endpoint would find known; no call is made."""
    try:
        account = account_of(*source_from_settings())
    except NoSource:
        return Access(utc_now())
    return StoredKnowledge(_OwnConnection(), account, rules_from_settings()).of(api_name, utc_now())


class _OwnConnection:
    """The caller's connection: who only looks needs none beside it."""

    def rows(self, statement: str, values: Values = ()) -> list[tuple[Any, ...]]:
        with connection.cursor() as cursor:
            cursor.execute(statement, values)  # type: ignore[arg-type]
            return list(cursor.fetchall())


def _limiters_of(token: str, base_url: str, rules: LimitRules) -> EndpointLimiters:
    return stored_limiters(account_of(token, base_url), rules, is_local=is_loopback(base_url))


def source_from_settings() -> tuple[str, str]:
    """Token and base URL, with no call made. Raises NoSource as `client_from_settings`."""
    token, base_url = settings.TUSHARE_TOKEN, settings.TUSHARE_BASE_URL
    if token:
        return token, base_url
    if base_url:
        if is_loopback(base_url):
            return SANDBOX_TOKEN, base_url
        raise NoSource(
            _("TUSHARE_BASE_URL is %(base_url)r, but TUSHARE_TOKEN is not set.")
            % {"base_url": base_url}
        )
    try:
        base_url = Path(settings.SANDBOX_ADDRESS_FILE).read_text().strip()
    except FileNotFoundError:
        base_url = ""
    if not base_url:
        raise NoSource(
            _("There is no source to sync from: set TUSHARE_TOKEN, or start `manage.py sandbox`.")
        )
    return SANDBOX_TOKEN, base_url
