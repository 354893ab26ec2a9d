"""Whom the server runs as: the caller, or, for root, a system account that is made once."""

from __future__ import annotations

import os
import pwd
import shutil
import stat
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stocksync.postgres.problems import PostgresProblem
from stocksync.spoken import spoken as _

SYSTEM_ACCOUNT = "stocksync-postgres"


@dataclass(frozen=True)
class Account:
    """An account of the operating system."""

    name: str
    uid: int
    gid: int

    @property
    def is_caller(self) -> bool:
        return self.uid == os.geteuid()

    def demotion(self) -> dict[str, Any]:
        """What `subprocess` needs to start a program as this account."""
        if self.is_caller:
            return {}
        return {"user": self.uid, "group": self.gid, "extra_groups": []}


def caller() -> Account:
    """The account this process runs as."""
    uid = os.geteuid()
    try:
        return _account(pwd.getpwuid(uid))
    except KeyError:
        raise PostgresProblem(
            _(
                "User id %(uid)s has no name on this machine and PostgreSQL needs one: use a "
                "named account, or set DATABASE_URL to a server of your own."
            )
            % {"uid": uid}
        ) from None


def owner_of(path: Path) -> Account:
    """The account that owns a file or folder; a nameless one goes by its number."""
    state = path.stat()
    try:
        return _account(pwd.getpwuid(state.st_uid))
    except KeyError:
        return Account(str(state.st_uid), state.st_uid, state.st_gid)


def server_account(say: Callable[[str], None]) -> Account:
    """The account for the server: the caller, or for root the system account, made when missing."""
    me = caller()
    if me.uid != 0:
        return me
    try:
        return _account(pwd.getpwnam(SYSTEM_ACCOUNT))
    except KeyError:
        return _made(say)


def _account(entry: pwd.struct_passwd) -> Account:
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)


def _made(say: Callable[[str], None]) -> Account:
    command = ["useradd", "--system", "--user-group", "--no-create-home"]
    command += ["--home-dir", "/nonexistent", "--shell", "/usr/sbin/nologin", SYSTEM_ACCOUNT]
    if shutil.which("useradd") is None:  # BusyBox systems
        command = ["adduser", "-S", "-D", "-H", SYSTEM_ACCOUNT]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, check=False)
        reason = answer.stderr.strip() or f"{command[0]} ended with {answer.returncode}"
    except OSError as error:
        reason = f"{command[0]}: {error.strerror}"
    try:
        # Asked again whatever the answer was: another process may have made it just now.
        account = _account(pwd.getpwnam(SYSTEM_ACCOUNT))
    except KeyError:
        raise PostgresProblem(
            _(
                "PostgreSQL refuses to run as root, and the system account %(account)s "
                "could not be made (%(reason)s): make it yourself, or run StockSync as an "
                "ordinary user."
            )
            % {"account": SYSTEM_ACCOUNT, "reason": reason}
        ) from None
    say(
        _("PostgreSQL does not run as root: made the system account %(account)s for it.")
        % {"account": SYSTEM_ACCOUNT}
    )
    return account


def open_way(path: Path, account: Account, say: Callable[[str], None]) -> None:
    """Let the account pass through the parents of `path`: they get o+x at most, and it is said."""
    if account.is_caller:
        return
    for folder in reversed(path.parents):
        state = folder.stat()
        if account.uid == state.st_uid or state.st_mode & stat.S_IXOTH:
            continue
        try:
            folder.chmod(stat.S_IMODE(state.st_mode) | stat.S_IXOTH)
        except OSError as error:
            raise PostgresProblem(
                _(
                    "The account %(name)s cannot pass through %(folder)s (%(strerror)s): allow it "
                    "with `chmod o+x %(folder)s`."
                )
                % {"name": account.name, "folder": folder, "strerror": error.strerror}
            ) from None
        say(
            _("Opened %(folder)s for passing through (chmod o+x), so that %(name)s gets to it.")
            % {"folder": folder, "name": account.name}
        )
