"""Why a code has no row is stored in English, and told in the language of who reads."""

from __future__ import annotations

import pytest
from django.utils.translation import override

from datasync_app.datasets.rules import CLOSE_OUTSIDE, HIGH_BELOW_LOW
from datasync_app.engine import quarantine
from datasync_app.engine.checks import Reason
from datasync_app.engine.finance.judge import DISCLOSED, IN_QUARANTINE, NO_ROW_YET, NOT_DISCLOSED
from datasync_app.reasons import in_words
from datasync_app.reports.statement import Finding, What
from datasync_app.reports.words import lines_of

BROKEN = quarantine.QUARANTINED % {"rules": quarantine.reason((HIGH_BELOW_LOW, CLOSE_OUTSIDE))}


@pytest.mark.parametrize(
    ("stored", "told"),
    [
        ("suspended all day", "全天停牌"),
        (DISCLOSED % {"date": "20261020", "lacking": NO_ROW_YET},
         "已于 20261020 披露，数据源尚无该行"),
        (NOT_DISCLOSED % {"date": "20261031", "lacking": IN_QUARANTINE},
         "至 20261031 仍未披露，其数据行在隔离区"),
        (BROKEN, "已隔离：最高价低于最低价；收盘价不在最低价与最高价之间"),
        (quarantine.LATER_FETCH, "后来的拉取带来了合格的数据行"),
        ("a reason that nobody wrote", "a reason that nobody wrote"),
        ("", ""),
    ],
)  # fmt: skip
def test_a_reason_is_told_in_chinese(stored: str, told: str) -> None:
    with override("zh-hans"):
        assert in_words(stored) == told
    assert in_words(stored) == stored


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_of_the_market_has_its_words(reason: Reason) -> None:
    with override("zh-hans"):
        assert in_words(reason) != reason


def test_a_report_tells_its_exceptions_in_chinese() -> None:
    found = [
        Finding("20260106", What.ABSENT, Reason.SUSPENDED, ("600004.SH",)),
        Finding("20260105", What.QUARANTINE, f"600000.SH: {HIGH_BELOW_LOW.sentence}"),
    ]
    with override("zh-hans"):
        told = [line.reason for line in lines_of(found)]
    assert told == ["全天停牌: 600004.SH", "600000.SH: 最高价低于最低价"]
