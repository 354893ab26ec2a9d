"""Edits that do not overwrite what somebody else changed meanwhile: ETag and If-Match (RFC 9110)."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, cast

from django.core.serializers.json import DjangoJSONEncoder
from django.db import transaction
from django.utils.translation import gettext as _
from rest_framework.exceptions import APIException
from rest_framework.request import Request
from rest_framework.response import Response

from scheduler_app.errors import short
from scheduler_app.locks import lock_job
from scheduler_app.models import JobConfig

# What no person chose: the scheduler writes it, or it says when they did.
_NOT_EDITED = {
    "id", "created_at", "updated_at", "last_run_at", "last_slot", "schedule_since", "resumed_at"
}  # fmt: skip
_TAG = re.compile(r'(W/)?"([^"]*)"')

V = TypeVar("V", bound=Callable[..., Response])


class ChangedMeanwhile(APIException):
    status_code = 412
    default_code = "precondition_failed"


def etag(config: JobConfig) -> str:
    """Another one for every other schedule; what runs, and when next, does not matter."""
    fields = {
        field.attname: getattr(config, field.attname)
        for field in JobConfig._meta.concrete_fields
        if field.name not in _NOT_EDITED
    }
    text = json.dumps(fields, cls=DjangoJSONEncoder, sort_keys=True)
    return f'"{hashlib.sha256(text.encode()).hexdigest()[:24]}"'


def honours_if_match(edit: V) -> V:
    """With If-Match the edit is made only while the schedule is as that ETag says."""

    @wraps(edit)
    def checked(view: Any, request: Request, job_id: str) -> Response:
        wanted = request.headers.get("If-Match")
        if wanted is None:
            return edit(view, request, job_id)
        with transaction.atomic():
            _check(job_id, wanted)
            return edit(view, request, job_id)

    return cast(V, checked)


def _check(job_id: str, wanted: str) -> None:
    """Lock the schedule and compare. The job first, as whoever claims a slot does."""
    config = None
    if "\0" not in job_id:
        lock_job(job_id)
        config = JobConfig.objects.select_for_update().filter(job_id=job_id).first()
    if config is None:
        said = _("%(job)s has no schedule yet: send the edit without If-Match.")
        raise ChangedMeanwhile(said % {"job": short(job_id)})
    now = etag(config)
    tags = {f'"{tag}"' for weak, tag in _TAG.findall(wanted) if not weak}
    if wanted.strip() != "*" and now not in tags:
        said = _(
            "The schedule was changed meanwhile: its ETag is %(now)s and not %(wanted)s. "
            "Read it again, and send the edit with the new one."
        )
        raise ChangedMeanwhile(said % {"now": now, "wanted": short(wanted)})
