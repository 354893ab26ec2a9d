"""A tiny market whose companies disclose and report what a test wants them to."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping

from datasync_app.dates import SHANGHAI
from datasync_app.protocol import Rows
from tests.datasync_app.tiny_market import TinyMarket

DISCLOSURE = ("ts_code", "ann_date", "end_date", "pre_date", "actual_date", "modify_date")
REPORT = ("ts_code", "ann_date", "end_date", "eps", "roe", "update_flag")
FILTERS = {"period": "end_date"}


class TinyReports(TinyMarket):
    """`listed` maps codes to their listing and delisting dates; the rest are rows as they are sent."""

    def __init__(self, codes: int = 3) -> None:
        super().__init__(codes)
        self.listed: dict[str, tuple[str, str | None]] = dict.fromkeys(
            self.codes, ("20000104", None)
        )
        self.disclosures: list[dict[str, str | None]] = []
        self.reports: list[list[object]] = []

    def serves(self, api_name: str) -> bool:
        return api_name in self._answers() or super().serves(api_name)

    def default_fields(self, api_name: str) -> tuple[str, ...]:
        return self.rows(api_name, {})[0]

    def rows(self, api_name: str, params: Mapping[str, str]) -> tuple[tuple[str, ...], Rows]:
        answers = self._answers()
        if api_name not in answers:
            return super().rows(api_name, params)
        fields, items = answers[api_name]
        return fields, [
            item for item in items if _matches(dict(zip(fields, item, strict=True)), params)
        ]

    def _answers(self) -> dict[str, tuple[tuple[str, ...], Rows]]:
        disclosures: Rows = [[row.get(name) for name in DISCLOSURE] for row in self.disclosures]
        return {
            "disclosure_date": (DISCLOSURE, disclosures),
            "fina_indicator": (REPORT, self.reports),
            "fina_indicator_vip": (REPORT, self.reports),
        }

    def _stocks(self, params: Mapping[str, str]) -> Rows:
        status = params.get("list_status", "L")
        return [
            [code, code[:6], code, "D" if gone else "L", since, gone]
            for code, (since, gone) in self.listed.items()
            if ("D" if gone else "L") == status
        ]

    def plan(self, code: str, period: str, pre: str) -> None:
        self.disclosures.append(
            {"ts_code": code, "end_date": period, "ann_date": period, "pre_date": pre}
        )

    def disclose(self, code: str, period: str, day: str, *, pre: str = "") -> None:
        """It published that report on that day."""
        self.disclosures = [
            row for row in self.disclosures if (row["ts_code"], row["end_date"]) != (code, period)
        ]
        self.plan(code, period, pre or day)
        self.disclosures[-1]["actual_date"] = day

    def report(
        self, code: str, period: str, ann: str | None, eps: object = 1.0, *, flag: str | None = "0"
    ) -> None:
        """The source has the figures of it."""
        self.reports.append([code, ann, period, eps, 10.0, flag])


def _matches(row: Mapping[str, object], params: Mapping[str, str]) -> bool:
    exact = dict(params)
    if "start_date" in exact:
        first, last = exact.pop("start_date"), exact.pop("end_date")
        if not first <= str(row["end_date"]) <= last:
            return False
    return all(str(row[FILTERS.get(name, name)]) == value for name, value in exact.items())


class Clock:
    """The time of the test, moved by hand."""

    def __init__(self, text: str) -> None:
        self.set(text)

    def set(self, text: str) -> None:
        self.now = dt.datetime.strptime(text, "%Y%m%d %H:%M").replace(tzinfo=SHANGHAI)

    def __call__(self) -> dt.datetime:
        return self.now
