"""What people read is marked for translation where it is written: found in the code, not by its pages."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.core.management import get_commands, load_command_class
from django.core.management.base import BaseCommand
from django.utils.translation import override

from stocksync.environment import EnvironmentProblem, read_environment
from tests.messages.extraction import APPS, KEYWORDS
from tests.processes import REPOSITORY

# The errors of which the message is what a person reads: at a terminal, on a page, in an answer.
ERRORS = {
    "APIException", "BadCursor", "CannotStart", "ChangedMeanwhile", "CommandError", "Conflict",
    "DatasyncError", "EnvironmentProblem", "ExportRefused", "InvalidCron", "InvalidKwargs",
    "InvalidSchedule", "KeyUsedOtherwise", "LedgerRefused", "NoSource", "NotEnoughDisk", "NotFound",
    "NothingToTest", "NotScheduled", "NotUnderWay", "ParseError", "PermissionDenied",
    "PostgresProblem", "SandboxProblem", "TaskRefused", "ValidationError",
}  # fmt: skip
# Whose text is shown as it is given: positional, or by these names.
SHOWN = {
    "add_argument",
    "display",
    "action",
    "message_user",
    "success",
    "warning",
    "error_messages",
}
NAMED = {"help", "help_text", "description", "verbose_name", "verbose_name_plural", "label",
         "search_help_text"}  # fmt: skip
# Descriptions of the OpenAPI document and of metrics are English, whoever reads.
ENGLISH = ("api", "doctor_api.py", "metrics.py", "migrations")
WITHOUT_DJANGO_S = {"version", "verbosity", "settings", "pythonpath", "traceback", "no_color",
                    "force_color", "skip_checks", "help"}  # fmt: skip


def sources() -> Iterator[Path]:
    for app in APPS:
        for path in sorted((REPOSITORY / app).rglob("*.py")):
            if not set(ENGLISH) & {*path.relative_to(REPOSITORY).parts}:
                yield path


def unmarked(tree: ast.AST) -> Iterator[int]:
    """The lines on which a sentence is given to people without being marked."""
    for call in ast.walk(tree):
        if not isinstance(call, ast.Call):
            continue
        name = ast.unparse(call.func).rpartition(".")[2]
        given: list[ast.expr] = call.args[:1] if name in ERRORS else []
        if name in SHOWN or name.endswith("Field"):
            given += [keyword.value for keyword in call.keywords if keyword.arg in NAMED]
        for value in given:
            if any(is_sentence(part) for part in texts(value)):
                yield value.lineno


def texts(value: ast.expr) -> Iterator[ast.expr]:
    """The strings of an expression that no call has taken: those in `_()` are marked."""
    if isinstance(value, ast.Call):
        return
    if isinstance(value, ast.Constant | ast.JoinedStr):
        yield value
    elif isinstance(value, ast.BinOp):
        yield from texts(value.left)
    elif isinstance(value, ast.Dict):
        for each in value.values:
            yield from texts(each)


def is_sentence(value: ast.expr) -> bool:
    parts = value.values if isinstance(value, ast.JoinedStr) else [value]
    words = "".join(
        part.value
        for part in parts
        if isinstance(part, ast.Constant) and isinstance(part.value, str)
    ).split()
    return sum(word.strip(".,:;").isalpha() for word in words) >= 2


def test_no_sentence_for_people_is_left_unmarked() -> None:
    found = [
        f"{path.relative_to(REPOSITORY)}:{line}"
        for path in sources()
        for line in unmarked(ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert found == []


def hidden(tree: ast.AST) -> Iterator[int]:
    """The lines on which a function that translates gives `_` to something else."""
    for function in ast.walk(tree):
        if not isinstance(function, ast.FunctionDef):
            continue
        names = [each for part in function.body for each in in_its_scope(part)]
        if any(each.id == "_" and isinstance(each.ctx, ast.Load) for each in names):
            yield from (
                each.lineno for each in names if each.id == "_" and isinstance(each.ctx, ast.Store)
            )


def in_its_scope(node: ast.AST) -> Iterator[ast.Name]:
    if isinstance(node, ast.Name):
        yield node
    if not isinstance(node, ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp):
        for child in ast.iter_child_nodes(node):
            yield from in_its_scope(child)


def test_no_function_that_translates_uses_the_sign_of_it_for_something_else() -> None:
    found = [
        f"{path.relative_to(REPOSITORY)}:{line}"
        for path in sources()
        for line in hidden(ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert found == []
    assert list(hidden(ast.parse("def f():\n    a, _ = g()\n    raise E(_('It broke.'))"))) == [2]


@pytest.mark.parametrize(
    ("code", "lines"),
    [
        ('raise CommandError("There is no such thing.")', [1]),
        ('raise CommandError(f"There is {what} here.")', [1]),
        ('raise CommandError(_("There is no such thing."))', []),
        ('raise CommandError(_("There is no %s.") % what)', []),
        ('raise InvalidSchedule({"cron": "it never fires"})', [1]),
        ('parser.add_argument("--yes", help="do not ask")', [1]),
        ('models.CharField("name", help_text=_("as it is"))', []),
        ("raise CommandError(str(error))", []),
    ],
)
def test_a_sentence_that_is_not_marked_is_found(code: str, lines: list[int]) -> None:
    assert "_" in KEYWORDS
    assert list(unmarked(ast.parse(code))) == lines


def commands() -> dict[str, BaseCommand]:
    return {
        name: load_command_class(app, name)
        for name, app in sorted(get_commands().items())
        if str(app).partition(".")[0] in APPS and name != "makemigrations"
    }


@override("zh-hans")
def test_the_help_of_every_command_is_chinese() -> None:
    found = []
    for name, command in commands().items():
        parser = command.create_parser("manage.py", name)
        told = {"": parser.description or ""}
        told |= {
            action.dest: action.help or ""
            for action in parser._actions
            if action.dest not in WITHOUT_DJANGO_S and " " in (action.help or "")
        }
        found += [f"{name} {dest}" for dest, text in told.items() if not is_chinese(text)]
    # That of its datasets is a list of names.
    assert [each for each in found if each != "coverage names"] == []


def is_chinese(text: str) -> bool:
    return any("\u4e00" <= letter <= "\u9fff" for letter in text)


def test_what_keeps_the_settings_from_being_read_is_said_in_chinese(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LANGUAGE_CODE", "zh-hans")
    monkeypatch.setenv("SYNC_START_DATE", "yesterday")
    with pytest.raises(EnvironmentProblem, match="SYNC_START_DATE 为 'yesterday'，不是 YYYYMMDD"):
        read_environment()
    monkeypatch.setenv("LANGUAGE_CODE", "en")
    with pytest.raises(EnvironmentProblem, match="SYNC_START_DATE is 'yesterday', which is not"):
        read_environment()
