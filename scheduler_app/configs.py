"""How a schedule is changed: validate everything, then write. API, admin and seeds come here."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone as clock
from django.utils.translation import gettext as _

from scheduler_app import cron, going_on, policy_rules
from scheduler_app.errors import (
    InvalidCron,
    InvalidKwargs,
    InvalidSchedule,
    NotScheduled,
    UnknownJob,
    short,
)
from scheduler_app.models import Cause, ExecutionLog, JobConfig, Status, Trigger
from scheduler_app.registry import JobRegistry, registry

cron_from_time = cron.from_time

# What people set on a schedule, once its job is chosen.
EDITABLE = (
    "job_name",
    "enabled",
    "trigger",
    "cron_expression",
    "interval_seconds",
    "timezone",
    "job_kwargs",
    *policy_rules.POLICIES,
)
_TEXT_LIMITS = {"job_id": 100, "job_name": 200, "triggered_by": 150, "idempotency_key": 255}


def validate(fields: Mapping[str, Any], jobs: JobRegistry = registry) -> None:
    """Check the fields of a schedule that are given, each for itself and with the others.

    `trigger` decides whether `cron_expression` or `interval_seconds` is required.

    Raises:
        InvalidSchedule: field -> sentence, for every field that cannot be used.
    """
    errors = dict(_text_errors(fields))
    _collect(errors, "timezone", lambda: cron.zone(fields.get("timezone", "Asia/Shanghai")))
    trigger = fields.get("trigger", Trigger.CRON)
    if trigger == Trigger.CRON:
        _collect(errors, "cron_expression", lambda: cron.parse(fields.get("cron_expression")))
    elif trigger == Trigger.INTERVAL:
        _collect(
            errors,
            "interval_seconds",
            lambda: cron.check_interval(fields.get("interval_seconds")),
        )
    else:
        errors["trigger"] = _("The trigger is %(value)s; it takes cron or interval.") % {
            "value": short(trigger)
        }
    for field, sentence in policy_rules.problems(fields):
        errors.setdefault(field, sentence)
    if "job_id" in fields and "job_id" not in errors:
        try:
            jobs.validate_kwargs(fields["job_id"], fields.get("job_kwargs", {}))
        except UnknownJob as error:
            errors["job_id"] = str(error)
        except InvalidKwargs as error:
            errors["job_kwargs"] = str(error)
    if errors:
        raise InvalidSchedule(errors)


def schedule_cron(
    job_id: str,
    cron_expression: str,
    timezone: str | None = None,
    job_kwargs: Mapping[str, object] | None = None,
    job_name: str | None = None,
    policies: Mapping[str, object] | None = None,
    *,
    jobs: JobRegistry = registry,
) -> JobConfig:
    """Fire the job by a cron expression from now on. What is None or not given stays as it is.

    Raises:
        UnknownJob: no such job.
        InvalidSchedule: field -> sentence.
    """
    changes: dict[str, Any] = {
        "trigger": Trigger.CRON,
        "cron_expression": cron_expression,
        "timezone": timezone,
    }
    changes |= _policies(policies)
    return _write(job_id, changes, job_kwargs, job_name, jobs)


def start_interval(
    job_id: str,
    seconds: int,
    job_kwargs: Mapping[str, object] | None = None,
    job_name: str | None = None,
    policies: Mapping[str, object] | None = None,
    *,
    jobs: JobRegistry = registry,
) -> JobConfig:
    """Fire the job every `seconds` from now on, at multiples since 1970. What is None or not given
    stays.

    Raises:
        UnknownJob: no such job.
        InvalidSchedule: field -> sentence.
    """
    changes = {"trigger": Trigger.INTERVAL, "interval_seconds": seconds, **_policies(policies)}
    return _write(job_id, changes, job_kwargs, job_name, jobs)


def stop(job_id: str, *, jobs: JobRegistry = registry) -> JobConfig:
    """Disable the schedule; its row and its history stay. A run under way is left to finish, and
    nothing follows it; follow-ups, retries and slots that wait are cancelled.

    Raises:
        UnknownJob: neither a job nor a schedule of that id exists.
        NotScheduled: the job has no schedule.
    """
    if job_id not in jobs and (not isinstance(job_id, str) or _bad_text(job_id, 100)):
        raise UnknownJob(job_id, jobs.ids())
    with transaction.atomic():
        try:
            config = locked(job_id)
        except NotScheduled:
            jobs.get(job_id)
            raise
        if config.enabled:
            config.enabled = False
            config.save(update_fields=["enabled", "updated_at"])
    end_waiting(job_id)
    return config


def delete(job_id: str) -> None:
    """Delete the schedule, and cancel what waits of it; executions and versions stay.

    Raises:
        NotScheduled: the job has no schedule.
    """
    with transaction.atomic():
        locked(job_id).delete()
    end_waiting(job_id)


def enable(job_id: str, *, jobs: JobRegistry = registry) -> JobConfig:
    """Switch the schedule on as it is stored.

    Raises:
        NotScheduled: the job has no schedule.
        InvalidSchedule: field -> sentence, for what keeps it from firing.
    """
    with transaction.atomic():
        config = locked(job_id)
        stored = {name: getattr(config, name) for name in EDITABLE}
        validate({"job_id": job_id, **stored}, jobs)
        if not config.enabled:
            config.enabled = True
            config.save(update_fields=["enabled", "updated_at"])
    return config


def locked(job_id: str) -> JobConfig:
    """The schedule of a job, locked until the transaction ends. Raises NotScheduled."""
    config = JobConfig.objects.select_for_update().filter(job_id=job_id).first()
    if config is None:
        raise NotScheduled(job_id)
    return config


def end_waiting(job_id: str) -> None:
    """What goes with switching a schedule off. Not inside the transaction that does so: a claim
    locks the job first and its schedule second."""
    going_on.end_waiting(job_id, "the schedule was stopped before the run went on")


def queue_run(
    job_id: str,
    caused_by: str,
    triggered_by: str = "",
    job_kwargs: Mapping[str, object] | None = None,
    idempotency_key: str | None = None,
    *,
    now: datetime | None = None,
    jobs: JobRegistry = registry,
) -> tuple[ExecutionLog, bool]:
    """Queue one run for the scheduler process; the execution, and whether it is a new one.

    Without `job_kwargs` the run takes those of the job's schedule. The same `idempotency_key` for
    the same job gives the execution that was queued first.

    Raises:
        UnknownJob: no such job.
        InvalidSchedule: field -> sentence.
    """
    jobs.get(job_id)
    errors = _text_errors({"triggered_by": triggered_by, "idempotency_key": idempotency_key})
    if job_kwargs is None:
        config = JobConfig.objects.get_by_job_id(job_id)
        job_kwargs = config.job_kwargs if config else {}
    try:
        jobs.validate_kwargs(job_id, job_kwargs)
    except InvalidKwargs as error:
        errors["job_kwargs"] = str(error)
    if errors:
        raise InvalidSchedule(errors)
    moment = now or clock.now()
    while True:
        # Schedules fire on whole seconds: a fraction keeps a manual run from taking a slot.
        moment += timedelta(microseconds=1)
        moment += timedelta(microseconds=moment.microsecond == 0)
        known = ExecutionLog.objects.filter(job_id=job_id, idempotency_key=idempotency_key)
        if idempotency_key is not None and (earlier := known.first()):
            return earlier, False
        try:
            with transaction.atomic():
                execution = ExecutionLog.objects.create(
                    job_id=job_id,
                    scheduled_for=moment,
                    status=Status.QUEUED,
                    caused_by=Cause(caused_by),
                    triggered_by=triggered_by,
                    job_kwargs=job_kwargs,
                    idempotency_key=idempotency_key,
                )
        except IntegrityError:
            # Another request took this microsecond, or came first with the same key.
            continue
        return execution, True


def _policies(given: Mapping[str, object] | None) -> dict[str, Any]:
    given = given or {}
    if unknown := [name for name in given if name not in policy_rules.POLICIES]:
        valid = ", ".join(policy_rules.POLICIES)
        raise InvalidSchedule(
            {
                name: _("There is no policy %(name)s. The policies are: %(valid)s.")
                % {"name": short(name), "valid": valid}
                for name in unknown
            }
        )
    return dict(given)


def _write(
    job_id: str,
    changes: dict[str, Any],
    job_kwargs: Mapping[str, object] | None,
    job_name: str | None,
    jobs: JobRegistry,
) -> JobConfig:
    job = jobs.get(job_id)
    given = {"job_kwargs": job_kwargs, "job_name": job_name, **changes, "enabled": True}
    given = {name: value for name, value in given.items() if value is not None}
    with transaction.atomic():
        config = JobConfig.objects.select_for_update().filter(job_id=job_id).first()
        kept = {"job_name": job.name, "timezone": "Asia/Shanghai", "job_kwargs": {}}
        if config:
            kept = {name: getattr(config, name) for name in kept}
        # The field a trigger needs is checked even when it was given as None.
        validate({"job_id": job_id, **kept, **given, "trigger": changes["trigger"]}, jobs)
        if "cron_expression" in given:
            given["cron_expression"] = cron.parse(given["cron_expression"])
        return JobConfig.objects.upsert(job_id, **({} if config else kept) | given)


def _collect(errors: dict[str, str], field: str, check: Any) -> None:
    if field not in errors:
        try:
            check()
        except InvalidCron as error:
            errors[field] = str(error)


def _text_errors(fields: Mapping[str, Any]) -> dict[str, str]:
    errors = {}
    for field, limit in _TEXT_LIMITS.items():
        value = fields.get(field)
        if value is not None and (problem := _bad_text(value, limit) or _markup(field, value)):
            errors[field] = _("The %(field)s is %(value)s; %(problem)s.") % {
                "field": field,
                "value": short(value),
                "problem": problem,
            }
    return errors


def _markup(field: str, value: str) -> str:
    """A name is shown in many places, in pages, mails and chats: it is no place for markup."""
    has_markup = field == "job_name" and any(sign in value for sign in "<>")
    return _("it takes no < and no >") if has_markup else ""


def _bad_text(value: object, limit: int) -> str:
    if not isinstance(value, str):
        return _("it takes text")
    if len(value) > limit:
        return _("it takes at most %(most)d characters, not %(count)d") % {
            "most": limit,
            "count": len(value),
        }
    if any(c == "\0" or "\ud800" <= c <= "\udfff" for c in value):
        return _("it holds a character that cannot be stored")
    return ""
