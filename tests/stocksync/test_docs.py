"""The reference names what exists, and only that."""

from __future__ import annotations

import re

import pytest
from django.core.management import get_commands

from stocksync.navigation import menu
from tests.browser.screenshots import CHINESE, DARK, FOLDER, PAGES, PHONE
from tests.processes import REPOSITORY

OURS = {"scheduler_app", "datasync_app", "stocksync"}


def text(path: str) -> str:
    return (REPOSITORY / path).read_text(encoding="utf-8")


def test_every_setting_that_is_read_is_in_the_reference_and_no_other() -> None:
    read_by = text("stocksync/environment.py") + text("stocksync/spoken.py")
    read = set(re.findall(r'"([A-Z][A-Z_]{3,})"', read_by))
    told = set(re.findall(r"`([A-Z][A-Z_]{3,})`", text("docs/reference/settings.md")))
    assert read == told


def test_every_command_of_ours_is_in_the_reference_and_no_other() -> None:
    exist = {name for name, app in get_commands().items() if app in OURS} - {"makemigrations"}
    rows = re.findall(r"^\| (`.+?) \|", text("docs/reference/commands.md"), re.MULTILINE)
    told = {word for row in rows for word in re.findall(r"`(\w+)", row)}
    assert exist == told


@pytest.mark.parametrize("path", ["README.md", "README.zh-CN.md"])
def test_what_the_readme_links_to_exists(path: str) -> None:
    links = re.findall(r"\]\((?!http)([^)#]+)\)", text(path))
    assert links
    for link in links:
        assert (REPOSITORY / link).exists(), link


def test_both_readmes_name_the_same_commands() -> None:
    english, chinese = (
        set(re.findall(r"manage\.py (\w+)", text(path)))
        for path in ("README.md", "README.zh-CN.md")
    )
    assert english == chinese


def test_every_picture_is_there_small_and_in_the_gallery() -> None:
    suffixes = {"": PAGES, "-dark": DARK, "-phone": PHONE, "-zh": CHINESE}
    taken = {f"{name}{suffix}.png" for suffix, names in suffixes.items() for name in names}
    stored = {path.name: path.stat().st_size for path in FOLDER.glob("*.png")}
    assert stored.keys() == taken
    assert {name: size for name, size in stored.items() if size > 150_000} == {}
    shown = re.findall(r"\]\(\.\./screenshots/([\w-]+\.png)\)", text("docs/how-to/gallery.md"))
    assert sorted(shown) == sorted(taken)


def test_every_page_of_the_menu_has_a_picture() -> None:
    taken = {where if isinstance(where, str) else where[0] for where in PAGES.values()}
    asked = {address.partition("?")[0] for address in taken}
    links = {str(item["link"]) for section in menu() for item in section["items"]}
    # Django's own, as everywhere.
    assert links - asked == {"/admin/auth/user/", "/admin/auth/group/"}
