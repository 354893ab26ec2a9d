"""The OpenAPI document, and so the page to try the API, in the language of who asks for it.

Its sentences stand in the code in English: docstrings, descriptions, help texts. The catalogue takes
them from the document itself, so that none is forgotten.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.utils.translation import gettext

# drf-spectacular writes the choices of an enum so; their labels are translated where they are made.
CHOICES = "* `"


def translated(result: dict[str, Any], **asked: Any) -> dict[str, Any]:
    """The document with what it says to people in the language that is active (a hook)."""
    for part in parts(result):
        for name in {"summary", "description"} & part.keys():
            if part[name] and isinstance(part[name], str):
                part[name] = gettext(part[name])
    return result


def descriptions(document: dict[str, Any]) -> set[str]:
    """Each thing that the document says to people, once."""
    said = (part.get("description") for part in parts(document))
    return {text for text in said if isinstance(text, str) and text and text[:3] != CHOICES}


def parts(node: Any) -> Iterator[dict[str, Any]]:
    """Every object within the document, itself included."""
    if isinstance(node, dict):
        yield node
        for each in node.values():
            yield from parts(each)
    elif isinstance(node, list):
        for each in node:
            yield from parts(each)
