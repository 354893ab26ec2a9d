"""The base of every page of the admin: django-unfold's, whose assets all come from its package."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import ChangeList
from django.db.models import Model
from django.forms import ModelForm
from django.http import HttpRequest
from unfold.admin import ModelAdmin as UnfoldModelAdmin
from unfold.widgets import INPUT_CLASSES, SELECT_CLASSES, TEXTAREA_CLASSES, UnfoldAdminSelectWidget

from scheduler_app.admin import foreign


class ModelAdmin(UnfoldModelAdmin, admin.ModelAdmin):  # type: ignore[misc, type-arg]  # generic for mypy only
    """Its forms look alike, whether a field is the model's own or one that a form declares."""

    def get_changelist_instance(self, request: HttpRequest) -> ChangeList:
        if any("\0" in value for values in request.GET.lists() for value in values[1]):
            # No text in the database has this character: asked for it, PostgreSQL fails.
            raise IncorrectLookupParameters
        return super().get_changelist_instance(request)

    def get_form(
        self, request: HttpRequest, obj: Model | None = None, change: bool = False, **kwargs: Any
    ) -> type[ModelForm[Any]]:
        form = super().get_form(request, obj, change=change, **kwargs)

        class Dressed(form):  # type: ignore[misc, valid-type]  # made by Django at run time
            def __init__(self, *args: Any, **kwargs: Any) -> None:
                super().__init__(*args, **kwargs)
                dress(self)
                foreign.word_permissions(self)

        return Dressed


def dress(form: forms.BaseForm) -> None:
    """Give plain widgets the classes that unfold gives to its own."""
    for field in form.fields.values():
        widget = field.widget
        if type(widget).__module__.startswith("unfold."):
            continue
        if isinstance(widget, forms.Select):
            classes = SELECT_CLASSES
            widget.template_name = UnfoldAdminSelectWidget.template_name
        elif isinstance(widget, forms.Textarea):
            classes = TEXTAREA_CLASSES
        elif isinstance(widget, (forms.TextInput, forms.NumberInput, forms.PasswordInput)):
            classes = INPUT_CLASSES
        else:
            continue
        widget.attrs["class"] = " ".join([widget.attrs.get("class", ""), *classes]).strip()
