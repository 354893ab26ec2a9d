"""While the database is away, pages say so."""

from __future__ import annotations

import pytest
from django.test import Client

from tests.scheduler_app.web import database_away

pytestmark = pytest.mark.django_db(transaction=True)


def test_an_admin_page_answers_503_with_a_sentence(admin_client: Client) -> None:
    with database_away():
        answer = admin_client.get("/admin/")
    assert answer.status_code == 503
    assert "The database does not answer" in answer.content.decode()
    assert answer.headers["Retry-After"] == "5"
    assert admin_client.get("/admin/").status_code == 200


def test_an_error_of_our_own_is_not_hidden_as_an_outage(
    admin_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: object, **kwargs: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("django.contrib.admin.sites.AdminSite.each_context", fail)
    with pytest.raises(ZeroDivisionError):
        admin_client.get("/admin/")
