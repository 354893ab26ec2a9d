"""How a request's body is read: JSON in UTF-8, of a size that fits, or a sentence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import IO, Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from rest_framework.exceptions import APIException, ParseError
from rest_framework.parsers import BaseParser

from scheduler_app import strict_json

MAX_BODY_BYTES = 1024 * 1024


class BodyTooLarge(APIException):
    status_code = 413
    default_detail = gettext_lazy("The body is too large: it may have %s bytes.")
    default_code = "too_large"


class StrictJSONParser(BaseParser):
    """Strict JSON. A charset in the content type is not asked: JSON is UTF-8 (RFC 8259)."""

    media_type = "application/json"

    def parse(
        self,
        stream: IO[bytes],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        raw = stream.read(MAX_BODY_BYTES + 1)
        if len(raw) > MAX_BODY_BYTES:
            raise BodyTooLarge(BodyTooLarge.default_detail % f"{MAX_BODY_BYTES:,}")
        try:
            return strict_json.loads(raw.decode("utf-8"))
        except UnicodeDecodeError:
            raise ParseError(_("The body is not UTF-8 text.")) from None
        except RecursionError:
            raise ParseError(_("The body is nested too deep.")) from None
        except ValueError as error:
            raise ParseError(_("The body is not valid JSON: %s.") % error) from None
