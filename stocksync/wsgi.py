"""The WSGI entrance that gunicorn serves."""

from __future__ import annotations

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "stocksync.settings")
application = get_wsgi_application()

# Every page is loaded before the workers fork, once for all of them, and not by the first request.
import stocksync.urls  # noqa: E402, F401
