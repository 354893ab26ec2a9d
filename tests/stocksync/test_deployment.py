"""The deployment files speak of what is there."""

from __future__ import annotations

import configparser
import re

import yaml

from stocksync.environment import BASE_DIR

DEPLOY = BASE_DIR / "deploy"


def test_it_starts_prepare_web_scheduler_and_two_workers_in_containers() -> None:
    services = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]
    assert set(services) == {"db", "prepare", "web", "scheduler", "worker"}
    assert services["scheduler"]["command"] == ["python", "manage.py", "runscheduler"]
    assert services["worker"]["command"] == ["python", "manage.py", "procrastinate", "worker"]
    assert services["worker"]["deploy"]["replicas"] == 2
    for name in ("prepare", "web", "scheduler", "worker"):
        assert services[name]["environment"]["SCHEDULER_DISPATCH"] == "procrastinate"
    for name in ("web", "scheduler", "worker"):
        awaited = services[name]["depends_on"]["prepare"]["condition"]
        assert awaited == "service_completed_successfully"


def test_it_copies_what_exists_into_the_image() -> None:
    copies = re.findall(r"^COPY (.+) \S+$", (DEPLOY / "Dockerfile").read_text(), re.MULTILINE)
    copied = [name for names in copies for name in names.split()]
    assert copied
    assert all((BASE_DIR / name).exists() for name in copied)


def test_it_runs_the_runner_under_systemd() -> None:
    unit = configparser.ConfigParser(strict=False)
    unit.optionxform = str  # type: ignore[method-assign, assignment]
    unit.read(DEPLOY / "stocksync.service")
    assert unit["Service"]["ExecStart"].endswith("/.venv/bin/python -m stocksync.run")
    assert unit["Service"]["KillMode"] == "mixed"
