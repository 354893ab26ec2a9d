"""Who calls: a knox token, or the session of a person who is logged in."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _
from drf_spectacular.contrib.knox_auth_token import KnoxTokenScheme
from knox.auth import TokenAuthentication as KnoxTokenAuthentication
from rest_framework.exceptions import AuthenticationFailed


class TokenAuthentication(KnoxTokenAuthentication):  # type: ignore[misc]
    """Knox's, without its faults at a token that is not text or holds a NUL."""

    def authenticate_credentials(self, token: bytes) -> tuple[Any, Any]:
        if not (token.isascii() and token.isalnum()):
            raise AuthenticationFailed(_("Invalid token."))
        user, made = super().authenticate_credentials(token)
        return user, made


class TokenScheme(KnoxTokenScheme):  # type: ignore[no-untyped-call]
    """How the OpenAPI schema names it."""

    target_class = "scheduler_app.api.authentication.TokenAuthentication"
    name = "token"
