"""Jobs are found by id, and their arguments are checked against their own signature."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import pytest
from pydantic import Field

from scheduler_app import configs
from scheduler_app.errors import InvalidKwargs, InvalidSchedule, SchedulerError, UnknownJob
from scheduler_app.models import Cause
from scheduler_app.registry import JobRegistry
from scheduler_app.run import Run


def test_it_lists_the_known_jobs_when_asked_for_an_unknown_one(jobs: JobRegistry) -> None:
    with pytest.raises(UnknownJob, match="no job 'nope'. The known jobs are: copy_files, fails"):
        jobs.get("nope")


def test_it_keeps_the_first_line_of_the_docstring(jobs: JobRegistry) -> None:
    assert jobs.get("copy_files").summary == "Copies files."


def test_it_gives_jobs_in_order_of_their_ids(jobs: JobRegistry) -> None:
    assert [job.job_id for job in jobs] == jobs.ids() == ["copy_files", "fails", "needs_much"]


def test_it_refuses_a_second_function_under_one_id(jobs: JobRegistry) -> None:
    with pytest.raises(SchedulerError, match="fails is registered twice"):
        jobs.register("fails", name="Again")(lambda run: None)


def test_it_refuses_a_coroutine_that_nobody_would_await(jobs: JobRegistry) -> None:
    async def work(run: Run) -> None: ...

    with pytest.raises(SchedulerError, match="plain functions"):
        jobs.register("work", name="Work")(work)  # type: ignore[type-var]


def test_it_gives_python_values_for_what_was_given_only(jobs: JobRegistry) -> None:
    values = jobs.validate_kwargs("copy_files", {"start": "2024-01-02", "names": ["a"]})
    assert values == {"start": dt.date(2024, 1, 2), "names": ["a"]}


def test_an_argument_may_have_any_name(jobs: JobRegistry) -> None:
    assert jobs.validate_kwargs("needs_much", {"json": "x"}) == {"json": "x"}


@pytest.mark.parametrize(
    ("kwargs", "sentence"),
    [
        ({"stop": 1}, "copy_files takes no argument 'stop'. It takes: start, count, names."),
        ({"count": "5"}, "The argument count of copy_files is '5': .*valid integer"),
        ({"count": True}, "The argument count of copy_files is True"),
        ({"count": 1.5}, "The argument count of copy_files is 1.5"),
        ({"start": "2024-13-01"}, "The argument start of copy_files is '2024-13-01'"),
        ({"names": ["a", 1]}, r"The argument names\[1\] of copy_files is 1"),
        ({"count": float("nan")}, "no number"),
        ({"names": ["\0"]}, "cannot be stored"),
        ({"names": ["\ud800"]}, "cannot be stored"),
        ({"names": ["x" * 70_000]}, "at most 65,536 fit"),
        ({"names": {1, 2}}, "not JSON"),
        ([], "a JSON object"),
        ("text", "a JSON object"),
        (None, "a JSON object"),
    ],
)
def test_it_refuses_arguments_with_a_sentence(
    jobs: JobRegistry, kwargs: object, sentence: str
) -> None:
    with pytest.raises(InvalidKwargs, match=sentence):
        jobs.validate_kwargs("copy_files", kwargs)


def test_it_names_a_missing_argument(jobs: JobRegistry) -> None:
    with pytest.raises(InvalidKwargs, match="needs_much needs the argument json"):
        jobs.validate_kwargs("needs_much", {})


def test_it_refuses_arguments_nested_without_end(jobs: JobRegistry) -> None:
    nested: list[object] = []
    nested.append(nested)
    with pytest.raises(InvalidKwargs, match="nested more than"):
        jobs.validate_kwargs("copy_files", {"names": nested})


def _ends_after_start(kwargs: Mapping[str, Any]) -> str:
    start, end = kwargs.get("start"), kwargs.get("end")
    return f"The start {start} lies after the end {end}." if start and end and start > end else ""


@pytest.fixture
def checked(jobs: JobRegistry) -> JobRegistry:
    @jobs.register("ranged", name="Ranged", check=_ends_after_start)
    def ranged(run: Run, start: dt.date | None = None, end: dt.date | None = None) -> None: ...

    return jobs


def test_it_refuses_arguments_that_do_not_go_together(checked: JobRegistry) -> None:
    with pytest.raises(InvalidKwargs, match="start 2024-02-01 lies after the end 2024-01-01"):
        checked.validate_kwargs("ranged", {"start": "2024-02-01", "end": "2024-01-01"})


def test_it_checks_the_python_values(checked: JobRegistry) -> None:
    values = checked.validate_kwargs("ranged", {"start": "2024-01-01", "end": "2024-02-01"})
    assert values == {"start": dt.date(2024, 1, 1), "end": dt.date(2024, 2, 1)}


@pytest.mark.django_db
def test_a_queued_run_and_a_schedule_are_checked_alike(checked: JobRegistry) -> None:
    kwargs = {"start": "2024-02-01", "end": "2024-01-01"}
    fields = {"job_id": "ranged", "cron_expression": "0 1 * * *", "job_kwargs": kwargs}
    with pytest.raises(InvalidSchedule) as schedule:
        configs.validate(fields, checked)
    with pytest.raises(InvalidSchedule) as trigger:
        configs.queue_run("ranged", Cause.API, job_kwargs=kwargs, jobs=checked)
    sentence = "The start 2024-02-01 lies after the end 2024-01-01."
    assert schedule.value.errors == trigger.value.errors == {"job_kwargs": sentence}


def test_it_describes_arguments_in_words(jobs: JobRegistry) -> None:
    assert jobs.get("copy_files").takes == (
        "start: a date as YYYY-MM-DD, optional; count: a whole number, optional [1]; "
        "names: a list, each text, optional"
    )
    assert jobs.get("needs_much").takes == "json: text"
    assert jobs.get("fails").takes == ""


def test_it_believes_a_type_that_describes_itself(jobs: JobRegistry) -> None:
    def paint(
        run: Run,
        shade: Annotated[str, Field(description="a colour")],
        mode: Literal["wet", "dry"] = "dry",
        by: dict[str, Any] | None = None,
        **more: Any,
    ) -> None: ...

    jobs.register("paint", name="Paint")(paint)
    assert jobs.get("paint").takes == (
        "shade: a colour; mode: one of wet, dry, optional [dry]; by: an object, optional; "
        "any other argument"
    )
