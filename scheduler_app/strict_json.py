"""JSON as people send it: only what the standard has, and nothing said twice."""

from __future__ import annotations

import json
from typing import Any, NoReturn

from django.utils.translation import gettext as _

from scheduler_app.errors import short


def loads(text: str) -> Any:
    """The value.

    Raises:
        ValueError: not JSON, a constant such as NaN, or an object that names a key twice.
        RecursionError: nested too deep.
    """
    return json.loads(text, parse_constant=_refuse_constant, object_pairs_hook=_once)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(_("%s is not a JSON value") % name)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(_("the key %s is given twice") % short(key))
        found[key] = value
    return found
