"""Stocks in the admin: found by code or name, one shown as a chart."""

from __future__ import annotations

import datetime as dt

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from datasync_app.models import Daily
from tests.datasync_app.factories import StockBasicFactory
from tests.scheduler_app.web import logged_in

pytestmark = pytest.mark.django_db

STOCKS = "/admin/datasync_app/stockbasic/"
CODE = "600000.SH"


@pytest.fixture
def staff() -> Client:
    return logged_in("view_stockbasic")


def text_of(client: Client, path: str) -> str:
    answer = client.get(path, follow=True)
    assert answer.status_code == 200
    return answer.content.decode()


def test_a_stock_is_found_by_code_or_name_and_leads_to_its_chart(staff: Client) -> None:
    StockBasicFactory.create(ts_code=CODE, name="浦发银行")
    StockBasicFactory.create(ts_code="000001.SZ", name="平安银行")
    for asked in ("6000", "浦发"):
        text = text_of(staff, f"{STOCKS}?q={asked}")
        assert f'href="{STOCKS}{CODE}/change/' in text
        assert "000001.SZ" not in text
    page = text_of(staff, f"{STOCKS}{CODE}/change/")
    assert f'data-bars="/api/stocks/{CODE}/bars"' in page
    assert "浦发银行" in page


def test_a_code_that_only_bars_tell_of_has_its_chart_too(staff: Client) -> None:
    Daily.objects.create(ts_code="689009.SH", trade_date=dt.date(2024, 1, 2))
    assert 'data-newest="2024-01-02"' in text_of(staff, f"{STOCKS}689009.SH/change/")


@pytest.mark.parametrize("code", ["999999.SH", "<script>alert(1)</script>", "a%00b", "'"])
def test_a_code_that_nobody_knows_is_said_in_a_sentence(staff: Client, code: str) -> None:
    text = text_of(staff, f"{STOCKS}{code}/change/")
    assert "There is neither a stock nor a bar of" in text
    assert "<script>alert" not in text


def test_it_takes_the_permission_to_see_stocks() -> None:
    StockBasicFactory.create(ts_code=CODE)
    other = logged_in("view_syncledger")
    for path in (STOCKS, f"{STOCKS}{CODE}/change/"):
        assert other.get(path).status_code == 403
        assert Client().get(path).status_code == 302


def test_stocks_are_read_only(staff: Client) -> None:
    StockBasicFactory.create(ts_code=CODE, name="浦发银行")
    assert staff.get(f"{STOCKS}add/").status_code == 403
    assert staff.post(f"{STOCKS}{CODE}/delete/").status_code == 403


def test_no_page_asks_more_of_a_longer_list(
    staff: Client, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for _size in range(2):
        StockBasicFactory.create_batch(30)
        with django_assert_max_num_queries(12):
            staff.get(STOCKS)
