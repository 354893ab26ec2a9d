"""The query of a GET: filters that are named, each of its own kind, and no others."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from django.utils.translation import gettext as _
from rest_framework.request import Request

from scheduler_app.errors import InvalidSchedule, short

# Text that is taken as it is, one of several values, or a function that reads the text (None where
# nothing was given) and raises ValueError with the sentence; it may give a default.
Kind = type[str] | Sequence[str] | Callable[[str | None], Any]


def read_query(request: Request, filters: Mapping[str, Kind]) -> dict[str, Any]:
    """The filters that were given, and those that have a default.

    Raises:
        InvalidSchedule: filter -> sentence, for each that is unknown or cannot be used.
    """
    given = request.query_params
    errors = {
        name: _("There is no filter %(name)s. The filters are: %(valid)s.")
        % {"name": short(name), "valid": ", ".join(filters)}
        for name in given
        if name not in filters
    }
    values = {}
    for name, kind in filters.items():
        try:
            value = _read(name, kind, given.get(name))
        except ValueError as error:
            errors[name] = str(error)
        else:
            if value is not None:
                values[name] = value
    if errors:
        raise InvalidSchedule(errors)
    return values


def whole_number(least: int, most: int, default: int) -> Callable[[str | None], int]:
    """The kind of a limit."""

    def read(text: str | None) -> int:
        if text is None:
            return default
        if not (text.isascii() and text.isdigit() and least <= int(text[:10]) <= most):
            raise ValueError(
                _("The limit is %(value)s; it takes a whole number from %(least)d to %(most)d.")
                % {"value": short(text), "least": least, "most": most}
            )
        return int(text)

    return read


def _read(name: str, kind: Kind, text: str | None) -> Any:
    if callable(kind) and kind is not str:
        return kind(text)
    if text is None:
        return None
    if "\0" in text:
        said = _("The %(field)s is %(value)s; it holds a character that no text has.")
        raise ValueError(said % {"field": name, "value": short(text)})
    if not isinstance(kind, type) and text not in kind:
        said = _("There is no %(field)s %(value)s. The values are: %(valid)s.")
        raise ValueError(said % {"field": name, "value": short(text), "valid": ", ".join(kind)})
    return text
