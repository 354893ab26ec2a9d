"""What a person reads of a page."""

from __future__ import annotations

import re
from html.parser import HTMLParser

SHOWN_ATTRIBUTES = {"title", "placeholder", "aria-label", "alt", "data-sure", "data-label"}
# What is there for programs, or is an icon's name; and what is shown as it was stored.
UNSEEN = {"script", "style", "code", "pre", "svg"}
UNSEEN_CLASSES = {"material-symbols-outlined", "run-error"}
# A day with its time, as we write it and as Django would; a time alone is of every day, and no moment.
MOMENT = re.compile(
    r"(?:\d{4}-\d\d-\d\d[ T]|\d{4}, |\d{4}年\d+月\d+日 ?)(?:\d{1,2}:\d\d(?::\d\d)?(?:\.\d+)?|noon|midnight)"
    r"(?P<half> [ap]\.m\.)?"
    r"(?P<zone> ?(?:UTC|CST|[+-]\d\d:?\d\d|Z\b))?"
)
VOID = {"area", "base", "br", "col", "hr", "img", "input", "link", "meta", "source", "wbr"}


class Reader(HTMLParser):
    """Collects what a person reads of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []
        self._open: list[bool] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attributes}
        # Which tables there are permissions for: their names, translated where the admin shows them.
        is_permission = tag == "select" and "permissions" in given.get("name", "")
        is_unseen = (
            tag in UNSEEN
            or is_permission
            or bool(UNSEEN_CLASSES & set(given.get("class", "").split()))
        )
        if tag not in VOID:
            self._open.append(is_unseen)
        if not any(self._open):
            self.texts += [given[name] for name in SHOWN_ATTRIBUTES & given.keys()]
            if tag == "input" and given.get("type") in {"submit", "button"}:
                self.texts.append(given.get("value", ""))

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID and self._open:
            self._open.pop()

    def handle_data(self, data: str) -> None:
        if not any(self._open):
            self.texts.append(data)


def texts_of(page: str) -> list[str]:
    reader = Reader()
    reader.feed(page)
    return reader.texts


def without_a_zone(text: str) -> list[str]:
    return [found[0] for found in MOMENT.finditer(text) if not found["zone"]]
