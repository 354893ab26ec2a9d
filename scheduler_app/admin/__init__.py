"""The scheduler for staff: schedules, executions, what is loaded, notifications, API tokens, and people."""

from __future__ import annotations

from scheduler_app.admin import executions, loaded, notifications, people, schedules, tokens

__all__ = ["executions", "loaded", "notifications", "people", "schedules", "tokens"]
