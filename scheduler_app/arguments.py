"""What a job takes, argument by argument, as its signature's JSON schema tells it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.functional import Promise

from scheduler_app.parameters import kind_in_words


@dataclass(frozen=True)
class Argument:
    """One argument. `schema` is its JSON schema, without NULL where that is the default; `kind` is
    the same in words; `help` is what its job says of it."""

    name: str
    schema: Mapping[str, Any]
    required: bool
    default: object
    kind: str
    help: str | Promise = ""


def arguments_of(
    schema: Mapping[str, Any],
    defaults: Mapping[str, object],
    helps: Mapping[str, str | Promise],
) -> Iterator[Argument]:
    """The arguments in the order of the signature; `schema` is that of all of them."""
    for name, given in schema.get("properties", {}).items():
        options = [each for each in given.get("anyOf", [given]) if each.get("type") != "null"]
        plain = len(options) == 1 and defaults.get(name) is None
        yield Argument(
            name=name,
            schema=options[0] if plain or "anyOf" not in given else {},
            required=name not in defaults,
            default=defaults.get(name),
            kind=kind_in_words(given),
            help=helps.get(name, ""),
        )
