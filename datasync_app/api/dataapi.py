"""Tushare's own address and protocol, over the local database: POST /dataapi/{api_name}."""

from __future__ import annotations

import orjson
from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST
from rest_framework.exceptions import AuthenticationFailed

from datasync_app.protocol import Refusal, bad_parameter, bad_token, parse_request
from datasync_app.protocol.answers import JSON, envelope
from datasync_app.serving.calls import serve
from scheduler_app.api.authentication import TokenAuthentication

now = timezone.now

MOST_BYTES = 1_000_000
# A body that is too long is read to its end, and forgotten, so that the client hears why.
_MOST_DRAINED = 256_000_000
_PIECE = 65_536
_LONGEST_LENGTH = 16


@csrf_exempt
@require_POST
def dataapi(request: HttpRequest, api_name: str = "") -> HttpResponseBase:
    """A call of the protocol. Only a token in its body counts: no cookie, no header."""
    try:
        call = parse_request(f"/dataapi/{api_name}", _body(request))
        served = serve(call, _user(call.token), now=now())
    except Refusal as refusal:
        return _refused(refusal)
    headers = {"X-StockSync-Incomplete": "1"} if served.incomplete else {}
    return StreamingHttpResponse(served.pieces, content_type=JSON, headers=headers)


def _refused(refusal: Refusal) -> HttpResponse:
    document = envelope(code=refusal.code, text=refusal.text)
    return HttpResponse(orjson.dumps(document), content_type=JSON)


def _body(request: HttpRequest) -> bytes:
    length = request.META.get("CONTENT_LENGTH") or "0"
    if not (length.isascii() and length.isdigit() and len(length) < _LONGEST_LENGTH):
        raise bad_parameter()
    left = int(length)
    if left <= MOST_BYTES:
        return request.read(left)
    while left > 0 and int(length) <= _MOST_DRAINED:
        piece = request.read(min(left, _PIECE))
        if not piece:
            break
        left -= len(piece)
    raise bad_parameter()


def _user(token: str) -> AbstractBaseUser | AnonymousUser:
    """Who the token belongs to.

    Raises:
        Refusal: nobody, or nobody who may log in.
    """
    if not token.isascii():
        raise bad_token()
    try:
        user, _made = TokenAuthentication().authenticate_credentials(token.encode())
    except AuthenticationFailed:
        raise bad_token() from None
    assert isinstance(user, AbstractBaseUser)  # noqa: S101 (knox knows no other)
    return user
