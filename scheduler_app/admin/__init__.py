"""The scheduler for staff: schedules, executions, what is loaded, and API tokens."""

from __future__ import annotations

from scheduler_app.admin import executions, loaded, schedules, tokens

__all__ = ["executions", "loaded", "schedules", "tokens"]
