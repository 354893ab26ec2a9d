"""Users and groups: Django's own pages, looking like the others."""

from __future__ import annotations

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group, User
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from scheduler_app.admin import base

admin.site.unregister(User)
admin.site.unregister(Group)


@admin.register(User)
class UserAdmin(base.ModelAdmin, DjangoUserAdmin):  # type: ignore[type-arg]  # generic for mypy only
    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm

    class Media:
        js = ["scheduler_app/choose.js"]


@admin.register(Group)
class GroupAdmin(base.ModelAdmin, DjangoGroupAdmin):
    class Media:
        js = ["scheduler_app/choose.js"]
