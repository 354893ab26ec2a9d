"""A schedule that is paused, by whom, why and until when; it goes on by itself when that passes."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext as _

from scheduler_app.errors import InvalidSchedule, NotScheduled, short
from scheduler_app.models import JobConfig
from scheduler_app.policies import utc

logger = logging.getLogger(__name__)

BY_ITSELF = "StockSync"
REASON_AT_MOST = 500


def pause(
    job_id: str, *, by: str, reason: str = "", until: datetime | None = None, now: datetime
) -> None:
    """Start no slot, retry or follow-up of the job from `now` on, until it is resumed or `until`
    passes. Runs under way go on, and runs that a person asks for are started all the same.

    Raises:
        NotScheduled: the job has no schedule.
        InvalidSchedule: field -> sentence.
    """
    errors = {}
    if until is not None and until <= now:
        errors["until"] = _("The until is %s, which is past; it takes a moment to come.") % utc(
            until
        )
    if len(reason) > REASON_AT_MOST:
        said = _("The reason has %(count)d characters; it takes at most %(most)d.")
        errors["reason"] = said % {"count": len(reason), "most": REASON_AT_MOST}
    if any(c == "\0" or "\ud800" <= c <= "\udfff" for c in reason):
        said = _("The reason %s holds a character that cannot be stored.")
        errors["reason"] = said % short(reason)
    if errors:
        raise InvalidSchedule(errors)
    changes = {
        "paused_at": now,
        "paused_until": until,
        "paused_by": by[:150],
        "paused_reason": reason,
    }
    if not _write(job_id, changes, by):
        raise NotScheduled(job_id, _("The job %s has no schedule to pause."))
    logger.info("action=pause job_id=%s by=%s until=%s: %s", job_id, by, until, reason)


def resume(job_id: str, *, by: str, now: datetime) -> None:
    """End a pause, if there is one: what waited starts, and failures are counted anew.

    Raises:
        NotScheduled: the job has no schedule.
    """
    changes = {
        "paused_at": None,
        "paused_until": None,
        "paused_by": "",
        "paused_reason": "",
        "resumed_at": now,
    }
    if not _write(job_id, changes, by):
        raise NotScheduled(job_id, _("The job %s has no schedule to resume."))
    logger.info("action=resume job_id=%s by=%s", job_id, by)


@transaction.atomic
def _write(job_id: str, changes: Mapping[str, object], by: str) -> bool:
    """Change the row, with a version of it; False if the job has no schedule."""
    config = JobConfig.objects.select_for_update().filter(job_id=job_id).first()
    if config is None:
        return False
    for name, value in changes.items():
        setattr(config, name, value)
    config._history_user = by[:150]
    config.save(update_fields=[*changes, "updated_at"])
    return True
