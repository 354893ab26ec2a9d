"""`make run`, once everything is installed: check, prepare, and keep the programs running.

    .venv/bin/python -m stocksync.run

Stays in the foreground. Ctrl-C, SIGTERM and SIGHUP stop everything in order and end with 0.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
import urllib.error
import urllib.request

from stocksync.environment import (
    BASE_DIR,
    LOCAL_ZONE,
    Environment,
    EnvironmentProblem,
    read_environment,
)
from stocksync.postgres import server
from stocksync.postgres.cluster import Cluster
from stocksync.postgres.problems import PostgresProblem
from stocksync.spoken import spoken as _
from stocksync.up.checks import CannotStart, check_port, check_writable, take_run_lock
from stocksync.up.relay import Relay

SUPERVISOR = ["-m", "stocksync.up.supervised", "-c", "stocksync/up/supervisord.conf"]


def main() -> int:
    try:
        environment = read_environment()
        return run(environment)
    except (EnvironmentProblem, PostgresProblem, CannotStart) as problem:
        sys.stderr.write(f"stocksync: {problem}\n")
        return 1


def run(environment: Environment) -> int:
    """Bring everything up and stay until it is stopped."""
    run_dir = environment.var_dir / "run"
    check_writable(run_dir)
    take_run_lock(run_dir / "make-run.lock")
    check_port(environment.host, environment.port)
    tell_children(environment)
    relay = Relay(environment.var_dir / "log" / "stocksync.log", BASE_DIR)
    cluster = None if environment.database_url else Cluster(environment.var_dir)
    try:
        if cluster is not None:
            server.ensure(cluster, say=relay.say)
        code = relay.run(["-m", "stocksync.up.preparation"])
        if code == 0 and not relay.is_stopping():
            introduce(environment, relay)
            code = relay.run(SUPERVISOR) or 1  # it never ends by itself
        return 0 if relay.is_stopping() else code
    except PostgresProblem:
        if relay.is_stopping():  # a Ctrl-C ends initdb too
            return 0
        raise
    finally:
        if cluster is not None and not server.leave(cluster):
            relay.say(_("PostgreSQL stays up: another program uses it, and it goes with that one."))


def tell_children(environment: Environment) -> None:
    """What supervisord.conf and the programs read from the environment."""
    run_dir = environment.var_dir / "run"
    address = run_dir / "sandbox-address"
    address.unlink(missing_ok=True)  # a killed sandbox could not remove it
    wants_sandbox = not (environment.tushare_token or environment.tushare_base_url)
    os.environ |= {
        "STOCKSYNC_VAR": str(environment.var_dir),
        "STOCKSYNC_RUN_DIR": str(run_dir),
        "STOCKSYNC_USER": str(os.geteuid()),  # supervisord asks root to name it
        "STOCKSYNC_PYTHON": sys.executable,
        "STOCKSYNC_SANDBOX": "true" if wants_sandbox else "false",
        # What must be there before the scheduler starts its first sync.
        "STOCKSYNC_SOURCE": str(address if wants_sandbox else run_dir),
        "PYTHONUNBUFFERED": "1",
        "TZ": LOCAL_ZONE,  # as Django sets it in the programs that it runs in
    }


def introduce(environment: Environment, relay: Relay) -> None:
    """Say where to go, and once more when it answers."""
    host = "127.0.0.1" if environment.host in {"0.0.0.0", "::"} else environment.host  # noqa: S104
    address = f"http://{f'[{host}]' if ':' in host else host}:{environment.port}"
    password_file = environment.var_dir / "admin-password"
    relay.say(_("Admin:    %(address)s") % {"address": f"{address}/admin/"})
    relay.say(_("User:     %(name)s") % {"name": "admin"})
    if password_file.exists():
        relay.say(_("Password: written to %(file)s") % {"file": password_file})
    else:
        relay.say(_("Password: yours, its file is gone"))
    threading.Thread(target=_say_when_up, args=(address, relay), daemon=True).start()


def _say_when_up(address: str, relay: Relay) -> None:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    while not relay.is_stopping():
        try:
            with opener.open(f"{address}/healthz", timeout=5):
                relay.say(
                    _("Up: %(address)s answers. Ctrl-C stops everything.")
                    % {"address": f"{address}/admin/"}
                )
                return
        except (OSError, urllib.error.HTTPError):
            time.sleep(0.5)


if __name__ == "__main__":
    # A person's impatient Ctrl-C while modules are loaded is no error either.
    signal.signal(signal.SIGINT, lambda *_: os._exit(130))
    sys.exit(main())
