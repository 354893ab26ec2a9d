"""Addresses that nothing can be sent to are refused with a sentence that does not repeat them."""

from __future__ import annotations

import pytest

from scheduler_app.notifications.addresses import BadAddress, service_of


@pytest.mark.parametrize(
    ("address", "service"),
    [
        ("wecombot://0123456789abcdef", "WeCom Bot"),
        ("dingtalk://0123456789abcdef", "DingTalk"),
        ("mailtos://user:password@example.com", "E-Mail"),
        ("jsons://example.com/hook", "JSON"),
    ],
)
def test_the_service_of_an_address_is_known(address: str, service: str) -> None:
    assert service_of(address, "messages") == service


def test_feishu_is_known() -> None:
    assert service_of("feishu://0123-4567-89ab", "messages")


@pytest.mark.parametrize(
    ("address", "sentence"),
    [
        ("hunter2", "begins with no word and ://, is none that can be used"),
        ("nonesuch://hunter2", "begins with nonesuch://, is none that can be used"),
        ("jsons://example.com/hunter2?verify=no", "certificates are always verified"),
        ("jsons://" + "hunter2" * 400, "it takes at most 2000"),
    ],
)
def test_an_address_for_messages_is_refused(address: str, sentence: str) -> None:
    with pytest.raises(BadAddress, match=sentence) as problem:
        service_of(address, "messages")
    assert "hunter2" not in str(problem.value)


@pytest.mark.parametrize("url", ["https://hc-ping.com/uuid", "http://127.0.0.1:8000/ping/x"])
def test_a_url_can_be_pinged(url: str) -> None:
    assert service_of(url, "heartbeat") in ("hc-ping.com", "127.0.0.1")


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/hunter2",
        "hunter2",
        "ftp://h/hunter2",
        "https:///hunter2",
        "http://[hunter2",
    ],
)
def test_what_is_no_such_url_is_not_pinged(url: str) -> None:
    with pytest.raises(BadAddress, match="cannot be pinged") as problem:
        service_of(url, "heartbeat")
    assert "hunter2" not in str(problem.value)
