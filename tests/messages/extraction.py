"""What the code marks for translation, with Babel: no program beside Python is needed."""

from __future__ import annotations

import ast
import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import django
import django_apscheduler
import knox
import rest_framework
import unfold
from babel.messages.catalog import Catalog
from babel.messages.extract import extract, extract_python
from babel.messages.mofile import read_mo
from django.apps import apps
from django.utils import translation
from django.utils.translation.template import templatize

from stocksync.api_language import descriptions
from tests.processes import REPOSITORY

KEYWORDS: dict[str, Any] = {
    "_": None,
    "gettext": None,
    "gettext_lazy": None,
    "gettext_noop": None,
    "ngettext": (1, 2),
    "ngettext_lazy": (1, 2),
    "pgettext": ((1, "c"), 2),
    "pgettext_lazy": ((1, "c"), 2),
    "npgettext": ((1, "c"), 2, 3),
    "npgettext_lazy": ((1, "c"), 2, 3),
}
APPS = ("scheduler_app", "datasync_app", "stocksync")
# They bring no Chinese of their own: what Django's catalogues do not have, the project's has.
WITHOUT_CATALOGUE = tuple(
    Path(module.__file__ or "").parent for module in (unfold, knox, django_apscheduler)
)
TRANSLATED_ELSEWHERE = tuple(
    Path(module.__file__ or "").parent for module in (django, rest_framework)
)
LEFT_OUT = {"migrations", "import_export", "guardian", "constance", "location_field"}
LANGUAGE = "zh_Hans"


def messages_of(app: str) -> Catalog:
    """Every message of one app, with the files that hold it."""
    catalogue = Catalog(fuzzy=False)
    for path in _sources(REPOSITORY / app):
        _add(catalogue, path, path.relative_to(REPOSITORY))
        if path.name == "jobs.py":
            for text in _of_jobs(path):
                catalogue.add(text, locations=[(path.relative_to(REPOSITORY).as_posix(), 0)])
    if app == "stocksync":
        for text in _of_the_api():
            catalogue.add(text, locations=[("stocksync/api_language.py", 0)])
    return catalogue


def _of_the_api() -> list[str]:
    """What the OpenAPI document says to people, but for what a model says: its app has that."""
    from drf_spectacular.generators import SchemaGenerator  # reads the settings at once

    with translation.override("en"):
        document = SchemaGenerator().get_schema(public=True)  # type: ignore[no-untyped-call]
        of_models = {
            str(getattr(field, "help_text", ""))
            for model in apps.get_models()
            for field in model._meta.get_fields()
        }
    return sorted(descriptions(document) - of_models)


def _of_jobs(path: Path) -> Iterator[str]:
    """What people read of a job stands in its code: its name, what is not built of it, and the
    first line of its docstring."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.FunctionDef):
            continue
        for decorator in node.decorator_list:
            if isinstance(decorator, ast.Call) and ast.unparse(decorator.func) == "register_job":
                yield (ast.get_docstring(node) or "").partition("\n")[0]
                for keyword in decorator.keywords:
                    if keyword.arg in {"name", "not_built"}:
                        yield ast.literal_eval(keyword.value)


def add_foreign(catalogue: Catalog) -> None:
    """Add what the packages say that have no catalogue, and no other translates."""
    known = {
        _key(message)
        for package in TRANSLATED_ELSEWHERE
        for path in sorted(package.rglob(f"locale/{LANGUAGE}/LC_MESSAGES/django.mo"))
        for message in _read(path)
    }
    foreign = Catalog()
    for package in WITHOUT_CATALOGUE:
        for path in _sources(package):
            _add(foreign, path, path.relative_to(package.parent))
    for message in foreign:
        if message.id and _key(message) not in known:
            catalogue.add(
                message.id,
                locations=message.locations,
                context=message.context,
                flags=message.flags,
            )


def _sources(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        if path.suffix in {".py", ".html", ".txt"} and not LEFT_OUT & set(path.parts):
            yield path


def _add(catalogue: Catalog, path: Path, shown: Path) -> None:
    with path.open("rb") as file:
        method = "python" if path.suffix == ".py" else f"{__name__}:extract_template"
        for _line, message, comments, context in extract(
            method, file, keywords=KEYWORDS, comment_tags=("Translators:",)
        ):
            catalogue.add(
                message,
                locations=[(shown.as_posix(), 0)],
                auto_comments=comments,
                context=context,
            )


def extract_template(
    file: BinaryIO, keywords: Any, comment_tags: Any, options: Any
) -> Iterator[Any]:
    """A template as the Python that Django makes of it for `makemessages`: calls of gettext between
    blanked text, whose indentation means nothing."""
    code = templatize(file.read().decode())
    flat = re.sub(r"^[ \t]+", "", code, flags=re.MULTILINE)
    return extract_python(io.BytesIO(flat.encode()), keywords, comment_tags, options)


def _read(path: Path) -> Catalog:
    with path.open("rb") as file:
        return read_mo(file)


def _key(message: Any) -> tuple[str | None, str]:
    return message.context, message.id if isinstance(message.id, str) else message.id[0]
