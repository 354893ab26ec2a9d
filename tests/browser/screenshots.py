"""Take the pictures of the README from a running `make run`: `make screenshots`."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

from tests.browser.conftest import ARGUMENTS
from tests.processes import REPOSITORY

FOLDER = REPOSITORY / "docs" / "screenshots"
PAGES = {
    "admin": "/admin/",
    "schedules": "/admin/scheduler_app/jobconfig/",
    "schedule": "/admin/scheduler_app/jobconfig/1/change/",
    "executions": "/admin/scheduler_app/executionlog/",
    "channel": "/admin/scheduler_app/notificationchannel/add/",
    "coverage": "/admin/datasync_app/syncledger/calendar/",
    "ledger": "/admin/datasync_app/syncledger/",
    "stocks": "/admin/datasync_app/stockbasic/",
    "calls": "/admin/datasync_app/callday/",
    "report": "/admin/datasync_app/syncledger/report/",
    "doctor": "/admin/doctor/",
}


def main() -> None:
    address = f"http://127.0.0.1:{os.environ.get('PORT', '8000')}"
    password = Path(os.environ.get("STOCKSYNC_VAR") or REPOSITORY / "var") / "admin-password"
    program = shutil.which("chromium")
    if program is None:
        sys.exit("Chromium is not installed (apt-get install chromium).")
    FOLDER.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=ARGUMENTS)
        page = browser.new_page(viewport={"width": 1280, "height": 860})
        page.goto(f"{address}/admin/login/")
        page.fill("#id_username", "admin")
        page.fill("#id_password", password.read_text().strip())
        page.click("button[type=submit]")
        for name, path in PAGES.items():
            page.goto(address + path)
            page.screenshot(path=FOLDER / f"{name}.png")
        browser.close()


if __name__ == "__main__":
    main()
