"""What other packages' tables and permissions are called here.

Only the words on the pages: what migrations know of these models stays as their packages have it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from django import forms
from django.apps import apps
from django.contrib.auth.models import Permission
from django.db.models import Model
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

if TYPE_CHECKING:
    from django_stubs_ext import StrPromise

DONE = {
    "add": _("Can add"),
    "change": _("Can change"),
    "delete": _("Can delete"),
    "view": _("Can view"),
}


def name_model(
    model: type[Model],
    one: StrPromise,
    many: StrPromise,
    fields: Mapping[str, StrPromise] | None = None,
) -> None:
    """Give a model of a package, and some of its fields, names that are translated."""
    model._meta.verbose_name = one
    model._meta.verbose_name_plural = many
    for name, title in (fields or {}).items():
        field = model._meta.get_field(name)
        field.verbose_name = title  # type: ignore[union-attr]  # these are columns
    apps.get_app_config(model._meta.app_label).verbose_name = many


def permission_in_words(permission: Permission) -> str:
    """`Scheduler | schedule | Can change`: Django stores the last part, in English."""
    done = permission.codename.partition("_")[0]
    said = DONE.get(done) if permission.name.startswith("Can ") else None
    return f"{permission.content_type} | {said or gettext(permission.name)}"


def word_permissions(form: forms.BaseForm) -> None:
    """Let the permissions that a form offers be read in the language of the page."""
    for name in ("permissions", "user_permissions"):
        field = form.fields.get(name)
        if isinstance(field, forms.ModelMultipleChoiceField):
            field.label_from_instance = permission_in_words  # type: ignore[assignment, method-assign]
