"""The form of a schedule: `configs.validate` decides, and its sentences stand at their fields."""

from __future__ import annotations

from typing import Any, ClassVar

from django import forms
from django.forms.fields import InvalidJSONInput
from django.urls import reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from scheduler_app import argument_fields, configs, strict_json
from scheduler_app.calendars import calendars
from scheduler_app.errors import InvalidKwargs, InvalidSchedule
from scheduler_app.models import JobConfig
from scheduler_app.policy_rules import POLICIES
from scheduler_app.registry import RegisteredJob, registry
from scheduler_app.words import WEEKDAYS

SCHEDULE_FIELDS = ["job_id", *configs.EDITABLE]
POLICY_FIELDSETS: list[Any] = [
    (
        _("When it cannot run"),
        {
            "fields": [
                "misfire_policy",
                "misfire_window_seconds",
                "start_deadline_seconds",
                "overlap_policy",
            ]
        },
    ),
    (
        _("When it takes too long or fails"),
        {
            "fields": [
                "time_limit_seconds",
                "runs_in_subprocess",
                "max_retries",
                "retry_delay_seconds",
                "retry_backoff",
                "pause_after_failures",
                "success_by",
            ]
        },
    ),
    (_("How long its executions are kept"), {"fields": ["retention_days", "retention_runs"]}),
]


class KwargsField(forms.JSONField):
    """A JSON object; an empty box is one without arguments, and not NULL."""

    def to_python(self, value: Any) -> Any:
        if isinstance(value, str):
            try:
                return strict_json.loads(value) if value.strip() else {}
            except (ValueError, RecursionError) as error:
                raise forms.ValidationError(
                    gettext(
                        "The arguments are not JSON: %s. They are an object such as "
                        '{"start": "20240102"}, or empty.'
                    )
                    % error
                ) from None
        return super().to_python(value)

    def bound_data(self, data: Any, initial: Any) -> Any:
        """What is typed in, shown again as it was: Django's own reading of it may raise."""
        try:
            return super().bound_data(data, initial)
        except (ValueError, RecursionError):
            return InvalidJSONInput(data)


class ScheduleForm(forms.ModelForm):  # type: ignore[type-arg]  # generic for mypy only
    """The schedule of a job that this version does not know, or that takes any argument: those are
    JSON. `form_for` gives that of a job whose arguments are known."""

    asks_for_arguments: ClassVar[bool] = False

    job_id = forms.ChoiceField(label=_("Job"))
    job_kwargs = KwargsField(
        label=_("Arguments"),
        required=False,
        widget=forms.Textarea(attrs={"rows": 3, "class": "vLargeTextField"}),
        help_text=_('The job\'s own arguments as JSON, such as {"start": "20240102"}.'),
    )

    class Meta:
        model = JobConfig
        fields = SCHEDULE_FIELDS
        help_texts: ClassVar = {
            "job_name": _("What people call it; empty takes the job's own name."),
            "trigger": _("cron fires at clock times, interval at multiples of a duration."),
            "cron_expression": _(
                "Minute, hour, day of month, month, weekday: 0 18 * * 1-5 is Monday to Friday at "
                "18:00. 0 and 7 are Sunday."
            ),
            "interval_seconds": _("Only for the trigger interval."),
            "timezone": _("Such as Asia/Shanghai or UTC."),
            "run_calendar": _("On other days its slots leave a row that says so."),
            "misfire_policy": _("Slots that nobody could start, such as while everything was off."),
            "misfire_window_seconds": _("How far back all of them run; older ones are left out."),
            "start_deadline_seconds": _("Later than this it does not start; 0: however late."),
            "overlap_policy": _(
                "A slot whose job still runs. The running one stops at its next checkpoint."
            ),
            "time_limit_seconds": _("A longer run fails at its next checkpoint; 0: no limit."),
            "runs_in_subprocess": _("A run that does not end at its time limit is then killed."),
            "max_retries": _("Further attempts after a failure; 0: none."),
            "retry_delay_seconds": _("Before the first retry."),
            "retry_backoff": _("60 s and 5: after 1, 5 and 25 minutes, at most a day."),
            "pause_after_failures": _("0: never. The attempts at one slot count as one failure."),
            "success_by": _(
                "Such as 19:30, in its own time zone: notification channels hear of it when no run has "
                "succeeded on a run day by then. Empty: never."
            ),
            "retention_days": _("0: for ever."),
            "retention_runs": _("0: any number. Those of the last day are always kept."),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # What the address gives of a new one goes before what is stored of the old.
        self.initial = {**argument_fields.stored(self.instance.job_kwargs), **self.initial}
        if field := self.fields.get("cron_expression"):
            # For typing.js and preview.js: what would be refused, and the next runs, as one types.
            field.widget.attrs |= {
                "data-check": self._address_of_check(),
                "data-preview": reverse("preview-list"),
                "data-preview-title": _("Next runs, once saved"),
                "data-preview-left-out": _("left out by the run calendar"),
                # Sunday first, as a browser counts.
                "data-preview-days": " ".join(str(day) for day in (WEEKDAYS[6], *WEEKDAYS[:6])),
            }
        if "run_calendar" in self.fields:
            self.fields["run_calendar"] = self._calendar_field()
        for name in POLICIES:
            # An empty box leaves it as it was, but for a time, which it takes away.
            if name in self.fields:
                self.fields[name].required = False
        if field := self.fields.get("job_id"):
            taken = set(JobConfig.objects.values_list("job_id", flat=True))
            field.choices = [  # type: ignore[attr-defined]
                ("", _("choose a job")),
                *((job.job_id, f"{gettext(job.name)} ({job.job_id})") for job in registry
                  if job.job_id not in taken),
            ]  # fmt: skip

    def _address_of_check(self) -> str:
        address = reverse("admin:scheduler_app_jobconfig_check")
        return f"{address}?of={self.instance.pk}" if self.instance.pk else address

    def _calendar_field(self) -> forms.ChoiceField:
        choices = [(name, str(title)) for name, title in calendars.choices()]
        if self.instance.run_calendar not in calendars:
            # Shown for what it is; saving asks for one that exists.
            choices.append((self.instance.run_calendar, self.instance.run_calendar))
        return forms.ChoiceField(
            choices=choices,
            label=self.fields["run_calendar"].label,
            help_text=self.fields["run_calendar"].help_text,
        )

    def clean(self) -> dict[str, Any]:
        """Check all fields together; a field that has an error already is left out."""
        cleaned = super().clean() or self.cleaned_data
        for name in POLICIES:
            if name in cleaned and cleaned[name] in (None, "") and name != "success_by":
                cleaned[name] = getattr(self.instance, name)
        if self.asks_for_arguments:
            cleaned["job_kwargs"] = argument_fields.given(self.fields, cleaned)
            self.instance.job_kwargs = cleaned["job_kwargs"]
        fields = {name: cleaned.get(name) for name in SCHEDULE_FIELDS if name in cleaned}
        fields.setdefault("job_id", self.instance.job_id)
        for absent in self.errors:
            fields.pop(absent, None)
        if not fields.get("job_id"):
            fields.pop("job_id", None)
        try:
            configs.validate(fields)
        except InvalidSchedule as problem:
            for field, sentence in problem.errors.items():
                if field == "job_kwargs" and self.asks_for_arguments:
                    self._refuse_arguments(cleaned["job_kwargs"], sentence)
                elif field not in self.errors:
                    self.add_error(field if field in self.fields else None, sentence)
        else:
            cleaned["cron_expression"] = " ".join(cleaned.get("cron_expression", "").split())
            if not cleaned.get("job_name"):
                job_id = str(fields.get("job_id", ""))
                cleaned["job_name"] = registry.get(job_id).name if job_id in registry else ""
        return cleaned

    @property
    def written(self) -> list[str]:
        """The columns that it writes."""
        of_arguments = ["job_kwargs"] if self.asks_for_arguments else []
        return [name for name in SCHEDULE_FIELDS if name in self.fields or name in of_arguments]

    def _refuse_arguments(self, kwargs: dict[str, Any], sentence: str) -> None:
        """Say it at the argument that is at fault, unless what stands there cannot even be read."""
        at = None
        try:
            registry.validate_kwargs(self.data.get("job_id") or self.instance.job_id, kwargs)
        except InvalidKwargs as refused:
            at = f"{argument_fields.PREFIX}{refused.argument}"
        if at not in self.errors:
            self.add_error(at if at in self.fields else None, sentence)


def form_for(job: RegisteredJob | None, *, is_new: bool) -> type[ScheduleForm]:
    """The form of a schedule of this job, with a field for each of its arguments."""
    declared: dict[str, Any] = {} if is_new else {"job_id": None}
    if asks_for_arguments(job):
        declared |= argument_fields.fields_of(job.arguments) if job else {}
        declared |= {"job_kwargs": None, "asks_for_arguments": True}
    return type("ScheduleForm", (ScheduleForm,), declared)


def asks_for_arguments(job: RegisteredJob | None) -> bool:
    """Whether each argument of the job has a field of its own."""
    return job is not None and not job.takes_any
