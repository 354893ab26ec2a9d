"""The form of a schedule: `configs.validate` decides, and its sentences stand at their fields."""

from __future__ import annotations

from typing import Any, ClassVar

from django import forms
from django.forms.fields import InvalidJSONInput
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from scheduler_app import configs, strict_json
from scheduler_app.errors import InvalidSchedule
from scheduler_app.models import JobConfig
from scheduler_app.registry import registry

SCHEDULE_FIELDS = [
    "job_id",
    "job_name",
    "enabled",
    "trigger",
    "cron_expression",
    "interval_seconds",
    "timezone",
    "job_kwargs",
]


class KwargsField(forms.JSONField):
    """A JSON object; an empty box is one without arguments, and not NULL."""

    def to_python(self, value: Any) -> Any:
        if isinstance(value, str):
            try:
                return strict_json.loads(value) if value.strip() else {}
            except (ValueError, RecursionError) as error:
                raise forms.ValidationError(
                    f"The arguments are not JSON: {error}. "
                    'They are an object such as {"start": "20240102"}, or empty.'
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
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if field := self.fields.get("cron_expression"):
            # For preview.js, which shows the next runs while they are typed in.
            field.widget.attrs |= {
                "data-preview": reverse("preview-list"),
                "data-preview-title": _("Next runs, once saved"),
            }
        if field := self.fields.get("job_id"):
            taken = set(JobConfig.objects.values_list("job_id", flat=True))
            field.choices = [  # type: ignore[attr-defined]
                ("", _("choose a job")),
                *((job.job_id, f"{job.name} ({job.job_id})") for job in registry
                  if job.job_id not in taken),
            ]  # fmt: skip

    def clean(self) -> dict[str, Any]:
        """Check all fields together; a field that has an error already is left out."""
        cleaned = super().clean() or self.cleaned_data
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
