"""The jobs that exist: each app names its own in `jobs.py`, and schedules refer to them by id."""

from __future__ import annotations

import inspect
import json
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NotRequired, Protocol, Required, TypeVar, get_type_hints

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop
from pydantic import ConfigDict, TypeAdapter, ValidationError, with_config
from typing_extensions import TypedDict  # pydantic asks for this one below Python 3.12

from scheduler_app.arguments import Argument, arguments_of
from scheduler_app.errors import InvalidKwargs, SchedulerError, UnknownJob, short
from scheduler_app.parameters import in_words
from scheduler_app.run import Run

MAX_KWARGS_BYTES = 64 * 1024
MAX_KWARGS_DEPTH = 20
# What pydantic says of the types that jobs take.
PYDANTIC_SAYS = (
    gettext_noop("input should be a valid string"),
    gettext_noop("input should be a valid integer"),
    gettext_noop("input should be a valid number"),
    gettext_noop("input should be a valid boolean"),
    gettext_noop("input should be a valid list"),
    gettext_noop("input should be a valid dictionary"),
)


class JobFunction(Protocol):
    """What a job is: called with its run and its own keyword arguments, returns a summary."""

    def __call__(self, run: Run, /, **kwargs: Any) -> Mapping[str, object] | None: ...


Function = TypeVar("Function", bound=Callable[..., Mapping[str, object] | None])
# Given the arguments as Python values: a sentence that says why they do not go together, or "".
Check = Callable[[Mapping[str, Any]], str]


@dataclass(frozen=True)
class RegisteredJob:
    """One job.

    `not_built` says what this version cannot do; `first_start` is asked when a scheduler becomes
    active whether a run should be queued; `default_cron` is what `seed_jobs` gives it, if anything;
    `check` judges the arguments together, after each was found right for itself; `helps` says what
    each argument is for.
    """

    job_id: str
    name: str
    function: Callable[..., Mapping[str, object] | None]
    summary: str
    not_built: str = ""
    first_start: Callable[[], bool] | None = None
    default_cron: str | None = None
    check: Check | None = None
    helps: Mapping[str, str | Promise] = field(default_factory=dict)

    @cached_property
    def parameters(self) -> dict[str, inspect.Parameter]:
        """The arguments a schedule may give: all but the first, which is the run."""
        return dict(list(inspect.signature(self.function).parameters.items())[1:])

    @property
    def takes(self) -> str:
        """The arguments in words; empty where there are none."""
        return in_words(self._schema, self._defaults)

    @property
    def arguments(self) -> tuple[Argument, ...]:
        """The arguments one by one."""
        return tuple(arguments_of(self._schema, self._defaults, self.helps))

    @cached_property
    def takes_any(self) -> bool:
        """Whether it takes arguments that its signature does not name."""
        return any(each.kind is each.VAR_KEYWORD for each in self.parameters.values())

    @cached_property
    def _schema(self) -> dict[str, Any]:
        return self._adapter.json_schema()

    @cached_property
    def _defaults(self) -> dict[str, object]:
        return {
            parameter.name: parameter.default
            for parameter in self.parameters.values()
            if parameter.default is not parameter.empty
        }

    @cached_property
    def _adapter(self) -> TypeAdapter[dict[str, Any]]:
        hints = get_type_hints(self.function, include_extras=True)
        named = [p for p in self.parameters.values() if p.kind is not p.VAR_KEYWORD]
        extra = "allow" if self.takes_any else "forbid"
        fields = {
            parameter.name: (Required if parameter.default is parameter.empty else NotRequired)[
                hints.get(parameter.name, Any)
            ]
            for parameter in named
        }
        # A TypedDict, not a model: argument names may be anything, `json` and `copy` included.
        shape = TypedDict(self.job_id, fields)  # type: ignore[misc]
        config = ConfigDict(extra=extra, strict=True, allow_inf_nan=False)  # type: ignore[typeddict-item]
        return TypeAdapter(with_config(config)(shape))  # type: ignore[arg-type]

    def prepare(self) -> None:
        """Build now what reads the arguments, which a run's start need not wait for then."""
        _ = self._adapter

    def validate(self, kwargs: object) -> dict[str, Any]:
        """The arguments as Python values; those not given are left to the function's defaults."""
        try:
            values = self._adapter.validate_json(_as_json(kwargs))
        except ValidationError as error:
            refused = InvalidKwargs(self._sentence(error))
            where = error.errors(include_url=False, include_context=False)[0]["loc"]
            refused.argument = str(where[0]) if where else ""
            raise refused from None
        if self.check is not None and (problem := self.check(values)):
            raise InvalidKwargs(problem)
        return values

    def _sentence(self, error: ValidationError) -> str:
        first = error.errors(include_url=False, include_context=False)[0]
        argument = str(first["loc"][0]) if first["loc"] else "job_kwargs"
        where = "".join(f"[{part!r}]" for part in first["loc"][1:])
        said = {"job": self.job_id, "takes": ", ".join(self.parameters) or _("none")}
        if first["type"] == "extra_forbidden":
            said["argument"] = short(argument)
            return _("%(job)s takes no argument %(argument)s. It takes: %(takes)s.") % said
        said["argument"] = f"{argument}{where}"
        if first["type"] == "missing":
            return _("%(job)s needs the argument %(argument)s. It takes: %(takes)s.") % said
        message = first["msg"].removeprefix("Value error, ").rstrip(".")
        said["message"] = _(message[:1].lower() + message[1:])
        said["value"] = short(first["input"])
        return _("The argument %(argument)s of %(job)s is %(value)s: %(message)s.") % said


class JobRegistry:
    def __init__(self) -> None:
        self._jobs: dict[str, RegisteredJob] = {}

    def register(
        self,
        job_id: str,
        *,
        name: str,
        first_start: Callable[[], bool] | None = None,
        not_built: str = "",
        default_cron: str | None = None,
        check: Check | None = None,
        helps: Mapping[str, str | Promise] | None = None,
    ) -> Callable[[Function], Function]:
        """Name a function as a job.

        Raises:
            SchedulerError: the id is taken by another function.
        """

        def decorate(function: Function) -> Function:
            if inspect.iscoroutinefunction(function):
                raise SchedulerError(f"The job {job_id} is a coroutine; jobs are plain functions.")
            known = self._jobs.get(job_id)
            if known is not None and known.function is not function:
                raise SchedulerError(f"The job id {job_id} is registered twice.")
            self._jobs[job_id] = RegisteredJob(
                job_id=job_id,
                name=name,
                function=function,
                summary=(inspect.getdoc(function) or "").partition("\n")[0],
                not_built=not_built,
                first_start=first_start,
                default_cron=default_cron,
                check=check,
                helps=helps or {},
            )
            return function

        return decorate

    def get(self, job_id: str) -> RegisteredJob:
        """The job of that id, or UnknownJob, which lists the known ones."""
        job = self._jobs.get(job_id) if isinstance(job_id, str) else None
        if job is None:
            raise UnknownJob(job_id, self.ids())
        return job

    def __iter__(self) -> Iterator[RegisteredJob]:
        return iter([self._jobs[job_id] for job_id in self.ids()])

    def __contains__(self, job_id: object) -> bool:
        return job_id in self._jobs

    def ids(self) -> list[str]:
        return sorted(self._jobs)

    def validate_kwargs(self, job_id: str, kwargs: object) -> dict[str, Any]:
        """Check arguments against the job's own signature; the Python values for the call.

        Raises:
            UnknownJob: no such job.
            InvalidKwargs: an argument is unknown, missing or of another type, or the arguments
                do not go together.
        """
        return self.get(job_id).validate(kwargs)


def _as_json(kwargs: object) -> str:
    """The arguments as JSON that PostgreSQL can store."""
    if not isinstance(kwargs, Mapping):
        raise InvalidKwargs(
            _('Arguments are a JSON object such as {"start": "20240102"}, not %(value)s.')
            % {"value": short(kwargs)}
        )
    _check_storable(kwargs, MAX_KWARGS_DEPTH)
    try:
        text = json.dumps(kwargs, ensure_ascii=False)
    except (TypeError, ValueError) as error:
        raise InvalidKwargs(_("The arguments are not JSON: %s.") % error) from None
    if len(text.encode()) > MAX_KWARGS_BYTES:
        raise InvalidKwargs(
            _("The arguments take %(count)s bytes; at most %(most)s fit.")
            % {"count": f"{len(text.encode()):,}", "most": f"{MAX_KWARGS_BYTES:,}"}
        )
    return text


def _check_storable(value: object, depth: int) -> None:
    if depth < 0:
        raise InvalidKwargs(_("The arguments are nested more than %d deep.") % MAX_KWARGS_DEPTH)
    if isinstance(value, Mapping):
        for key, item in value.items():
            _check_storable(key, depth)
            _check_storable(item, depth - 1)
    elif isinstance(value, list | tuple):
        for item in value:
            _check_storable(item, depth - 1)
    elif isinstance(value, float) and not math.isfinite(value):
        raise InvalidKwargs(_("The arguments hold %s, which JSON has no number for.") % value)
    elif isinstance(value, str) and any(c == "\0" or "\ud800" <= c <= "\udfff" for c in value):
        raise InvalidKwargs(
            _("The text %s holds a character that cannot be stored.") % short(value)
        )


registry = JobRegistry()
register_job = registry.register
