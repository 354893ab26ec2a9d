"""Backup and restore, with PostgreSQL's own programs on the test's database."""

from __future__ import annotations

import errno
from io import StringIO
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

from scheduler_app.models import JobConfig, SchedulerProcess
from stocksync.postgres import dump

pytestmark = pytest.mark.django_db(transaction=True)


def backup(file: Path) -> None:
    call_command("backup", file, stdout=StringIO())


def restore(file: Path) -> None:
    call_command("restore", file, yes=True, stdout=StringIO())


def test_it_brings_everything_back(tmp_path: Path) -> None:
    file = tmp_path / "a backup"
    before = list(JobConfig.objects.values())
    backup(file)
    JobConfig.objects.exclude(job_id="sync_stock_basic").delete()
    JobConfig.objects.update(cron_expression="7 7 * * *")
    restore(file)
    assert list(JobConfig.objects.values()) == before


def test_it_keeps_the_revision_trigger(tmp_path: Path) -> None:
    backup(tmp_path / "file")
    restore(tmp_path / "file")
    with connection.cursor() as cursor:
        cursor.execute("SELECT value FROM scheduler_revision")
        before = cursor.fetchone()[0]
        JobConfig.objects.update(cron_expression="7 7 * * *")
        cursor.execute("SELECT value FROM scheduler_revision")
        assert cursor.fetchone()[0] > before


def test_it_is_readable_by_its_owner_only(tmp_path: Path) -> None:
    backup(tmp_path / "file")
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o600


def test_it_refuses_to_write_a_folder(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="is a folder: name the file to write"):
        backup(tmp_path)


def test_it_overwrites_no_file_unasked(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("the only copy")
    with pytest.raises(CommandError, match="exists already"):
        backup(tmp_path / "file")
    assert (tmp_path / "file").read_text() == "the only copy"


def test_it_overwrites_a_file_on_request(tmp_path: Path) -> None:
    backup(tmp_path / "file")
    call_command("backup", tmp_path / "file", overwrite=True, stdout=StringIO())
    restore(tmp_path / "file")


def test_it_says_why_a_file_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: Path, target: Path) -> Path:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "rename", full)
    with pytest.raises(CommandError, match=r"cannot be written \(No space left on device\)"):
        backup(tmp_path / "file")


def test_it_refuses_a_file_that_is_no_backup(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("CREATE TABLE x (); -- not in the custom format")
    with pytest.raises(CommandError, match="is no backup that can be read here"):
        restore(tmp_path / "file")


def test_it_leaves_all_as_it_was_when_a_backup_is_cut_short(tmp_path: Path) -> None:
    file = tmp_path / "file"
    backup(file)
    whole = file.read_bytes()
    file.write_bytes(whole[:-100])  # the table of contents is whole, the data are not
    JobConfig.objects.update(cron_expression="7 7 * * *")
    with pytest.raises(CommandError, match="pg_restore failed"):
        restore(file)
    assert set(JobConfig.objects.values_list("cron_expression", flat=True)) == {"7 7 * * *"}


def test_it_refuses_to_restore_under_a_running_scheduler(tmp_path: Path) -> None:
    backup(tmp_path / "file")
    now = timezone.now()
    SchedulerProcess.objects.create(host="box", pid=7, started_at=now, heartbeat_at=now)
    with pytest.raises(CommandError, match="box:7 is running"):
        restore(tmp_path / "file")


def test_it_changes_nothing_without_a_yes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    backup(tmp_path / "file")
    monkeypatch.setattr("builtins.input", lambda prompt: "n")
    with pytest.raises(CommandError, match="Nothing was changed"):
        call_command("restore", tmp_path / "file", stdout=StringIO())


def test_it_brings_back_what_a_killed_restore_had_set_aside() -> None:
    aside = dump.SET_ASIDE.format(schema=settings.DATABASE_SCHEMA)
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER SCHEMA {settings.DATABASE_SCHEMA} RENAME TO {aside}")
        cursor.execute(f"CREATE SCHEMA {settings.DATABASE_SCHEMA}")
    assert dump.undo_interrupted_restore(connection.connection, settings.DATABASE_SCHEMA)
    assert JobConfig.objects.count() == 4
    assert not dump.undo_interrupted_restore(connection.connection, settings.DATABASE_SCHEMA)
