"""Whatever a person reads is there in Chinese too: complete, sound, and as compiled."""

from __future__ import annotations

import ast
import functools

import pytest
from babel.messages.catalog import Catalog, Message

from tests.messages.catalogues import as_po, compiled, faults, placeholders, po_of, said, stored
from tests.messages.extraction import APPS, KEYWORDS, messages_of
from tests.processes import REPOSITORY

REFRESH = "run `make messages`, and translate what it lists"

each_app = pytest.mark.parametrize("app", APPS)


@functools.cache
def in_the_code(app: str) -> Catalog:
    return messages_of(app)


@each_app
def test_what_the_code_says_is_in_the_catalogue(app: str) -> None:
    catalogue = stored(app)
    absent = [
        message.id
        for message in in_the_code(app)
        if message.id and catalogue.get(_text(message), message.context) is None
    ]
    assert absent == [], REFRESH


@each_app
def test_no_message_stands_where_it_is_not_found(app: str) -> None:
    """What is marked inside an f-string is in no catalogue: Babel does not look there."""
    hidden = [
        f"{path}:{call.lineno}"
        for path in sorted((REPOSITORY / app).rglob("*.py"))
        for text in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(text, ast.JoinedStr)
        for call in ast.walk(text)
        if isinstance(call, ast.Call)
        and ast.unparse(call.func) in KEYWORDS
        and isinstance(call.args[0], ast.Constant)
    ]
    assert hidden == []


@each_app
def test_the_catalogue_has_nothing_that_the_code_no_longer_says(app: str) -> None:
    gone = [
        message.id
        for message in stored(app)
        if any(file.startswith(f"{app}/") for file, _line in message.locations)
        and in_the_code(app).get(_text(message), message.context) is None
    ]
    assert gone == [], REFRESH


@each_app
def test_every_message_is_translated_and_names_what_the_english_names(app: str) -> None:
    found = {message.id: faults(message) for message in stored(app) if message.id}
    assert {text: fault for text, fault in found.items() if fault} == {}


@each_app
def test_what_django_reads_is_what_people_edit(app: str) -> None:
    assert compiled(app) == said(stored(app)), REFRESH
    assert po_of(app).read_bytes() == as_po(stored(app)), REFRESH


def test_one_english_is_one_chinese() -> None:
    """Django merges the catalogues: of two translations of one message, one would never be seen."""
    told: dict[object, str] = {}
    for app in APPS:
        for key, translation in said(stored(app)).items():
            assert told.setdefault(key, translation) == translation


@pytest.mark.parametrize(
    ("message", "fault"),
    [
        (Message("one"), "not translated"),
        (Message("one", "一", flags=["fuzzy"]), "fuzzy"),
        (Message("%(count)d of %(all)d", "%(all)d 中的"), "names ['%(all)d'], not"),
        (Message(("one cell", "%(n)d cells"), ("%(n)d 个",)), ""),
        (Message("%d %% of {name}", "{name} 的 %d %%"), ""),
    ],
)
def test_a_translation_that_is_wrong_is_found(message: Message, fault: str) -> None:
    assert faults(message).startswith(fault) and bool(faults(message)) == bool(fault)


def test_placeholders_are_those_of_python() -> None:
    assert placeholders("100 %% of %(a)s, {b} and %d") == ["%(a)s", "%d", "{b}"]


def _text(message: Message) -> str:
    return message.id if isinstance(message.id, str) else message.id[0]
