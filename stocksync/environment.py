"""The environment variables StockSync reads, each with its type, default and bounds.

Read once, when settings are imported. A malformed value stops the start with one sentence that
names the variable, so that a typing error never becomes a silent default.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import importlib.util
import os
import re
import secrets
import tempfile
import urllib.parse
from dataclasses import dataclass
from pathlib import Path

from environs import Env, EnvError, EnvValidationError, validate
from psycopg import pq

from stocksync.spoken import LANGUAGES, spoken_language
from stocksync.spoken import spoken as _

BASE_DIR = Path(__file__).resolve().parent.parent
TUSHARE_DEFAULT_BASE_URL = "https://api.tushare.pro/dataapi"
LOCAL_ZONE = "Asia/Shanghai"  # of the exchanges: schedules, pages and log lines
LOOPBACK_HOSTS = frozenset({"127.0.0.1", "localhost", "::1"})


class EnvironmentProblem(Exception):
    """A setting in the environment cannot be used; the message names it and what would be valid."""


@dataclass(frozen=True)
class Environment:
    """What the environment says, checked. Durations carry their unit in the name."""

    var_dir: Path
    database_url: str
    secret_key: str
    debug: bool
    allowed_hosts: list[str]
    host: str
    port: int
    tushare_token: str
    tushare_base_url: str
    tushare_allow_http: bool
    rate_limit_max_calls: int | None
    rate_limit_window_seconds: float
    quota_share: float
    learned_limit_days: int
    call_journal_days: int
    log_format: str
    dispatch: str
    metrics_host: str
    metrics_port: int
    stale_timeout_minutes: int
    daily_history_batch_size: int
    history_workers: int
    finance_history_batch_size: int
    start_date: dt.date
    finance_history_start_date: dt.date
    index_codes: list[str]
    incremental_missing_limit: int
    failure_max_retries: int
    concept_source: str
    serve_incomplete: bool
    serve_pass_on: bool
    language: str
    api_pages_per_minute: int
    api_files_per_minute: int


def read_environment() -> Environment:
    """Read and check every variable.

    Raises:
        EnvironmentProblem: a value is malformed or out of bounds.
    """
    env = Env()
    env.read_env(str(BASE_DIR / ".env"), recurse=False)
    positive = validate.Range(min=1)
    try:
        var_dir = Path(env.str("STOCKSYNC_VAR", "") or BASE_DIR / "var").absolute()
        environment = Environment(
            var_dir=var_dir,
            database_url=_database_url(env.str("DATABASE_URL", "")),
            secret_key=env.str("SECRET_KEY", "") or _stored_secret_key(var_dir),
            debug=env.bool("DEBUG", False),
            allowed_hosts=env.list("ALLOWED_HOSTS", ["localhost", "127.0.0.1", "[::1]"]),
            host=env.str("HOST", "127.0.0.1"),
            port=env.int("PORT", 8000, validate=validate.Range(min=1, max=65535)),
            tushare_token=env.str("TUSHARE_TOKEN", ""),
            tushare_base_url=env.str("TUSHARE_BASE_URL", "").rstrip("/"),
            tushare_allow_http=env.bool("TUSHARE_ALLOW_HTTP", False),
            rate_limit_max_calls=env.int("TUSHARE_RATE_LIMIT_MAX_CALLS", None, validate=positive),
            rate_limit_window_seconds=env.float(
                "TUSHARE_RATE_LIMIT_WINDOW_SECONDS",
                60.0,
                validate=validate.Range(min=0, min_inclusive=False),
            ),
            quota_share=env.float(
                "TUSHARE_QUOTA_SHARE",
                1.0,
                validate=validate.Range(min=0, max=1, min_inclusive=False),
            ),
            learned_limit_days=env.int("TUSHARE_LEARNED_LIMIT_DAYS", 7, validate=positive),
            call_journal_days=env.int("TUSHARE_CALL_JOURNAL_DAYS", 30, validate=positive),
            log_format=env.str("LOG_FORMAT", "text", validate=validate.OneOf(["text", "json"])),
            dispatch=_dispatch(env),
            metrics_host=env.str("SCHEDULER_METRICS_HOST", "127.0.0.1"),
            metrics_port=env.int(
                "SCHEDULER_METRICS_PORT", 0, validate=validate.Range(min=0, max=65535)
            ),
            stale_timeout_minutes=env.int("SYNC_TASK_STALE_TIMEOUT_MINUTES", 10, validate=positive),
            daily_history_batch_size=env.int(
                "SYNC_DAILY_HISTORY_BATCH_SIZE", 50, validate=positive
            ),
            history_workers=env.int("SYNC_HISTORY_WORKERS", 4, validate=positive),
            finance_history_batch_size=env.int(
                "SYNC_FINANCE_HISTORY_BATCH_SIZE", 100, validate=positive
            ),
            start_date=_date(env, "SYNC_START_DATE", "20100101"),
            finance_history_start_date=_date(env, "SYNC_FINANCE_HISTORY_START_DATE", "20200101"),
            index_codes=_codes(env, "SYNC_INDEX_CODES", "000001.SH,399001.SZ,000300.SH"),
            incremental_missing_limit=env.int(
                "SYNC_INCREMENTAL_MISSING_LIMIT", 300, validate=positive
            ),
            failure_max_retries=env.int(
                "SYNC_FAILURE_MAX_RETRIES", 3, validate=validate.Range(min=0)
            ),
            concept_source=env.str(
                "SYNC_CONCEPT_SOURCE",
                "auto",
                validate=validate.OneOf(["auto", "ths", "dc", "concept"]),
            ),
            serve_incomplete=env.bool("SERVE_INCOMPLETE", False),
            serve_pass_on=env.bool("SERVE_PASS_ON", False),
            language=_language(env),
            api_pages_per_minute=env.int("API_PAGES_PER_MINUTE", 600, validate=positive),
            api_files_per_minute=env.int("API_FILES_PER_MINUTE", 30, validate=positive),
        )
    except EnvError as error:
        raise EnvironmentProblem(
            _("%(problem)s. Correct it in the environment or in .env.") % {"problem": _clean(error)}
        ) from error
    _check_tushare_url(environment)
    return environment


def _dispatch(env: Env) -> str:
    chosen = env.str(
        "SCHEDULER_DISPATCH", "threads", validate=validate.OneOf(["threads", "procrastinate"])
    )
    if chosen == "procrastinate" and importlib.util.find_spec("procrastinate") is None:
        raise EnvironmentProblem(
            _(
                "SCHEDULER_DISPATCH is 'procrastinate', which is not installed: pip install "
                "'.[workers]' adds it; without it, 'threads' runs everything in the scheduler."
            )
        )
    return chosen


def _language(env: Env) -> str:
    """`en` or `zh-hans`: as told, else as the terminal's locale has it."""
    told: str = env.str("LANGUAGE_CODE", "", validate=validate.OneOf(["", *LANGUAGES]))
    return told or spoken_language()


def _date(env: Env, name: str, default: str) -> dt.date:
    text = env.str(name, default)
    try:
        if len(text) != 8:
            raise ValueError(text)
        return dt.datetime.strptime(text, "%Y%m%d").date()
    except ValueError:
        raise EnvironmentProblem(
            _("%(name)s is %(text)r, which is not a date as YYYYMMDD.")
            % {"name": name, "text": text}
        ) from None


def _codes(env: Env, name: str, default: str) -> list[str]:
    codes = [code.strip() for code in env.str(name, default).split(",") if code.strip()]
    for code in codes:
        if not re.fullmatch(r"\w{2,12}\.[A-Z]{2,4}", code, re.ASCII):
            raise EnvironmentProblem(
                _(
                    "%(name)s has %(code)r, which is not a code such as 000001.SH; several are "
                    "separated by commas."
                )
                % {"name": name, "code": code}
            )
    return list(dict.fromkeys(codes))


def _clean(error: EnvError) -> str:
    """The library's message as the beginning of a sentence: it may hold a list, or a full stop."""
    text = str(error)
    name = re.search(r'"(\w+)"', text)
    if name is None or not isinstance(error, EnvValidationError):
        return text.rstrip(".")
    reasons = " and ".join(str(reason).rstrip(".") for reason in error.error_messages)
    return f"{name[1]} is {os.environ.get(name[1], '')!r}: {reasons[:1].lower()}{reasons[1:]}"


def _database_url(url: str) -> str:
    # The value may hold a password, so the sentence never repeats it.
    if not url:
        return url
    parts = _parts(url)
    if parts is None or parts.scheme not in {"postgres", "postgresql"}:
        raise EnvironmentProblem(
            _(
                "DATABASE_URL is not a PostgreSQL address such as "
                "postgresql://user@host:5432/name; signs like @ : / # [ in a user name or "
                "password are written as %40 %3A %2F %23 %5B."
            )
        )
    known = {option.keyword.decode() for option in pq.Conninfo.get_defaults()}
    for option, _value in urllib.parse.parse_qsl(parts.query):
        if option not in known:
            raise EnvironmentProblem(
                _(
                    "DATABASE_URL has the option %(option)r, which PostgreSQL does not know; "
                    "sslmode and host are among those it does."
                )
                % {"option": option}
            )
    return url


def _check_tushare_url(environment: Environment) -> None:
    url = environment.tushare_base_url
    if not url:
        return
    # Secrets may stand there.
    shown = re.sub(r"([?#]).*", r"\1…", re.sub(r"//.*@", "//…@", url))
    parts = _parts(url)
    if parts is None or parts.scheme not in {"http", "https"} or not parts.hostname:
        raise EnvironmentProblem(
            _("TUSHARE_BASE_URL is %(shown)r, which is not an address such as %(example)s.")
            % {"shown": shown, "example": TUSHARE_DEFAULT_BASE_URL}
        )
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise EnvironmentProblem(
            _(
                "TUSHARE_BASE_URL is %(shown)r, but only scheme, host and path are used, as in "
                "%(example)s: what stands before the @ or after the path would "
                "not be sent."
            )
            % {"shown": shown, "example": TUSHARE_DEFAULT_BASE_URL}
        )
    insecure = parts.scheme == "http" and parts.hostname not in LOOPBACK_HOSTS
    if insecure and not environment.tushare_allow_http:
        raise EnvironmentProblem(
            _(
                "TUSHARE_BASE_URL is %(shown)r: the token would travel in clear. Use https, or "
                "set TUSHARE_ALLOW_HTTP=1 if you accept that."
            )
            % {"shown": shown}
        )


def _parts(url: str) -> urllib.parse.SplitResult | None:
    """The parts of an address, its port included, or None for what is none."""
    try:
        parts = urllib.parse.urlsplit(url)
        _ = parts.port  # parsed when asked for
    except ValueError:
        return None
    return parts


def _stored_secret_key(var_dir: Path) -> str:
    """The key generated for this installation, made on first use, readable by its owner only."""
    path = var_dir / "secret-key"
    try:
        return path.read_text().strip()
    except FileNotFoundError:
        pass
    except OSError as error:
        raise EnvironmentProblem(
            _("The secret key %(path)s cannot be read: %(strerror)s.")
            % {"path": path, "strerror": error.strerror}
        ) from None
    try:
        var_dir.mkdir(parents=True, exist_ok=True)
        # Written aside and linked: no other process can read a key that is not yet there.
        with tempfile.NamedTemporaryFile("w", dir=var_dir, prefix="secret-key-") as file:
            file.write(secrets.token_urlsafe(50) + "\n")
            file.flush()
            with contextlib.suppress(FileExistsError):
                os.link(file.name, path)
        return path.read_text().strip()
    except OSError as error:
        raise EnvironmentProblem(
            _(
                "The folder %(var_dir)s cannot be written (%(strerror)s): point STOCKSYNC_VAR "
                "at a folder that this account may write."
            )
            % {"var_dir": var_dir, "strerror": error.strerror}
        ) from None
