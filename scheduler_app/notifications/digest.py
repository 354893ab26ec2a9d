"""Once a day, for the channels that want it: what ran, what fails, and what other apps have to say."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime, timedelta

from django.db import connection, transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from scheduler_app import history
from scheduler_app.models import (
    ChannelKind,
    JobConfig,
    NotificationChannel,
    NotificationKind,
    Status,
)
from scheduler_app.notifications.messages import write_to
from scheduler_app.notifications.texts import Text, Told, signed
from scheduler_app.policies import paused

logger = logging.getLogger(__name__)

# What another app says of the day that ended at that moment, in the language that is active; may be empty.
Section = Callable[[datetime], str]

_sections: list[Section] = []
_LAST_DAY = """
    SELECT count(*) FILTER (WHERE status = %s), count(*) FILTER (WHERE status = %s)
    FROM unnest(%s::text[]) AS wanted (job_id)
    JOIN scheduler_execution_log AS execution ON execution.job_id = wanted.job_id
        AND execution.started_at >= %s
"""


def register_section(section: Section) -> Section:
    """Let every digest end with what it says. Each app names these in a module `digest.py`."""
    _sections.append(section)
    return section


def write_due(now: datetime) -> int:
    """Write the digests of today whose time has come and that nobody wrote; how many.

    Raises:
        django.db.Error: the database is away; they are written later.
    """
    local = timezone.localtime(now)
    due = NotificationChannel.objects.filter(
        enabled=True, kind=ChannelKind.MESSAGES, digest_at__lte=local.time()
    ).filter(Q(digest_on__isnull=True) | Q(digest_on__lt=local.date()))
    written = 0
    for channel in due:
        with transaction.atomic():
            # Of two that look at once, one finds the day unwritten.
            unwritten = NotificationChannel.objects.filter(pk=channel.pk).filter(
                Q(digest_on__isnull=True) | Q(digest_on__lt=local.date())
            )
            if unwritten.update(digest_on=local.date()):
                write_to(channel, NotificationKind.DIGEST, lambda: text(now), now)
                written += 1
    return written


def text(now: datetime) -> Text:
    """The digest of the 24 hours before a moment, in the language that is active."""
    configs = {config.job_id: config for config in JobConfig.objects.get_all_enabled()}
    failing = history.failing(configs)
    with connection.cursor() as cursor:
        since = now - timedelta(days=1)
        cursor.execute(_LAST_DAY, [Status.SUCCESS, Status.FAILED, list(configs), since])
        succeeded, failed = cursor.fetchone()
    parts = [
        _("In the last 24 hours %(succeeded)d runs succeeded and %(failed)d failed.")
        % {"succeeded": succeeded, "failed": failed}
    ]
    if failing:
        lines = [
            Told(each.job_id, str(configs[each.job_id]), each.since, each.error).line()
            for each in failing
        ]
        parts.append("\n".join([_("Failing, since:"), *lines]))
    halted = [config for config in configs.values() if paused(config, now)]
    if halted:
        lines = [f"- {config}: {paused(config, now)}" for config in halted]
        parts.append("\n".join([_("Paused:"), *lines]))
    parts += [said for section in _sections if (said := _said(section, now))]
    subject = (
        ngettext(
            "daily digest, %(count)d schedule fails",
            "daily digest, %(count)d schedules fail",
            len(failing),
        )
        % {"count": len(failing)}
        if failing
        else _("daily digest, no schedule fails")
    )
    return Text(f"StockSync: {subject}", signed("\n\n".join(parts)))


def _said(section: Section, now: datetime) -> str:
    """A section that fails is said to have failed; the rest of the digest is sent all the same."""
    try:
        with transaction.atomic():
            return section(now)
    except Exception as error:
        logger.exception("action=digest section=%s failed", section.__name__)
        return _("A part of this digest could not be made: %s.") % type(error).__name__
