"""The options of `manage.py sandbox`, from text. Each raises SandboxProblem with what is valid."""

from __future__ import annotations

import datetime as dt
import re

from django.utils.translation import gettext as _

from datasync_app.dates import parse_date
from datasync_app.protocol import ENDPOINTS
from datasync_app.sandbox.account import UNITS, Quota
from datasync_app.sandbox.clock import parse_moment
from datasync_app.sandbox.protocol import SandboxProblem
from datasync_app.sandbox.publication_plan import EVERY_DATE, PublicationPlan, Step
from datasync_app.sandbox.restatement_plan import RestatementPlan


def whole_number(option: str, text: str, least: int, most: int) -> int:
    if text.isascii() and text.isdecimal() and least <= int(text) <= most:
        return int(text)
    raise SandboxProblem(
        _("%(option)s is %(text)r; it must be a whole number from %(least)s to %(most)s.")
        % {"option": option, "text": text, "least": least, "most": most}
    )


def quotas(options: list[str]) -> dict[str, Quota]:
    found_quotas = {}
    for option in options:
        found = re.fullmatch(rf"(\w+)=(\d{{1,7}})/({'|'.join(UNITS)})", option, re.ASCII)
        if not found:
            raise SandboxProblem(
                _(
                    "--quota-of is %(option)r; it must be NAME=N/UNIT, as stock_basic=1/hour, with "
                    "a unit of %(units)s."
                )
                % {"option": option, "units": ", ".join(UNITS)}
            )
        found_quotas[found[1]] = Quota(int(found[2]), UNITS[found[3]])
    return found_quotas


def fault_rates(options: list[str]) -> dict[str, float]:
    rates = {}
    for option in options:
        name, _sign, rate = option.partition("=")
        try:
            rates[name] = float(rate)
        except ValueError:
            raise SandboxProblem(
                _("--fault is %(option)r; it must be NAME=RATE with a rate from 0 to 1.")
                % {"option": option}
            ) from None
    return rates


def published(options: list[str], seed: int) -> PublicationPlan:
    """daily_basic@20260316=18:40/60,19:20"""
    plan = PublicationPlan(seed)
    for option in options:
        found = re.fullmatch(r"(\w+)(?:@(\d{8}))?=([\d:/,]+)", option, re.ASCII)
        try:
            if not found or found[1] not in ENDPOINTS:
                raise ValueError
            date = found[2] or EVERY_DATE
            if date:
                parse_date(date)
            plan.script(found[1], date, *(_step(part) for part in found[3].split(",")))
        except ValueError:
            raise SandboxProblem(
                _(
                    "--publish is %(option)r; it must be NAME=TIME, NAME=TIME/PERCENT,TIME or with "
                    "a date, as daily_basic@20260316=18:40/60,19:20."
                )
                % {"option": option}
            ) from None
    return plan


def restated(options: list[str], seed: int) -> RestatementPlan:
    """adj_factor=1@2026-03-16T20:00"""
    plan = RestatementPlan(seed)
    for option in options:
        found = re.fullmatch(r"(\w+)=(\d{1,3}(?:\.\d{1,4})?)@(.+)", option, re.ASCII)
        if not found:
            raise SandboxProblem(
                _(
                    "--restate is %(option)r; it must be NAME=PERCENT@MOMENT, as "
                    "adj_factor=1@2026-03-16T20:00."
                )
                % {"option": option}
            )
        plan.restate(found[1], float(found[2]) / 100, since=parse_moment(found[3]))
    return plan


def _step(text: str) -> Step:
    """18:40/60, or 19:20 for all of it."""
    time, slash, percent = text.partition("/")
    share = float(percent) / 100 if slash else 1.0
    return dt.time.fromisoformat(time), share
