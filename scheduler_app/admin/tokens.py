"""API tokens for staff: who has one and until when. A token itself is shown once, when made."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import ForeignKey, QuerySet
from django.forms import ModelChoiceField
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from knox.admin import AuthTokenAdmin
from knox.models import AuthToken
from knox.settings import knox_settings

from scheduler_app.admin import base, foreign

admin.site.unregister(AuthToken)
foreign.name_model(
    AuthToken,
    _("API token"),
    _("API tokens"),
    {"user": _("user"), "created": _("created"), "expiry": _("valid until")},
)


@admin.register(AuthToken)
class TokenAdmin(base.ModelAdmin, AuthTokenAdmin):  # type: ignore[misc]
    list_display = ["begins_with", "user", "created", "expiry"]
    search_fields = ["user__username"]
    actions = ["revoke"]
    raw_id_fields = ()
    fields = ["user", "expiry"]
    readonly_fields = ()

    def get_readonly_fields(self, request: HttpRequest, obj: AuthToken | None = None) -> list[str]:
        return ["user"] if obj else []

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        return {"user": request.user.pk, "expiry": timezone.now() + knox_settings.TOKEN_TTL}

    def formfield_for_foreignkey(
        self, db_field: ForeignKey[Any, Any], request: HttpRequest, **kwargs: Any
    ) -> ModelChoiceField[Any] | None:
        field = super().formfield_for_foreignkey(db_field, request, **kwargs)
        if field is not None and field.queryset is not None and not request.user.is_superuser:
            # A token acts as its user: nobody makes one for somebody who may more.
            field.queryset = field.queryset.filter(pk=request.user.pk)
        return field

    @admin.action(description=_("Revoke"), permissions=["delete"])
    def revoke(self, request: HttpRequest, chosen: QuerySet[AuthToken]) -> None:
        self.log_deletions(request, chosen)
        count, _by_model = chosen.delete()
        said = _("%(count)d tokens are revoked: nobody logs in with them any more.")
        self.message_user(request, said % {"count": count})

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        actions: dict[str, Any] = super().get_actions(request)
        actions.pop("delete_selected", None)  # revoking is what it is called here
        return actions

    @admin.display(description=_("token begins with"))
    def begins_with(self, token: AuthToken) -> str:
        return f"{token.token_key[:8]}…"
