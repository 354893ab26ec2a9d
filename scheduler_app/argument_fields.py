"""A job's arguments as fields of a form, made from what its own signature says of them.

A field only reads what was typed in; whether the job takes it, the job's signature decides, as it
does for the API. An empty field leaves the argument to the function's default.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from django import forms
from django.utils.translation import gettext as _

from scheduler_app import strict_json
from scheduler_app.arguments import Argument

PREFIX = "argument_"
_SIMPLE = ("string", "integer", "number")
_PICKERS = {"date": "date", "time": "time"}
# A longer text is no number that a job takes, and costs time to read as one.
_DIGITS_AT_MOST = 40


def fields_of(arguments: Iterable[Argument]) -> dict[str, forms.Field]:
    """The fields that ask for these arguments, by the name that each has in the form."""
    return {f"{PREFIX}{argument.name}": _field(argument) for argument in arguments}


def given(fields: Iterable[str], cleaned: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments that were typed in, as JSON holds them."""
    return {
        name.removeprefix(PREFIX): cleaned[name]
        for name in fields
        if name.startswith(PREFIX) and cleaned.get(name) not in (None, "")
    }


def stored(arguments: Mapping[str, object]) -> dict[str, object]:
    """What the fields show of arguments that are stored."""
    return {f"{PREFIX}{name}": value for name, value in arguments.items()}


class NumberField(forms.CharField):
    """A number. What is none stays text, and the job's own signature refuses it."""

    def to_python(self, value: Any) -> Any:
        return _number(super().to_python(value) or "")


class ListField(forms.CharField):
    """Some values with commas between them; of numbers, or of texts."""

    def __init__(self, items: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._items = items

    def to_python(self, value: Any) -> Any:
        text = super().to_python(value) or ""
        parts = [part.strip() for part in text.replace("，", ",").split(",")]
        return [
            part if self._items == "string" else _number(part) for part in parts if part
        ] or None

    def prepare_value(self, value: Any) -> Any:
        return ", ".join(str(item) for item in value) if isinstance(value, list) else value


class JsonField(forms.CharField):
    """What has no plainer field: a value as JSON."""

    def to_python(self, value: Any) -> Any:
        text = super().to_python(value) or ""
        try:
            return strict_json.loads(text) if text else None
        except (ValueError, RecursionError) as error:
            raise forms.ValidationError(_("This is not JSON: %s.") % error) from None

    def prepare_value(self, value: Any) -> Any:
        # What was typed in and refused is text already.
        return value if isinstance(value, str) else _as_json(value)


class OneOf(forms.TypedChoiceField):
    """One of some values; each is told from the others by its JSON."""

    def prepare_value(self, value: Any) -> Any:
        # What was typed in is the JSON of a value already.
        return value if value in dict(self.widget.choices) else _as_json(value)


def _field(argument: Argument) -> forms.Field:
    schema, told = argument.schema, _told(argument)
    kind = schema.get("type")
    if kind == "boolean":
        return _one_of({True: _("yes"), False: _("no")}, argument)
    if "enum" in schema:
        return _one_of({value: str(value) for value in schema["enum"]}, argument)
    if kind in ("integer", "number"):
        attrs = {"step": "any" if kind == "number" else 1} | _limits(schema)
        return NumberField(widget=forms.NumberInput(attrs=attrs), **told)
    if kind == "string":
        # A type that describes itself is written in a way of its own, which no picker knows.
        picker = "" if "description" in schema else _PICKERS.get(schema.get("format", ""), "")
        shape = picker or "text"
        return forms.CharField(widget=forms.TextInput(attrs={"type": shape}), **told)
    if kind == "array" and schema.get("items", {}).get("type") in _SIMPLE:
        return ListField(schema["items"]["type"], **told)
    return JsonField(widget=forms.Textarea(attrs={"rows": 2}), **told)


def _told(argument: Argument) -> dict[str, Any]:
    parts = [str(argument.help), f"{argument.kind[:1].upper()}{argument.kind[1:]}."]
    if argument.default is not None:
        parts.append(_("Empty: %s.") % _as_text(argument.default))
    return {
        "label": argument.name,
        "required": argument.required,
        "help_text": " ".join(part for part in parts if part),
    }


def _one_of(values: Mapping[Any, str], argument: Argument) -> forms.Field:
    empty = _("choose one") if argument.required else _("as the job does by itself")
    choices = [("", empty), *((_as_json(value), title) for value, title in values.items())]
    return OneOf(choices=choices, coerce=json.loads, empty_value=None, **_told(argument))


def _limits(schema: Mapping[str, Any]) -> dict[str, Any]:
    named = {"minimum": "min", "maximum": "max"}
    return {attr: schema[name] for name, attr in named.items() if name in schema}


def _number(text: str) -> int | float | str:
    for kind in (int, float) if len(text) <= _DIGITS_AT_MOST else ():
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _as_text(value: object) -> str:
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    return str(value)


def _as_json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
