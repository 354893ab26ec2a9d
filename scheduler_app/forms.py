"""The form of a schedule: `configs.validate` decides, and its sentences stand at their fields."""

from __future__ import annotations

from typing import Any, ClassVar

from django import forms
from django.forms.fields import InvalidJSONInput
from django.urls import reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from scheduler_app import configs, strict_json
from scheduler_app.calendars import calendars
from scheduler_app.errors import InvalidSchedule
from scheduler_app.models import JobConfig
from scheduler_app.policy_rules import POLICIES
from scheduler_app.registry import registry
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
        if field := self.fields.get("cron_expression"):
            # For preview.js, which shows the next runs while they are typed in.
            field.widget.attrs |= {
                "data-preview": reverse("preview-list"),
                "data-preview-title": _("Next runs, once saved"),
                "data-preview-left-out": _("Left out by the run calendar"),
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
                if field not in self.errors:
                    self.add_error(field if field in self.fields else None, sentence)
        else:
            cleaned["cron_expression"] = " ".join(cleaned.get("cron_expression", "").split())
            if not cleaned.get("job_name"):
                job_id = str(fields.get("job_id", ""))
                cleaned["job_name"] = registry.get(job_id).name if job_id in registry else ""
        return cleaned
