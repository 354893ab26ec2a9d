from __future__ import annotations

from collections.abc import Callable

import pytest

from datasync_app.tushare.client import TushareClient
from datasync_app.tushare.latency import Latencies, calls_to_hide
from tests.datasync_app.tushare.faulty_server import ROWS, FaultyServer, answer


@pytest.mark.parametrize(
    ("latency", "limit", "calls"),
    [(0.3, 195, 2), (0.3, 490, 4), (1.0, 490, 10), (0.001, 45, 2), (5.0, 490, 42), (9.0, 980, 48)],
)
def test_it_has_as_many_calls_under_way_as_hide_the_latency(
    latency: float, limit: int, calls: int
) -> None:
    assert calls_to_hide(latency, limit, 60) == calls


def test_nine_of_ten_calls_were_faster() -> None:
    latencies = Latencies()
    for milliseconds in range(1, 101):
        latencies.note("daily", milliseconds / 1000)

    assert latencies.p90("daily") == 0.09


def test_it_forgets_what_is_long_ago() -> None:
    latencies = Latencies()
    for seconds in [5.0] * 50 + [0.2] * 100:
        latencies.note("daily", seconds)

    assert latencies.p90("daily") == 0.2


def test_an_endpoint_that_was_never_called_takes_what_the_others_took() -> None:
    latencies = Latencies()
    assert latencies.p90("daily") == 0.5
    latencies.note("adj_factor", 2.0)

    assert latencies.p90("daily") == 2.0


def test_a_client_measures_its_calls(
    serve: Callable[..., FaultyServer], connect: Callable[..., TushareClient]
) -> None:
    client = connect(serve(answer(ROWS)).url, max_calls=980)
    assert client.calls_in_flight("daily") == 10

    client.fetch("daily", {}, ["close"])

    assert client.calls_in_flight("daily") == 2
