"""Generated data are said loudly on every admin page."""

from __future__ import annotations

import pytest
from django.test import Client

from datasync_app.models import SourceIdentity

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    "path", ["/admin/", "/admin/datasync_app/syncledger/", "/admin/auth/user/"]
)
def test_every_page_names_a_generated_source(admin_client: Client, path: str) -> None:
    SourceIdentity.objects.create(identity="sandbox:42")
    page = admin_client.get(path).content.decode()
    assert "Generated data" in page and "sandbox:42" in page


def test_real_data_need_no_banner(admin_client: Client) -> None:
    SourceIdentity.objects.create(identity="tushare")
    assert "Generated data" not in admin_client.get("/admin/").content.decode()


def test_an_empty_database_claims_nothing(admin_client: Client) -> None:
    assert "Generated data" not in admin_client.get("/admin/").content.decode()
