"""The pages of the admin, in light and dark, on a desk and a phone: axe finds no serious fault, and
nothing is wider than the screen.

The suite looks at a page of each kind as a phone shows it in the dark, the soak at every page in all ways.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Literal

import pytest
from axe_playwright_python.base import AXE_FILE_PATH
from django.conf import settings
from django.contrib.auth.models import User
from django.test import Client
from playwright.sync_api import Page, ViewportSize
from pytest_django.live_server_helper import LiveServer

from tests.every_page import every_page, hold_rows, of_each_kind

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

DESK: ViewportSize = {"width": 1280, "height": 900}
PHONE: ViewportSize = {"width": 390, "height": 800}
AXE = AXE_FILE_PATH.read_text(encoding="utf-8")
SERIOUS = ("serious", "critical")
# The menu is the same on every page: it is looked at on the first one. What axe would load beforehand, all
# style sheets once more, is for rules that it only tries out.
LOOK = """(withMenu) => axe.run(
    {exclude: withMenu ? [] : [["#nav-sidebar"]]}, {resultTypes: ["violations"], preload: false}
)"""
# Wider than the page is what scrolls by itself.
WIDTH = "document.documentElement.scrollWidth"


@pytest.mark.parametrize(
    ("scheme", "size", "pages"),
    [
        # The narrowest and the darkest; the others differ in colours and columns alone.
        ("dark", PHONE, of_each_kind),
        pytest.param("dark", PHONE, every_page, marks=pytest.mark.soak),
        pytest.param("light", PHONE, every_page, marks=pytest.mark.soak),
        pytest.param("dark", DESK, every_page, marks=pytest.mark.soak),
        pytest.param("light", DESK, every_page, marks=pytest.mark.soak),
    ],
)
@pytest.mark.timeout(600)
def test_no_page_has_a_serious_fault(
    scheme: Literal["dark", "light"],
    size: ViewportSize,
    pages: Callable[[], Iterable[str]],
    page: Page,
    live_server: LiveServer,
    client: Client,
) -> None:
    boss = User.objects.create_superuser("boss")
    hold_rows(boss)
    client.force_login(boss)
    cookie = client.cookies[settings.SESSION_COOKIE_NAME]
    page.context.add_cookies([{"name": cookie.key, "value": cookie.value, "url": live_server.url}])
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size(size)
    addresses = list(pages())
    faults = []
    for address in addresses:
        page.goto(live_server.url + address)
        if (wide := page.evaluate(WIDTH)) > size["width"]:
            faults.append(f"{address} is {wide} pixels wide")
        found = serious(page, with_menu=address == addresses[0])
        faults += [f"{address}: {fault}" for fault in found]
    assert not faults, "\n".join(faults)


def test_the_page_of_a_login_has_no_serious_fault(page: Page, live_server: LiveServer) -> None:
    page.emulate_media(color_scheme="dark")
    page.goto(f"{live_server.url}/admin/login/")
    assert not serious(page, with_menu=True)


def serious(page: Page, *, with_menu: bool) -> list[str]:
    """What axe finds on the page, with the element that is at fault."""
    page.evaluate(AXE)
    result: Any = page.evaluate(LOOK, with_menu)
    return [
        f"{fault['id']}: {fault['help']}: {node['html'][:160]} {node.get('failureSummary', '')}"
        for fault in result["violations"]
        if fault["impact"] in SERIOUS
        for node in fault["nodes"][:3]
    ]
