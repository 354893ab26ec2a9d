"""Chromium, driven by Playwright, against the live server. Nothing leaves this machine."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.test import Client
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Error,
    Page,
    Request,
    sync_playwright,
)
from pytest_django.live_server_helper import LiveServer

from tests.browser.chromium import ARGUMENTS


# Not for the session: while it runs, other tests of this process could not use asyncio.
@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    program = shutil.which("chromium")
    if program is None:
        missing = "Chromium is not installed (apt-get install chromium)."
        if os.environ.get("CI", "").lower() == "true":
            pytest.fail(missing)
        pytest.skip(missing)
    with sync_playwright() as playwright:
        # Playwright's own loop runs in this thread; Django would take its queries for async ones.
        before = os.environ.get("DJANGO_ALLOW_ASYNC_UNSAFE")
        os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
        browser = playwright.chromium.launch(executable_path=program, args=ARGUMENTS)
        yield browser
        browser.close()
        if before is None:
            del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]
        else:
            os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = before


def elsewhere(url: str) -> str:
    """What is wrong with a request to this address, if anything."""
    here = url.startswith(("http://127.0.0.1:", "http://localhost:", "data:"))
    return "" if here else f"a request left the machine: {url}"


@pytest.fixture(scope="package")
def visitor(chromium: Browser) -> BrowserContext:
    """One for all tests, so that scripts and styles are fetched and compiled once."""
    return chromium.new_context()


@pytest.fixture(scope="package")
def tab(visitor: BrowserContext) -> Page:
    """One for all tests, too: a new one is a new process, which compiles all of it again."""
    return visitor.new_page()


@pytest.fixture
def page(tab: Page) -> Iterator[Page]:
    """A page of a visitor that nobody knows. The test fails on a console error and on a request
    to elsewhere.
    """
    errors: list[str] = []

    def note(error: str) -> None:
        if error:
            errors.append(error)

    def note_message(message: ConsoleMessage) -> None:
        note(message.text if message.type == "error" else "")

    def note_error(error: Error) -> None:
        note(str(error))

    def note_request(request: Request) -> None:
        note(elsewhere(request.url))

    tab.set_viewport_size({"width": 1280, "height": 900})
    tab.emulate_media(media="null", color_scheme="null")
    tab.set_default_timeout(10_000)
    tab.on("console", note_message)
    tab.on("pageerror", note_error)
    tab.on("request", note_request)
    yield tab
    tab.evaluate("localStorage.clear()")
    tab.remove_listener("console", note_message)
    tab.remove_listener("pageerror", note_error)
    tab.remove_listener("request", note_request)
    # What a page goes on asking for would come in the middle of the next test.
    tab.goto("about:blank")
    tab.context.clear_cookies()
    assert errors == []


@pytest.fixture
def boss(page: Page, live_server: LiveServer, client: Client) -> Page:
    """A page that shows nothing yet, of somebody who has logged in and may do everything."""
    client.force_login(User.objects.create_superuser("boss"))
    cookie = client.cookies[settings.SESSION_COOKIE_NAME]
    page.context.add_cookies([{"name": cookie.key, "value": cookie.value, "url": live_server.url}])
    return page


@pytest.fixture
def admin_url(live_server: LiveServer) -> str:
    return f"{live_server.url}/admin/"
