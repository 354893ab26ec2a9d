"""A job's arguments in words, for staff who do not read Python."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_WORDS = {
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "object": "an object",
    "array": "a list",
}
_FORMATS = {
    "date": "a date as YYYY-MM-DD",
    "time": "a time as HH:MM:SS",
    "date-time": "a moment as YYYY-MM-DDTHH:MM:SS with its offset",
}


def in_words(schema: Mapping[str, Any], defaults: Mapping[str, object]) -> str:
    """`start: a date as YYYYMMDD, optional; days: a whole number, optional [5]`.

    `schema` is the JSON schema of the arguments; a type that describes itself there is believed.
    """
    described = [
        f"{name}: {_kind(kind)}{_optional(defaults[name]) if name in defaults else ''}"
        for name, kind in schema.get("properties", {}).items()
    ]
    if schema.get("additionalProperties"):
        described.append("any other argument")
    return "; ".join(described)


def _optional(default: object) -> str:
    return ", optional" if default is None else f", optional [{default}]"


def _kind(schema: Mapping[str, Any]) -> str:
    if description := schema.get("description"):
        return str(description)
    if "enum" in schema or "const" in schema:
        return (
            f"one of {', '.join(str(each) for each in schema.get('enum', [schema.get('const')]))}"
        )
    if options := schema.get("anyOf"):
        return " or ".join(_kind(each) for each in options if each.get("type") != "null")
    if schema.get("type") == "array" and (items := schema.get("items")):
        return f"a list, each {_kind(items)}"
    return _FORMATS.get(schema.get("format", "")) or _WORDS.get(schema.get("type", ""), "any value")
