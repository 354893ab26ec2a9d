"""Why a code has no row, in the reader's language: the ledger holds it in English."""

from __future__ import annotations

import re

from django.utils.translation import gettext

from datasync_app.engine.finance.judge import DISCLOSED, NOT_DISCLOSED
from datasync_app.engine.quarantine import QUARANTINED

# Reasons with something in them, as the engine writes them.
FORMS = {
    form: re.compile(re.sub(r"%\\\((\w+)\\\)s", r"(?P<\1>.+)", re.escape(form)))
    for form in (DISCLOSED, NOT_DISCLOSED, QUARANTINED)
}


def in_words(reason: str) -> str:
    """The reason, and what stands in it; as it is stored where nobody has translated it."""
    for form, pattern in FORMS.items():
        if found := pattern.fullmatch(reason):
            return gettext(form) % {
                name: in_words(part) for name, part in found.groupdict().items()
            }
    if "; " in reason:
        return gettext("; ").join(map(in_words, reason.split("; ")))
    return gettext(reason) if reason else ""
