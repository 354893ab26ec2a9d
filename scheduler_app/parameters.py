"""A job's arguments in words, for staff who do not read Python."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

_WORDS = {
    "string": gettext_lazy("text"),
    "integer": gettext_lazy("a whole number"),
    "number": gettext_lazy("a number"),
    "boolean": gettext_lazy("true or false"),
    "object": gettext_lazy("an object"),
    "array": gettext_lazy("a list"),
}
_FORMATS = {
    "date": gettext_lazy("a date as YYYY-MM-DD"),
    "time": gettext_lazy("a time as HH:MM:SS"),
    "date-time": gettext_lazy("a moment as YYYY-MM-DDTHH:MM:SS with its offset"),
}


def in_words(schema: Mapping[str, Any], defaults: Mapping[str, object]) -> str:
    """`start: a date as YYYYMMDD, optional; days: a whole number, optional [5]`.

    `schema` is the JSON schema of the arguments; a type that describes itself there is believed.
    """
    described = [
        f"{name}: {kind_in_words(kind)}{_optional(defaults[name]) if name in defaults else ''}"
        for name, kind in schema.get("properties", {}).items()
    ]
    if schema.get("additionalProperties"):
        described.append(_("any other argument"))
    return "; ".join(described)


def _optional(default: object) -> str:
    if default is None:
        return _(", optional")
    return _(", optional [%(default)s]") % {"default": default}


def kind_in_words(schema: Mapping[str, Any]) -> str:
    """`a whole number`, `a date as YYYYMMDD`, `a list, each text`, for one argument's schema."""
    if description := schema.get("description"):
        return _(str(description))
    if "enum" in schema or "const" in schema:
        values = schema.get("enum", [schema.get("const")])
        return _("one of %(values)s") % {"values": ", ".join(str(each) for each in values)}
    if options := schema.get("anyOf"):
        return _(" or ").join(kind_in_words(each) for each in options if each.get("type") != "null")
    if schema.get("type") == "array" and (items := schema.get("items")):
        return _("a list, each %(kind)s") % {"kind": kind_in_words(items)}
    known = _FORMATS.get(schema.get("format", "")) or _WORDS.get(schema.get("type", ""))
    return str(known or _("any value"))
