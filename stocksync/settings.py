"""Django settings. Every value that a person may change comes from `environment.py`.

Importing this module starts nothing: the embedded PostgreSQL is started by the first connection
(see `postgres/`), never by an import.
"""

from __future__ import annotations

import datetime as dt
import urllib.parse
from typing import Any

from django.templatetags.static import static

from stocksync.environment import (
    BASE_DIR,
    LOCAL_ZONE,
    TUSHARE_DEFAULT_BASE_URL,
    read_environment,
)
from stocksync.logs import FORMATTERS, health_is_no_error
from stocksync.navigation import menu

environment = read_environment()

VAR_DIR = environment.var_dir
SECRET_KEY = environment.secret_key
DEBUG = environment.debug
ALLOWED_HOSTS = environment.allowed_hosts

INSTALLED_APPS = [
    "unfold",  # before the admin, whose templates it replaces
    "stocksync.admin_app.AdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django_apscheduler",
    "rest_framework",
    "knox",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "simple_history",
    "scheduler_app",
    "datasync_app",
    "stocksync",
]

# Where a scheduler tells its own metrics; port 0 is nowhere.
SCHEDULER_METRICS_HOST = environment.metrics_host
SCHEDULER_METRICS_PORT = environment.metrics_port
# Where runs are executed: in the scheduler's threads, or by workers elsewhere (docs/scaling.md).
SCHEDULER_DISPATCH = environment.dispatch
if SCHEDULER_DISPATCH == "procrastinate":
    INSTALLED_APPS.insert(0, "procrastinate.contrib.django")
PROCRASTINATE_ON_APP_READY = "scheduler_app.worker_connector.outlast"
# Executions are the record; a job of the queue is gone once it is done. Asked to stop, a worker tells
# its runs at once.
PROCRASTINATE_WORKER_DEFAULTS = {
    "concurrency": 8,
    "delete_jobs": "always",
    "shutdown_graceful_timeout": 0.0,
}

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "stocksync.security.ContentSecurityPolicyMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    # Tells the versions of a schedule who wrote them.
    "simple_history.middleware.HistoryRequestMiddleware",
    "stocksync.outage.DatabaseOutageMiddleware",
]

ROOT_URLCONF = "stocksync.urls"
WSGI_APPLICATION = "stocksync.wsgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "stocksync" / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "datasync_app.context.source",
            ],
        },
    },
]

# The PostgreSQL schema that holds every table of ours; the search path of every connection.
DATABASE_SCHEMA = "stocksync"


def _database() -> dict[str, Any]:
    """The connection: `DATABASE_URL` when given, else the embedded server in `VAR_DIR`."""
    database: dict[str, Any] = {
        "ENGINE": "stocksync.postgres",
        "CONN_MAX_AGE": 60,
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": {
            "options": f"-c search_path={DATABASE_SCHEMA}",
            "connect_timeout": 5,
            # Over a network that was cut no answer ever comes: noticed within a quarter of a minute.
            "keepalives_idle": 5,
            "keepalives_interval": 3,
            "keepalives_count": 3,
            "tcp_user_timeout": 15_000,
        },
    }
    if not environment.database_url:
        # HOST and PORT are filled in by the backend, once the server is known to run.
        return database | {"NAME": "stocksync", "USER": "stocksync"}
    url = urllib.parse.urlsplit(environment.database_url)
    query = dict(urllib.parse.parse_qsl(url.query))
    database["OPTIONS"] |= {key: value for key, value in query.items() if key != "host"}
    return database | {
        "NAME": urllib.parse.unquote(url.path.lstrip("/")) or "stocksync",
        "USER": urllib.parse.unquote(url.username or ""),
        "PASSWORD": urllib.parse.unquote(url.password or ""),
        "HOST": query.get("host") or urllib.parse.unquote(url.hostname or ""),
        "PORT": str(url.port or ""),
    }


DATABASES = {"default": _database()}
DATABASE_IS_EMBEDDED = not environment.database_url
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]

# Of what is stored and logged: nobody is asked which language they read. A request is answered in
# the language that it asks for; what is said at the terminal, or sent, is in SPOKEN_LANGUAGE.
LANGUAGE_CODE = "en"
SPOKEN_LANGUAGE = environment.language
LANGUAGE_COOKIE_AGE = 365 * 24 * 3600
LANGUAGE_COOKIE_HTTPONLY = True
LANGUAGE_COOKIE_SAMESITE = "Lax"
LANGUAGES = [("en", "English"), ("zh-hans", "简体中文")]
USE_I18N = True
USE_TZ = True
FORMAT_MODULE_PATH = "stocksync.formats"
TIME_ZONE = LOCAL_ZONE

# Served by whitenoise straight from the packages: nothing is collected, nothing can be stale.
STATIC_URL = "/static/"
WHITENOISE_USE_FINDERS = True

LOGIN_REDIRECT_URL = "admin:index"

# The admin's look; all its fonts, icons and scripts are in the package.
UNFOLD = {
    "SITE_TITLE": "StockSync",
    "SITE_HEADER": "StockSync",
    "SITE_ICON": lambda request: static("stocksync/icon.svg"),
    "SITE_FAVICONS": [
        {
            "rel": "icon",
            "type": "image/svg+xml",
            "href": lambda request: static("stocksync/icon.svg"),
        }
    ],
    "SHOW_VIEW_ON_SITE": False,
    "SHOW_LANGUAGES": True,
    "SITE_URL": None,
    "BORDER_RADIUS": "6px",
    "COLORS": {
        # The blues of the icon.
        "primary": {
            "50": "oklch(97% .014 240)",
            "100": "oklch(94% .03 240)",
            "200": "oklch(89% .055 240)",
            "300": "oklch(82% .09 240)",
            "400": "oklch(74% .12 240)",
            "500": "oklch(64% .13 240)",
            "600": "oklch(52% .12 240)",
            "700": "oklch(46% .11 240)",
            "800": "oklch(40% .09 240)",
            "900": "oklch(34% .07 240)",
            "950": "oklch(26% .05 240)",
        },
    },
    "STYLES": [
        lambda request: static("scheduler_app/panel.css"),
        lambda request: static("stocksync/source.css"),
    ],
    "SCRIPTS": [lambda request: static("scheduler_app/sure.js")],
    "SIDEBAR": {"navigation": menu()},
}

REST_FRAMEWORK = {
    # Token first: DRF takes the 401 challenge from the first class, and a session alone gives 403.
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "scheduler_app.api.authentication.TokenAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAdminUser"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["scheduler_app.api.parsers.StrictJSONParser"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "scheduler_app.api.problems.problem_handler",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "StockSync",
    "VERSION": "0.1.0",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": ["scheduler_app.api.permissions.StaffMayRead"],
    "COMPONENT_SPLIT_REQUEST": True,
    "PREPROCESSING_HOOKS": ["scheduler_app.api.documented.without_slash"],
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "stocksync.api_language.translated",
    ],
    "ENUM_NAME_OVERRIDES": {
        "ExecutionStatus": "scheduler_app.models.Status",
        "CellState": "datasync_app.models.CellState",
        "DeliveryState": "scheduler_app.models.Delivery",
    },
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
}
# Knox lets tokens expire after ten hours. Ours last a year; `create_token --days` says otherwise.
REST_KNOX = {"TOKEN_TTL": dt.timedelta(days=365), "AUTH_HEADER_PREFIX": "Token"}

SECURE_CONTENT_TYPE_NOSNIFF = True
SESSION_COOKIE_HTTPONLY = True
X_FRAME_OPTIONS = "DENY"

# Tushare. Base URL and token may be empty: then a running sandbox is looked for in `var/run`.
TUSHARE_TOKEN = environment.tushare_token
TUSHARE_BASE_URL = environment.tushare_base_url or (
    TUSHARE_DEFAULT_BASE_URL if environment.tushare_token else ""
)
TUSHARE_RATE_LIMIT_MAX_CALLS = environment.rate_limit_max_calls
TUSHARE_RATE_LIMIT_WINDOW_SECONDS = environment.rate_limit_window_seconds
TUSHARE_QUOTA_SHARE = environment.quota_share
TUSHARE_LEARNED_LIMIT_DAYS = environment.learned_limit_days
TUSHARE_CALL_JOURNAL_DAYS = environment.call_journal_days
SANDBOX_ADDRESS_FILE = VAR_DIR / "run" / "sandbox-address"

SYNC_TASK_STALE_TIMEOUT_MINUTES = environment.stale_timeout_minutes
SYNC_DAILY_HISTORY_BATCH_SIZE = environment.daily_history_batch_size
SYNC_HISTORY_WORKERS = environment.history_workers
SYNC_FINANCE_HISTORY_BATCH_SIZE = environment.finance_history_batch_size
SYNC_START_DATE = environment.start_date
SYNC_FINANCE_HISTORY_START_DATE = environment.finance_history_start_date
SYNC_INDEX_CODES = environment.index_codes
SYNC_INCREMENTAL_MISSING_LIMIT = environment.incremental_missing_limit
SYNC_FAILURE_MAX_RETRIES = environment.failure_max_retries
SYNC_CONCEPT_SOURCE = environment.concept_source
SERVE_INCOMPLETE = environment.serve_incomplete
SERVE_PASS_ON = environment.serve_pass_on
API_PAGES_PER_MINUTE = environment.api_pages_per_minute
API_FILES_PER_MINUTE = environment.api_files_per_minute

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"()": FORMATTERS[environment.log_format]}},
    "filters": {
        "health": {
            "()": "django.utils.log.CallbackFilter",
            "callback": health_is_no_error,
        },
    },
    "handlers": {"console": {"class": "stocksync.logs.Console", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": "INFO"},
    "loggers": {
        # APScheduler reports every added job and every wake-up; ours says what happened.
        "apscheduler": {"level": "WARNING"},
        # A worker says once that its database is away; its pool would say it several times a second.
        "psycopg.pool": {"level": "ERROR"},
        "django.request": {"filters": ["health"]},
    },
}
