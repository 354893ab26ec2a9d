"""The .po files that people edit and the .mo files that Django reads; both are committed, so that
running the product needs nothing that compiles."""

from __future__ import annotations

import datetime as dt
import io
import re
from pathlib import Path
from typing import Any

from babel.messages.catalog import Catalog, Message
from babel.messages.mofile import read_mo, write_mo
from babel.messages.pofile import read_po, write_po

from tests.messages.extraction import LANGUAGE, add_foreign, messages_of
from tests.processes import REPOSITORY

HEADER = f"""\
msgid ""
msgstr ""
"Language: {LANGUAGE}\\n"
"MIME-Version: 1.0\\n"
"Content-Type: text/plain; charset=utf-8\\n"
"Content-Transfer-Encoding: 8bit\\n"
"Plural-Forms: nplurals=1; plural=0;\\n"

"""
PLACEHOLDER = re.compile(r"%\(\w+\)(?:\.\d)?[sdrgf]|%(?:\.\d)?[sdrgf]|\{\w*\}")


def po_of(app: str) -> Path:
    return REPOSITORY / app / "locale" / LANGUAGE / "LC_MESSAGES" / "django.po"


def stored(app: str) -> Catalog:
    """The catalogue as it stands in the .po file, empty where there is none."""
    path = po_of(app)
    if not path.exists():
        return Catalog(locale=LANGUAGE)
    with path.open("rb") as file:
        return read_po(file, locale=LANGUAGE, abort_invalid=True)


def refreshed(app: str) -> Catalog:
    """The stored catalogue with the messages of the code: new ones empty, those gone left out.
    A translation is never guessed from a message that looks alike."""
    found = messages_of(app)
    if app == "stocksync":
        add_foreign(found)
    catalogue = stored(app)
    catalogue.update(found, no_fuzzy_matching=True)
    return catalogue


def as_po(catalogue: Catalog) -> bytes:
    """The text of the .po file: the same for the same messages, without dates and line numbers."""
    file = io.BytesIO()
    write_po(
        file,
        catalogue,
        width=100,
        omit_header=True,
        sort_by_file=True,
        ignore_obsolete=True,
        include_lineno=False,
    )
    return HEADER.encode() + file.getvalue()


def as_mo(catalogue: Catalog) -> bytes:
    catalogue.creation_date = catalogue.revision_date = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    file = io.BytesIO()
    write_mo(file, catalogue)
    return file.getvalue()


def compiled(app: str) -> dict[Any, Any]:
    """What the .mo file says: message (with its context) -> translation."""
    with po_of(app).with_suffix(".mo").open("rb") as file:
        return said(read_mo(file))


def said(catalogue: Catalog) -> dict[Any, Any]:
    """Message -> translation, of those that are translated."""
    return {
        (message.context, _first(message.id)): _first(message.string)
        for message in catalogue
        if message.id and _first(message.string) and not message.fuzzy
    }


def placeholders(text: str) -> list[str]:
    return sorted(set(PLACEHOLDER.findall(text.replace("%%", ""))))


def faults(message: Message) -> str:
    """What is wrong with the translation of one message, if anything."""
    if message.fuzzy:
        return "fuzzy"
    translation = _first(message.string)
    if not translation:
        return "not translated"
    # The plural holds what both must name: `one day` needs no number.
    source = message.id if isinstance(message.id, str) else message.id[-1]
    if placeholders(source) != placeholders(translation):
        return f"names {placeholders(translation)}, not {placeholders(source)}"
    return ""


def _first(text: Any) -> str:
    return text if isinstance(text, str) else (text or [""])[0]
