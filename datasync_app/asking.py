"""The question before something that cannot be undone."""

from __future__ import annotations

import sys


def confirm(question: str) -> bool:
    """Whether a person says yes. Nobody there, and Ctrl-C, mean no."""
    try:
        answer = input(f"{question} [y/N] ")
    except (EOFError, KeyboardInterrupt):
        sys.stdout.write("\n")
        return False
    return answer.strip().lower() in {"y", "yes"}
