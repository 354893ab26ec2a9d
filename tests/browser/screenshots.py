"""Take the pictures of the documentation of a product that is brought up for them: `make screenshots`.

It takes some minutes: the product syncs a market with faults first, so that every page has something
to show, and is gone afterwards. Each page is asked for as a person finds it: of a list the newest row.
The pictures in Chinese are taken where a Chinese font is installed.
"""

from __future__ import annotations

import datetime as dt
import io
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

from datasync_app.dates import SHANGHAI
from tests.acceptance.running_product import RunningProduct
from tests.browser.chromium import ARGUMENTS
from tests.browser.demonstration import demonstration
from tests.processes import REPOSITORY

FOLDER = REPOSITORY / "docs" / "screenshots"
DATA, SCHEDULER = "/admin/datasync_app", "/admin/scheduler_app"
NOW = dt.datetime.now(SHANGHAI)
TODAY, MONTH_AGO = f"{NOW:%Y%m%d}", f"{NOW - dt.timedelta(days=31):%Y%m%d}"
# A page; or a list, and which of its links is followed.
PAGES: dict[str, str | tuple[str, ...]] = {
    "admin": "/admin/",
    "schedules": f"{SCHEDULER}/jobconfig/",
    "schedule": (f"{SCHEDULER}/jobconfig/?q=", "sync_daily_by_date"),
    "versions": (f"{SCHEDULER}/jobconfig/?q=", "sync_daily_by_date", "history/"),
    "executions": f"{SCHEDULER}/executionlog/",
    "execution": (f"{SCHEDULER}/executionlog/?status__exact=FAILED", "sync_incremental_finance"),
    "running": (f"{SCHEDULER}/executionlog/?status__exact=RUNNING", "sync_daily_history"),
    "channels": f"{SCHEDULER}/notificationchannel/",
    "channel": f"{SCHEDULER}/notificationchannel/add/",
    "messages": f"{SCHEDULER}/notification/",
    "coverage": f"{DATA}/syncledger/calendar/?dataset=daily",
    "report": f"{DATA}/syncledger/report/?dataset=daily&dataset=adj_factor&start={MONTH_AGO}&end={TODAY}",
    "ledger": f"{DATA}/syncledger/",
    "cell": (f"{DATA}/syncledger/?state__exact=partial", ""),
    "stocks": f"{DATA}/stockbasic/?list_status=L",
    "stock": (f"{DATA}/stockbasic/?list_status__exact=L&o=6", "60"),
    "tasks": f"{DATA}/synctask/",
    "failures": f"{DATA}/syncfailurerecord/",
    "restatements": f"{DATA}/syncrestatement/",
    "quarantine": f"{DATA}/syncquarantine/",
    "broken": (f"{DATA}/syncquarantine/", ""),
    "endpoints": f"{DATA}/endpointaccess/",
    "calls": f"{DATA}/callday/",
    "journal": f"{DATA}/tusharecall/",
    "accounts": f"{DATA}/tushareaccount/",
    "tokens": "/admin/knox/authtoken/",
    "doctor": "/admin/doctor/",
    "api": "/api/docs/",
}
DARK: tuple[str, ...] = ("admin", "stock")
PHONE: tuple[str, ...] = ("admin", "coverage", "failures")
CHINESE: tuple[str, ...] = ("admin", "schedules", "stock", "broken", "api")
# What a reader sees first; the others show what is done about trouble, too.
WELL: tuple[str, ...] = ("admin", "running")
SIZE = {"width": 1280, "height": 860}
PHONE_SIZE = {"width": 390, "height": 844}
COLORS = 128
ROW = "#result_list tbody tr:has-text('{text}') :is(th, td) a"


def main() -> None:
    program = shutil.which("chromium")
    if program is None:
        sys.exit("Chromium is not installed (apt-get install chromium).")
    with (
        tempfile.TemporaryDirectory() as folder,
        demonstration(Path(folder)) as views,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=program, args=ARGUMENTS)
        for product, is_well in zip(views, (True, False), strict=True):
            take_all(partial(log_in, browser, product), is_well=is_well)
        browser.close()


def take_all(logged_in: Callable[..., Page], *, is_well: bool) -> None:
    """The pictures of a product with which all is well, or the others."""

    def chosen(names: Iterable[str]) -> tuple[str, ...]:
        return tuple(name for name in names if (name in WELL) == is_well)

    take(logged_in(), chosen(PAGES), "")
    take(logged_in(color_scheme="dark"), chosen(DARK), "-dark")
    take(logged_in(viewport=PHONE_SIZE, color_scheme="dark"), chosen(PHONE), "-phone")
    if has_chinese_font():
        take(logged_in(locale="zh-CN"), chosen(CHINESE), "-zh")
    elif is_well:
        sys.stdout.write("No Chinese font: no Chinese pictures (fonts-wqy-microhei).\n")


def log_in(browser: Browser, product: RunningProduct, **options: object) -> Page:
    address = f"http://127.0.0.1:{product.port}"
    given = {"viewport": SIZE, "locale": "en-GB", "base_url": address, **options}
    page = browser.new_page(**given)  # type: ignore[arg-type]  # as Playwright names them
    page.goto("/admin/login/")
    page.fill("#id_username", "admin")
    page.fill("#id_password", product.admin_password().strip())
    page.click("button[type=submit]")
    return page


def take(page: Page, names: tuple[str, ...], suffix: str) -> None:
    for name in names:
        if not open_page(page, PAGES[name]):
            sys.stdout.write(f"{name}: the list has no such row, so there is no picture\n")
            continue
        page.wait_for_load_state("networkidle")
        store(page.screenshot(), FOLDER / f"{name}{suffix}.png")


def open_page(page: Page, where: str | tuple[str, ...]) -> bool:
    if isinstance(where, str):
        page.goto(where)
        return True
    page.goto(where[0])
    link = page.locator(ROW.format(text=where[1])).first
    if not link.count():
        return False
    target = link.get_attribute("href") or ""
    if len(where) > 2:
        target = target.partition("change/")[0] + where[2]
    page.goto(target)
    return True


def store(picture: bytes, path: Path) -> None:
    """With few colours: pages have few, and a repository keeps every picture for ever."""
    image = Image.open(io.BytesIO(picture)).convert("RGB")
    image.quantize(COLORS, dither=Image.Dither.NONE).save(path, optimize=True)


def has_chinese_font() -> bool:
    found = subprocess.run(["fc-list", ":lang=zh-cn"], capture_output=True, text=True, check=False)
    return bool(found.stdout.strip())


if __name__ == "__main__":
    main()
