"""The versions of a schedule: who wrote each, when, and what it changed; and the way back to one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from scheduler_app import configs
from scheduler_app.errors import SchedulerError
from scheduler_app.models import JobConfig

SHOWN_AT_MOST = 100
# What else is seen to change: a pause is ended by resuming, not by going back.
_TOLD = (*configs.EDITABLE, "paused_at", "paused_until", "paused_reason")


class NoSuchVersion(SchedulerError):
    def __init__(self, job_id: str, version_id: int) -> None:
        super().__init__(
            _("The schedule of %(job)s has no version %(version)d.")
            % {"job": job_id, "version": version_id}
        )


@dataclass(frozen=True)
class Change:
    """A column of which the value changed, in words."""

    field: str
    title: str
    before: str
    after: str


@dataclass(frozen=True)
class Version:
    """One version: `who` is empty where a command or SQL wrote it; `kind` is +, ~ or -."""

    id: int
    at: datetime
    who: str
    why: str
    kind: str
    changes: tuple[Change, ...]
    is_current: bool


def versions(config: JobConfig) -> list[Version]:
    """The newest versions of a schedule, newest first, at most 100. One query."""
    kept = list(config.history.all()[: SHOWN_AT_MOST + 1])
    told = []
    for place, version in enumerate(kept[:SHOWN_AT_MOST]):
        before = kept[place + 1] if place + 1 < len(kept) else None
        told.append(
            Version(
                id=version.history_id,
                at=version.history_date,
                who=version.history_user_id or "",
                why=version.history_change_reason or "",
                kind=version.history_type,
                changes=tuple(_changes(before, version)) if before is not None else (),
                is_current=all(
                    getattr(version, name) == getattr(config, name) for name in configs.EDITABLE
                ),
            )
        )
    return told


def revert(job_id: str, version_id: int) -> JobConfig:
    """Make the schedule what it was in a version, its job and a pause excepted. What stands there
    is checked as if it were typed in now.

    Raises:
        NotScheduled: the job has no schedule.
        NoSuchVersion: it has no such version.
        InvalidSchedule: field -> sentence.
    """
    with transaction.atomic():
        config = configs.locked(job_id)
        version = config.history.filter(history_id=version_id).first()
        if version is None:
            raise NoSuchVersion(job_id, version_id)
        fields = {name: getattr(version, name) for name in configs.EDITABLE}
        configs.validate({"job_id": job_id, **fields})
        for name, value in fields.items():
            setattr(config, name, value)
        config._change_reason = _("back to version %d") % version_id
        config.save(update_fields=[*fields, "updated_at"])
    if not config.enabled:
        configs.end_waiting(job_id)
    return config


def _changes(before: Any, after: Any) -> Iterator[Change]:
    for name in _TOLD:
        was, is_now = getattr(before, name), getattr(after, name)
        if was != is_now:
            title = str(JobConfig._meta.get_field(name).verbose_name)  # type: ignore[union-attr]
            yield Change(name, title, _in_words(before, name, was), _in_words(after, name, is_now))


def _in_words(version: Any, name: str, value: object) -> str:
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M %Z}"
    if isinstance(value, dict):
        return json.dumps(value, ensure_ascii=False)
    if hasattr(version, f"get_{name}_display"):
        return str(getattr(version, f"get_{name}_display")())
    return "–" if value in (None, "") else str(value)
