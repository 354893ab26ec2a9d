"""Jobs are found by id, and their arguments are checked against their own signature."""

from __future__ import annotations

import datetime as dt

import pytest

from scheduler_app.errors import InvalidKwargs, SchedulerError, UnknownJob
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
