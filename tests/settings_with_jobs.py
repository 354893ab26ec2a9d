"""The product's settings with `tests.testjobs` in the place of the market's jobs."""

from __future__ import annotations

from stocksync.settings import *  # noqa: F403
from stocksync.settings import INSTALLED_APPS

INSTALLED_APPS = [app for app in INSTALLED_APPS if app != "datasync_app"] + ["tests.testjobs"]
# The market's pages are not there either.
ROOT_URLCONF = "scheduler_app.urls"
