"""Generated data are said loudly on every admin page."""

from __future__ import annotations

import pytest
from django.test import Client
from pytest_django import Settings

from datasync_app.models import SourceIdentity
from stocksync.up.preparation import warn_of_foreign_data

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    "path", ["/admin/", "/admin/datasync_app/syncledger/", "/admin/auth/user/"]
)
def test_every_page_names_a_generated_source(admin_client: Client, path: str) -> None:
    SourceIdentity.objects.create(identity="sandbox:42")
    page = admin_client.get(path).content.decode()
    assert "Generated data" in page and "sandbox:42" in page


def test_it_says_that_a_token_is_refused(admin_client: Client, settings: Settings) -> None:
    SourceIdentity.objects.create(identity="sandbox:42")
    assert "every sync is refused" not in admin_client.get("/admin/").content.decode()
    settings.TUSHARE_TOKEN, settings.TUSHARE_BASE_URL = "t" * 56, "https://tushare.invalid/dataapi"
    page = admin_client.get("/admin/").content.decode()
    assert "A token is set: every sync is refused until <code>manage.py go_live</code>" in page


@pytest.mark.parametrize(
    ("identity", "token", "refusal"),
    [
        ("sandbox:42", "t" * 56, "holds the generated data of sandbox:42"),
        ("tushare", "", "holds data of Tushare"),
    ],
)
def test_the_start_says_what_every_sync_is_refused_for(
    identity: str,
    token: str,
    refusal: str,
    settings: Settings,
    capsys: pytest.CaptureFixture[str],
) -> None:
    SourceIdentity.objects.create(identity=identity)
    settings.TUSHARE_TOKEN = token
    settings.TUSHARE_BASE_URL = "https://tushare.invalid/dataapi" if token else ""
    warn_of_foreign_data()
    said = capsys.readouterr().out
    assert said.startswith("stocksync: WARNING: every sync is refused. ") and refusal in said


def test_the_start_says_nothing_of_data_that_fit(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    SourceIdentity.objects.create(identity="sandbox:42")
    settings.TUSHARE_TOKEN = settings.TUSHARE_BASE_URL = ""
    warn_of_foreign_data()
    assert capsys.readouterr().out == ""


def test_real_data_need_no_banner(admin_client: Client) -> None:
    SourceIdentity.objects.create(identity="tushare")
    assert "Generated data" not in admin_client.get("/admin/").content.decode()


def test_an_empty_database_claims_nothing(admin_client: Client) -> None:
    assert "Generated data" not in admin_client.get("/admin/").content.decode()


def test_the_login_page_names_a_generated_source() -> None:
    SourceIdentity.objects.create(identity="sandbox:42")
    page = Client().get("/admin/login/").content.decode()
    assert "Generated data" in page and "sandbox:42" in page
