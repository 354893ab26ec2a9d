#!/usr/bin/env python
"""StockSync's command line: `manage.py help` lists the commands."""

from __future__ import annotations

import os
import sys


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "stocksync.settings")

    from stocksync.environment import EnvironmentProblem

    try:
        # Read first, by name: Django would bury a settings error under its own message.
        import stocksync.settings  # noqa: F401
    except EnvironmentProblem as problem:
        sys.exit(f"stocksync: {problem}")

    import psycopg
    from django.core.management import execute_from_command_line
    from django.db import Error

    try:
        _speak()
        execute_from_command_line(sys.argv)
    except KeyboardInterrupt:
        sys.exit(130)
    except (Error, psycopg.Error) as error:
        from stocksync.sentences import sentence_for

        sentence = sentence_for(error)
        if sentence is None:
            raise
        sys.exit(f"stocksync: {sentence}")


def _speak() -> None:
    """The language of the terminal, for this thread: what others store and log is English."""
    import django
    from django.conf import settings
    from django.utils import translation

    django.setup()
    translation.activate(settings.SPOKEN_LANGUAGE)


if __name__ == "__main__":
    main()
