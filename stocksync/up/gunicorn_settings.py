"""How gunicorn serves the web, under `make run` and in a container alike."""

from __future__ import annotations

from stocksync.environment import read_environment
from stocksync.logs import FORMATTERS

_environment = read_environment()
_host = f"[{_environment.host}]" if ":" in _environment.host else _environment.host

bind = f"{_host}:{_environment.port}"
worker_class = "gthread"
workers = 2
preload_app = True
threads = 8
timeout = 60
# Below supervisord's 30 seconds, so that a slow request ends in peace and not in SIGKILL.
graceful_timeout = 20
# Its default lies in the home folder, and nothing outside the checkout is written.
control_socket_disable = True
# Lines like everybody's; the access log stays off.
logconfig_dict = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"()": FORMATTERS[_environment.log_format]}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": "INFO"},
    "loggers": {
        "gunicorn.error": {"level": "INFO", "handlers": ["console"], "propagate": False},
        "gunicorn.access": {"level": "WARNING", "handlers": [], "propagate": False},
    },
}
