"""The scheduler for staff: schedules, executions, what is loaded, API tokens, and people."""

from __future__ import annotations

from scheduler_app.admin import executions, loaded, people, schedules, tokens

__all__ = ["executions", "loaded", "people", "schedules", "tokens"]
