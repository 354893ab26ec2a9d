"""Sentences for the terminal that must not wait for Django: before there are settings, or packages,
or while a database is started. They are in the same catalogue as all others.

Read by the oldest Python that is told to be too old: nothing newer than 3.7 is used here."""

from __future__ import annotations

import gettext
import os
import re
from pathlib import Path

LOCALE = Path(__file__).resolve().parent / "locale"
LANGUAGES = {"en": "en", "zh-hans": "zh_Hans"}


def spoken_language() -> str:
    """`en` or `zh-hans`: as LANGUAGE_CODE tells, else as the terminal's locale has it."""
    told = os.environ.get("LANGUAGE_CODE", "")
    if told in LANGUAGES:
        return told
    # As POSIX has it: the first that is set decides.
    names = ("LC_ALL", "LC_MESSAGES", "LANG")
    locale = next((os.environ[name] for name in names if os.environ.get(name)), "")
    return "zh-hans" if re.match(r"zh(_(CN|SG|Hans)\b|\W|$)", locale) else "en"


def spoken(message: str) -> str:
    """The message in that language."""
    language = LANGUAGES[spoken_language()]
    return gettext.translation("django", LOCALE, [language], fallback=True).gettext(message)
