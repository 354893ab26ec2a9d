"""The arguments of a job as fields of a form."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any, Literal

import pytest
from django import forms
from django.test import Client

from scheduler_app import argument_fields
from scheduler_app.models import JobConfig
from scheduler_app.registry import JobRegistry, RegisteredJob, registry
from scheduler_app.run import Run
from tests.factories import JobConfigFactory
from tests.scheduler_app.web import CHANGE, JOB, VIEW, logged_in, registered

LIST = "/admin/scheduler_app/jobconfig/"


@pytest.fixture
def job() -> RegisteredJob:
    jobs = JobRegistry()

    @jobs.register("much", name="Much", helps={"count": "How many."})
    def much(
        run: Run,
        count: int,
        ratio: float = 0.5,
        dry: bool = False,
        mode: Literal["fast", "slow"] = "fast",
        day: dt.date | None = None,
        names: list[str] | None = None,
        numbers: list[int] | None = None,
        either: int | str | None = None,
        shape: dict[str, int] | None = None,
    ) -> None:
        """Takes much."""

    return jobs.get("much")


def read(job: RegisteredJob, **typed: str) -> dict[str, Any]:
    """The arguments, as the form reads what was typed in."""
    fields = argument_fields.fields_of(job.arguments)
    form = type("Form", (forms.Form,), dict(fields))({f"argument_{k}": v for k, v in typed.items()})
    assert form.is_valid(), form.errors
    return argument_fields.given(fields, form.cleaned_data)


@pytest.mark.parametrize(
    ("typed", "value"),
    [
        ({"count": "3"}, {}),
        ({"ratio": "0.25"}, {"ratio": 0.25}),
        ({"dry": "true"}, {"dry": True}),
        ({"dry": "false"}, {"dry": False}),
        ({"mode": '"slow"'}, {"mode": "slow"}),
        ({"day": "2026-03-02"}, {"day": "2026-03-02"}),
        ({"names": "a, b，c ,"}, {"names": ["a", "b", "c"]}),
        ({"numbers": "1,2"}, {"numbers": [1, 2]}),
        ({"either": '"x"'}, {"either": "x"}),
        ({"shape": '{"a": 1}'}, {"shape": {"a": 1}}),
    ],
)
def test_each_type_has_its_field_and_the_job_takes_what_it_reads(
    job: RegisteredJob, typed: dict[str, str], value: dict[str, Any]
) -> None:
    kwargs = read(job, **{"count": "3", **typed})
    assert kwargs == {"count": 3, **value}
    job.validate(kwargs)


def test_what_is_stored_is_shown_and_read_again_as_it_was(job: RegisteredJob) -> None:
    kwargs = {"count": 2, "dry": False, "mode": "slow", "names": ["a", "b"], "numbers": [3],
              "shape": {"x": 1}, "ratio": 0.0, "day": "2026-03-02"}  # fmt: skip
    fields = argument_fields.fields_of(job.arguments)
    shown = argument_fields.stored(kwargs)
    typed = {name.removeprefix("argument_"): str(field.prepare_value(shown[name]))
             for name, field in fields.items() if name in shown}  # fmt: skip
    assert read(job, **typed) == kwargs


def test_a_field_says_its_type_its_default_and_what_it_is_for(job: RegisteredJob) -> None:
    fields = argument_fields.fields_of(job.arguments)
    told = {name.removeprefix("argument_"): str(field.help_text) for name, field in fields.items()}
    assert told["count"] == "How many. A whole number."
    assert told["ratio"] == "A number. Empty: 0.5."
    assert told["dry"] == "True or false. Empty: no."
    assert fields["argument_count"].required and not fields["argument_ratio"].required


def test_a_date_that_is_written_in_a_way_of_its_own_is_typed_in_and_kept(
    job: RegisteredJob,
) -> None:
    ships = registry.get("sync_daily_by_date")
    assert _input(ships, "argument_start") == "text"
    kwargs = read(ships, start="20240102")
    assert ships.validate(kwargs)["start"] == dt.date(2024, 1, 2)
    assert _input(job, "argument_day") == "date"


def _input(job: RegisteredJob, name: str) -> str:
    widget = argument_fields.fields_of(job.arguments)[name].widget
    assert isinstance(widget, forms.TextInput)
    return str(widget.input_type)


@pytest.mark.parametrize("text", ["{", "[" * 100_000, '{"a": 1, "a": 2}', "NaN"])
def test_json_that_is_none_is_refused(job: RegisteredJob, text: str) -> None:
    field = argument_fields.fields_of(job.arguments)["argument_shape"]
    with pytest.raises(forms.ValidationError, match="This is not JSON"):
        field.clean(text)


@pytest.fixture
def registered_job() -> Iterator[None]:
    with registered():
        yield


pytestmark = pytest.mark.django_db


def fields_of(client: Client, address: str) -> set[str]:
    form = client.get(address).context["adminform"].form
    return {name for name in form.fields if name.startswith(("argument_", "job_kwargs"))}


def test_the_form_asks_for_the_arguments_of_its_job(registered_job: None) -> None:
    client = logged_in(superuser=True)
    config = JobConfigFactory.create(job_id=JOB, job_kwargs={"days": 4})
    page = f"{LIST}{config.pk}/change/"
    assert fields_of(client, page) == {"argument_start", "argument_days"}
    assert (
        '<input type="number" name="argument_days" value="4"' in client.get(page).content.decode()
    )
    stock_list = JobConfig.objects.get(job_id="sync_stock_basic")
    assert fields_of(client, f"{LIST}{stock_list.pk}/change/") == set()
    assert "no arguments" in client.get(f"{LIST}{stock_list.pk}/change/").content.decode()


def test_a_new_one_asks_once_its_job_is_chosen(registered_job: None) -> None:
    client = logged_in(superuser=True)
    add = f"{LIST}add/?job_id={JOB}"
    assert fields_of(client, add) == {"argument_start", "argument_days"}
    assert 'value="Example"' in client.get(add).content.decode()
    assert 'name="job_kwargs"' not in client.get(f"{LIST}add/").content.decode()


def test_an_argument_that_is_emptied_is_left_to_the_job(registered_job: None) -> None:
    client = logged_in(superuser=True)
    config = JobConfigFactory.create(job_id=JOB, job_kwargs={"days": 4, "start": "2026-03-02"})
    typed = {"job_name": "x", "trigger": "cron", "cron_expression": "0 3 * * *", "timezone": "UTC",
             "enabled": "on", "argument_days": "", "argument_start": "2026-03-03"}  # fmt: skip
    assert client.post(f"{LIST}{config.pk}/change/", typed).status_code == 302
    config.refresh_from_db()
    assert config.job_kwargs == {"start": "2026-03-03"}


def test_a_job_that_is_gone_keeps_its_arguments_as_json() -> None:
    config = JobConfigFactory.create(job_id="retired", job_kwargs={"old": 1})
    assert fields_of(logged_in(CHANGE), f"{LIST}{config.pk}/change/") == {"job_kwargs"}


def test_who_may_only_look_sees_the_arguments(registered_job: None) -> None:
    config = JobConfigFactory.create(job_id=JOB, job_kwargs={"days": 4})
    text = logged_in(VIEW).get(f"{LIST}{config.pk}/change/").content.decode()
    assert "&quot;days&quot;: 4" in text
    assert 'name="argument_days"' not in text


def test_what_is_typed_in_is_checked_as_saving_would(registered_job: None) -> None:
    config = JobConfigFactory.create(job_id=JOB)
    before = JobConfig.objects.values().get(pk=config.pk)
    typed = {"job_name": "x", "trigger": "cron", "cron_expression": "61 * * * *", "timezone": "UTC",
             "argument_days": "many"}  # fmt: skip
    answer = logged_in(CHANGE).post(f"{LIST}check/?of={config.pk}", typed)
    assert set(answer.json()["errors"]) == {"cron_expression", "argument_days"}
    assert "is not one of 0 to 59" in answer.json()["errors"]["cron_expression"][0]
    assert JobConfig.objects.values().get(pk=config.pk) == before


@pytest.mark.parametrize(
    ("permission", "of", "status"),
    [(VIEW, "row", 403), (CHANGE, "row", 200), (CHANGE, "", 403), (CHANGE, "999999", 404),
     (CHANGE, "x' OR 1", 404), ("add_jobconfig", "", 200), ("add_jobconfig", "row", 403)],
)  # fmt: skip
def test_who_may_save_may_have_it_checked(permission: str, of: str, status: int) -> None:
    config = JobConfigFactory.create()
    of = str(config.pk) if of == "row" else of
    client = logged_in(permission)
    assert client.post(f"{LIST}check/?of={of}", {}).status_code == status
    assert client.get(f"{LIST}check/").status_code == 405


def test_the_jobs_that_ship_say_what_their_arguments_are_for() -> None:
    told = {
        f"{job.job_id}.{argument.name}": str(argument.help)
        for job in registry
        for argument in job.arguments
        if job.job_id.startswith("sync_")
    }
    assert len(told) >= 4
    assert all(told.values()), told
