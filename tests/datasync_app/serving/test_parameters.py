"""Every documented parameter of every endpoint means what it means to the source, as does the document."""

from __future__ import annotations

import json

import pytest
import requests
from pandas.testing import assert_frame_equal

from datasync_app.protocol import ENDPOINTS
from datasync_app.serving.tables import TABLES
from tests.datasync_app.serving.conftest import Pair
from tests.datasync_app.serving.test_same_frames import base_params

pytestmark = pytest.mark.django_db

PARAMETERS = [
    (api_name, name) for api_name in sorted(TABLES) for name in ENDPOINTS[api_name].filters
]
RANGED = sorted(
    name for name in TABLES if ENDPOINTS[name].date_field and not name.startswith("fina_")
)
# Every report of one quarter is held, of which some are still to come.
MARKED = {"allow_incomplete": "1"}


@pytest.mark.parametrize(("api_name", "name"), PARAMETERS, ids=str)
def test_a_parameter_chooses_the_rows_that_the_source_chooses(
    pair: Pair, api_name: str, name: str
) -> None:
    params = base_params(pair, api_name)
    column = ENDPOINTS[api_name].renamed.get(name, name)
    every = pair.source.query(api_name, **params, fields=column)[column].dropna()
    assert len(every)
    params[name] = str(every.iloc[len(every) // 2])
    theirs = pair.source.query(api_name, **params)
    if api_name == "namechange":
        theirs = theirs.drop_duplicates(ignore_index=True)
    assert len(theirs)
    assert_frame_equal(pair.ours.query(api_name, **(params | MARKED)), theirs)


@pytest.mark.parametrize("api_name", RANGED)
def test_a_range_of_dates_takes_both_its_ends(pair: Pair, api_name: str) -> None:
    params = base_params(pair, api_name)
    for date in ("trade_date", "start_date", "end_date"):
        params.pop(date, None)
    params |= {"start_date": "20251202", "end_date": "20251204"}
    if api_name in {"dc_index", "dc_member"}:  # only the last day is held
        params |= {"start_date": "20251210", "end_date": "20251210"}
    if api_name == "namechange":
        params |= {"start_date": "20200101", "end_date": "20251210"}
    theirs = pair.source.query(api_name, **params)
    if api_name == "namechange":
        theirs = theirs.drop_duplicates(ignore_index=True)
    assert len(theirs)
    assert_frame_equal(pair.ours.query(api_name, **(params | MARKED)), theirs)


@pytest.mark.parametrize(
    "params",
    [
        {"trade_date": "20251203"},
        {"trade_date": "20251203", "limit": 10, "offset": 5},
        {"trade_date": "20251203", "offset": "1000"},
        {"trade_date": "20251206"},
        {"trade_date": "20251203", "ts_type_name": "http://127.0.0.1/dataapi", "ts_code": ""},
        {"trade_date": "20251203", "ts_code": ["600000.SH", "000001.SZ"]},
    ],
    ids=str,
)
@pytest.mark.parametrize("path", ["/dataapi/daily", "/dataapi"])
def test_the_whole_document_is_that_of_the_source(
    pair: Pair, path: str, params: dict[str, object]
) -> None:
    """To the kind of each number; only the id of the request is its own."""

    def document(url: str, token: str) -> dict[str, object]:
        body = {"api_name": "daily", "token": token, "params": params, "fields": ""}
        answer = requests.post(f"{url}{path}", json=body, timeout=30)
        assert answer.status_code == 200
        told: dict[str, object] = answer.json()
        assert len(str(told.pop("request_id"))) == 36
        return told

    source = pair.source._DataApi__http_url.removesuffix("/dataapi")
    ours = document(pair.url, pair.token)
    assert json.dumps(ours, sort_keys=True) == json.dumps(document(source, "any"), sort_keys=True)
