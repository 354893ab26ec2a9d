"""The settings of the environment: defaults, and a sentence for every malformed value."""

from __future__ import annotations

import datetime as dt
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from stocksync.environment import EnvironmentProblem, read_environment


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("STOCKSYNC_VAR", str(tmp_path / "var"))
    return tmp_path / "var"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "many"),
        ("PORT", "0"),
        ("PORT", "65536"),
        ("DEBUG", "perhaps"),
        ("DATABASE_URL", "mysql://root@localhost/db"),
        ("DATABASE_URL", "postgresql://u@h:abc/x"),
        ("DATABASE_URL", "postgresql://u@h:70000/x"),
        ("DATABASE_URL", "postgresql://[bad/x"),
        ("DATABASE_URL", "postgresql://u@h/x?colour=red"),
        ("TUSHARE_BASE_URL", "http://[bad"),
        ("TUSHARE_BASE_URL", "https://host:abc/x"),
        ("TUSHARE_BASE_URL", "api.tushare.pro"),
        ("TUSHARE_BASE_URL", "http://api.tushare.pro"),
        ("TUSHARE_BASE_URL", "https://root@mirror.example/dataapi"),
        ("TUSHARE_BASE_URL", "https://mirror.example/dataapi?key=1"),
        ("TUSHARE_RATE_LIMIT_MAX_CALLS", "0"),
        ("TUSHARE_RATE_LIMIT_WINDOW_SECONDS", "-1"),
        ("TUSHARE_QUOTA_SHARE", "0"),
        ("TUSHARE_QUOTA_SHARE", "1.5"),
        ("TUSHARE_QUOTA_SHARE", "half"),
        ("TUSHARE_LEARNED_LIMIT_DAYS", "0"),
        ("TUSHARE_CALL_JOURNAL_DAYS", "a week"),
        ("SYNC_TASK_STALE_TIMEOUT_MINUTES", "ten"),
        ("SYNC_DAILY_HISTORY_BATCH_SIZE", "0"),
        ("SYNC_FINANCE_HISTORY_BATCH_SIZE", "1.5"),
        ("SYNC_START_DATE", "2010-01-01"),
        ("SYNC_START_DATE", "20101301"),
        ("SYNC_FINANCE_HISTORY_START_DATE", "2020"),
        ("SYNC_INCREMENTAL_MISSING_LIMIT", "0"),
        ("SYNC_FAILURE_MAX_RETRIES", "-1"),
        ("SYNC_CONCEPT_SOURCE", "sina"),
        ("SCHEDULER_METRICS_PORT", "70000"),
        ("LOG_FORMAT", "xml"),
        ("SYNC_INDEX_CODES", "000001.SH,300"),
    ],
)
def test_it_names_a_malformed_value(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(EnvironmentProblem, match=name):
        read_environment()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DATABASE_URL", "mysql://root:geheim@localhost/db"),
        ("DATABASE_URL", "postgresql://root:geheim@localhost:abc/db"),
        ("DATABASE_URL", "postgresql://root:[geheim@localhost/db"),
        ("TUSHARE_BASE_URL", "http://root:geheim@mirror.example"),
        ("TUSHARE_BASE_URL", "https://root:geheim@mirror.example:abc"),
        ("TUSHARE_BASE_URL", "https://root:geheim@mirror.example/dataapi"),
        ("TUSHARE_BASE_URL", "https://mirror.example/dataapi?key=geheim"),
    ],
)
def test_it_never_repeats_the_password_of_an_address(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(EnvironmentProblem) as caught:
        read_environment()
    assert "geheim" not in str(caught.value)


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ("many", "PORT is 'many': not a valid integer. Correct it in the environment or in .env."),
        (
            "0",
            "PORT is '0': must be greater than or equal to 1 and less than or equal to 65535. "
            "Correct it in the environment or in .env.",
        ),
    ],
)
def test_its_sentences_are_clean(
    value: str, sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PORT", value)
    with pytest.raises(EnvironmentProblem) as caught:
        read_environment()
    assert str(caught.value) == sentence


def test_it_accepts_plain_http_on_request(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TUSHARE_BASE_URL", "http://mirror.example/dataapi/")
    monkeypatch.setenv("TUSHARE_ALLOW_HTTP", "1")
    assert read_environment().tushare_base_url == "http://mirror.example/dataapi"


@pytest.mark.parametrize(
    ("variable", "setting", "default", "given", "read"),
    [
        ("SYNC_TASK_STALE_TIMEOUT_MINUTES", "stale_timeout_minutes", 10, "25", 25),
        ("SYNC_DAILY_HISTORY_BATCH_SIZE", "daily_history_batch_size", 50, "7", 7),
        ("SYNC_FINANCE_HISTORY_BATCH_SIZE", "finance_history_batch_size", 100, "30", 30),
        ("SYNC_START_DATE", "start_date", dt.date(2010, 1, 1), "20150601", dt.date(2015, 6, 1)),
        (
            "SYNC_FINANCE_HISTORY_START_DATE", "finance_history_start_date",
            dt.date(2020, 1, 1), "20180101", dt.date(2018, 1, 1),
        ),
        ("SYNC_INCREMENTAL_MISSING_LIMIT", "incremental_missing_limit", 300, "20", 20),
        ("SYNC_FAILURE_MAX_RETRIES", "failure_max_retries", 3, "0", 0),
        ("SYNC_CONCEPT_SOURCE", "concept_source", "auto", "dc", "dc"),
    ],
)  # fmt: skip
def test_each_setting_of_the_sync_has_its_default_and_is_overridden(
    variable: str,
    setting: str,
    default: object,
    given: str,
    read: object,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv(variable, raising=False)
    assert getattr(read_environment(), setting) == default
    monkeypatch.setenv(variable, given)
    assert getattr(read_environment(), setting) == read


def test_it_reads_the_codes_of_indices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYNC_INDEX_CODES", "000300.SH, 000905.SH,000300.SH")
    assert read_environment().index_codes == ["000300.SH", "000905.SH"]
    monkeypatch.setenv("SYNC_INDEX_CODES", "")
    assert read_environment().index_codes == []


def test_it_makes_one_secret_key_for_all_who_ask_at_once(
    monkeypatch: pytest.MonkeyPatch, own_folder: Path
) -> None:
    monkeypatch.delenv("SECRET_KEY", raising=False)
    with ThreadPoolExecutor(8) as pool:
        keys = list(pool.map(lambda _: read_environment().secret_key, range(16)))
    assert set(keys) == {(own_folder / "secret-key").read_text().strip()}
    assert len(keys[0]) >= 50


def test_it_keeps_the_secret_key_from_others(own_folder: Path) -> None:
    read_environment()
    assert (own_folder / "secret-key").stat().st_mode & 0o777 == 0o600


def test_it_names_a_folder_it_cannot_write(own_folder: Path) -> None:
    own_folder.write_text("a file in the way")
    with pytest.raises(EnvironmentProblem, match=str(own_folder)):
        read_environment()
