"""Tushare's wire protocol as a server speaks it: the sandbox, and this service for its own data."""

from __future__ import annotations

from datasync_app.protocol.endpoints import (
    ENDPOINTS,
    Endpoint,
)
from datasync_app.protocol.refusals import (
    Refusal,
    bad_parameter,
    bad_token,
    missing_parameter,
    no_permission,
    no_permission_formerly,
    rate_exceeded,
    rate_exceeded_formerly,
    server_error,
    too_many_addresses,
    unknown_endpoint,
)
from datasync_app.protocol.requests import (
    Request,
    date_range,
    parse_request,
)

Rows = list[list[object]]

__all__ = [
    "ENDPOINTS",
    "Endpoint",
    "Refusal",
    "Request",
    "Rows",
    "bad_parameter",
    "bad_token",
    "date_range",
    "missing_parameter",
    "no_permission",
    "no_permission_formerly",
    "parse_request",
    "rate_exceeded",
    "rate_exceeded_formerly",
    "server_error",
    "too_many_addresses",
    "unknown_endpoint",
]
