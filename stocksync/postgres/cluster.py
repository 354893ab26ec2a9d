"""One data folder: where its parts lie, how it is made, and what its settings are."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil

from stocksync.postgres import binaries
from stocksync.postgres.account import Account, caller, open_way, owner_of, server_account
from stocksync.postgres.problems import PostgresProblem
from stocksync.spoken import spoken as _

SUPERUSER = "postgres"
OWNER = "stocksync"
READER = "stocksync_reader"
DATABASE = "stocksync"
SOCKET_PORT = 5432  # names the socket, whatever the TCP port is: addresses stay good
LONGEST_SOCKET_PATH = 100  # bytes; the kernel allows 107

HBA = """\
# Written at every start. The socket folder is closed to everybody but its owner and root; inside
# it, who you are on this machine decides (pg_ident.conf), and the reader needs its password.
local {reader_databases} {reader} scram-sha-256
local all {reader} reject
local all all peer map=stocksync
host {reader_databases} {reader} 127.0.0.1/32 scram-sha-256
"""


@dataclass(frozen=True)
class Cluster:
    """The embedded server that belongs to one `var/` folder."""

    root: Path
    settings: tuple[str, ...] = ()
    sync_on_init: bool = True
    reader_databases: str = DATABASE  # as pg_hba.conf names them

    @property
    def data_dir(self) -> Path:
        return self.root / "postgres" / "data"

    @property
    def run_dir(self) -> Path:
        return self.root / "run"

    @property
    def log_file(self) -> Path:
        return self.root / "log" / "postgres.log"

    @property
    def keeper_lock(self) -> Path:
        return self.run_dir / "postgres-keeper.lock"

    @property
    def start_lock(self) -> Path:
        return self.run_dir / "postgres-start.lock"

    @property
    def tcp_port_file(self) -> Path:
        """Holds the TCP port once a person asked for one; without it there is no TCP."""
        return self.root / "postgres-tcp-port"

    @property
    def socket_note(self) -> Path:
        """Names the socket folder when it could not lie in `run_dir`."""
        return self.run_dir / "postgres-socket-folder"

    @property
    def port(self) -> int:
        """The server's port: of TCP, once that is open."""
        try:
            return int(self.tcp_port_file.read_text())
        except FileNotFoundError:
            return SOCKET_PORT

    @property
    def socket_dir(self) -> Path:
        try:
            return Path(self.socket_note.read_text())
        except FileNotFoundError:
            return self.run_dir / "postgres"

    def postmaster(self) -> int | None:
        """The process id of the server, if it really lives and works in our data folder."""
        try:
            pid = int((self.data_dir / "postmaster.pid").read_text().split("\n", 1)[0])
            folder = psutil.Process(pid).cwd()
        except (OSError, ValueError, psutil.Error):
            return None
        return pid if os.path.realpath(folder) == os.path.realpath(self.data_dir) else None

    def forget_dead_server(self) -> None:
        """Remove what a dead server left; PostgreSQL would believe a foreign process of that id."""
        (self.data_dir / "postmaster.pid").unlink(missing_ok=True)
        for left in self.socket_dir.glob(".s.PGSQL.*"):
            left.unlink(missing_ok=True)

    def name_socket(self) -> None:
        """PostgreSQL names its socket by its port; a link gives it the name that stays."""
        if self.port != SOCKET_PORT:
            link = self.socket_dir / f".s.PGSQL.{SOCKET_PORT}"
            link.unlink(missing_ok=True)
            link.symlink_to(f".s.PGSQL.{self.port}")

    def choose_tcp_port(self) -> None:
        """Take a free port of 127.0.0.1 for the server, and keep it."""
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port = probe.getsockname()[1]
        fresh = self.tcp_port_file.with_suffix(".new")
        fresh.write_text(f"{port}\n")
        fresh.rename(self.tcp_port_file)

    def prepare(self, say: Callable[[str], None]) -> None:
        """Make what the server needs: account, folders, data folder, settings.

        Raises:
            PostgresProblem: a folder cannot be written, or another PostgreSQL made the data.
        """
        try:
            self._prepare(say)
        except OSError as error:
            raise PostgresProblem(
                _(
                    "%(folder)s cannot be used (%(strerror)s): StockSync keeps its database there; "
                    "point STOCKSYNC_VAR at a folder that this account may write."
                )
                % {"folder": error.filename or self.root, "strerror": error.strerror}
            ) from error

    def _prepare(self, say: Callable[[str], None]) -> None:
        account = self._account(say)
        for folder in (self.run_dir, self.log_file.parent):
            folder.mkdir(parents=True, exist_ok=True)
        top = self.data_dir.parent
        _own_folder(top, account)
        open_way(top, account, say)
        open_way(binaries.program("postgres"), account, say)
        self._initialise(account, say)
        self._keep_or_change_port(say)
        self._choose_socket_dir(account, say)
        self._write_settings(account)

    def _keep_or_change_port(self, say: Callable[[str], None]) -> None:
        if not self.tcp_port_file.exists() or self.postmaster() is not None:
            return
        try:
            socket.create_server(("127.0.0.1", self.port)).close()
        except OSError:
            taken = self.port
            self.choose_tcp_port()
            say(
                _("PostgreSQL's TCP port %(taken)s is taken: it listens on %(port)s from now on.")
                % {"taken": taken, "port": self.port}
            )

    def _account(self, say: Callable[[str], None]) -> Account:
        """The owner of the data folder if there is one: root may work in a person's folder."""
        owner = owner_of(self.data_dir) if self.data_dir.exists() else None
        me = caller()
        if owner is None or owner.uid == 0:
            return server_account(say)
        if me.uid not in {0, owner.uid}:
            raise PostgresProblem(
                _(
                    "The database folder %(data_dir)s belongs to %(owner)s and you are %(you)s: "
                    "run StockSync as its owner, or in a checkout of your own."
                )
                % {"data_dir": self.data_dir, "owner": owner.name, "you": me.name}
            )
        return owner

    def _initialise(self, account: Account, say: Callable[[str], None]) -> None:
        version = self.data_dir / "PG_VERSION"
        if version.exists():
            self._check_version(version.read_text().strip())
            return
        if self.data_dir.exists() and any(self.data_dir.iterdir()):
            raise PostgresProblem(
                _("%(data_dir)s holds files, but no PostgreSQL: move it away.")
                % {"data_dir": self.data_dir}
            )
        say(_("Making the database folder."))
        fresh = self.data_dir.with_name("data.new")  # renamed at the end: never half a folder
        shutil.rmtree(fresh, ignore_errors=True)
        command = [str(binaries.program("initdb")), "--pgdata", str(fresh), "--username", SUPERUSER]
        command += ["--encoding=UTF8", "--locale=C", "--data-checksums", "--auth=reject"]
        command += ["--no-instructions"] + ([] if self.sync_on_init else ["--no-sync"])
        answer = subprocess.run(
            command, capture_output=True, text=True, check=False, cwd="/", **account.demotion()
        )
        if answer.returncode:
            raise PostgresProblem(
                _("PostgreSQL's initdb failed: %(last_line)s")
                % {"last_line": _last_line(answer.stderr)}
            )
        with (fresh / "postgresql.conf").open("a") as file:
            file.write("\ninclude 'stocksync.conf'\n")
        if self.data_dir.exists():
            self.data_dir.rmdir()
        fresh.rename(self.data_dir)

    def _check_version(self, found: str) -> None:
        brought = binaries.major_version()
        if found != str(brought):
            raise PostgresProblem(
                _(
                    "The data folder %(data_dir)s was made by PostgreSQL %(found)s and this "
                    "StockSync brings PostgreSQL %(brought)s: write a backup with the StockSync "
                    "that made it (`manage.py backup FILE`), move the folder away, start, and "
                    "restore the file."
                )
                % {"data_dir": self.data_dir, "found": found, "brought": brought}
            )

    def _choose_socket_dir(self, account: Account, say: Callable[[str], None]) -> None:
        folder = self.run_dir / "postgres"
        longest = folder / ".s.PGSQL.65535.lock"
        # A comma would read as a list of folders to the client library.
        if len(os.fsencode(longest)) <= LONGEST_SOCKET_PATH and "," not in str(folder):
            self.socket_note.unlink(missing_ok=True)
        else:
            folder = self._temporary_socket_dir(account)
        _own_folder(folder, account)
        open_way(folder, account, say)

    def _temporary_socket_dir(self, account: Account) -> Path:
        noted = self.socket_dir
        if self.socket_note.exists() and not noted.is_symlink() and noted.is_dir():
            state = noted.stat()
            if state.st_uid == account.uid and state.st_mode & 0o077 == 0:
                return noted
        folder = Path(tempfile.mkdtemp(prefix="stocksync-"))
        self.socket_note.write_text(str(folder))
        return folder

    def _write_settings(self, account: Account) -> None:
        tcp = "127.0.0.1" if self.tcp_port_file.exists() else ""
        socket_dir = str(self.socket_dir).replace('"', '""').replace("'", "''")
        lines = [
            "# Written at every start.",
            f"listen_addresses = '{tcp}'",
            f"port = {self.port}",
            f"unix_socket_directories = '\"{socket_dir}\"'",
            "unix_socket_permissions = 0700",
            "timezone = 'UTC'",
            "log_timezone = 'UTC'",
            "max_connections = 100",
            "max_wal_size = '2GB'",
            *self.settings,
        ]
        # Root could take the account's place anyway, so that shutting it out would only annoy.
        names = {caller().name, account.name, "root"}
        idents = [f'stocksync "{name}" {role}' for name in names for role in (SUPERUSER, OWNER)]
        for name, text in (
            ("stocksync.conf", "\n".join(lines)),
            ("pg_hba.conf", HBA.format(reader=READER, reader_databases=self.reader_databases)),
            ("pg_ident.conf", "\n".join(sorted(idents))),
        ):
            path = self.data_dir / name
            fresh = path.with_suffix(".new")
            fresh.write_text(text.rstrip() + "\n")
            fresh.chmod(0o600)
            os.chown(fresh, account.uid, account.gid)
            fresh.rename(path)


def _own_folder(folder: Path, account: Account) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if folder.stat().st_uid != account.uid:
        os.chown(folder, account.uid, account.gid)
    folder.chmod(0o700)


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "it said nothing"
