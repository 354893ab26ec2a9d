"""What goes wrong in the middle of a COPY is said as for any other statement."""

from __future__ import annotations

import pytest
from django.db import DataError, InternalError, OperationalError, connection, transaction

from datasync_app.engine.binary_copy import HEADER, TRAILER
from datasync_app.engine.copying import copying_into
from datasync_app.reports.content import copied


@pytest.mark.django_db
def test_what_the_server_refuses_is_an_error_of_the_database() -> None:
    with pytest.raises(DataError), transaction.atomic(), copying_into("daily", ["ts_code"]) as copy:
        copy.write(HEADER + b"\0\2" + TRAILER)


@pytest.mark.django_db(transaction=True)
def test_a_session_that_is_ended_in_the_middle_is_an_outage() -> None:
    connection.ensure_connection()
    other = connection.copy()
    try:
        with (
            pytest.raises(OperationalError),
            transaction.atomic(),
            copying_into("daily", ["ts_code"]) as copy,
        ):
            with other.cursor() as cursor:
                cursor.execute(
                    "SELECT pg_terminate_backend(%s, 10000)",
                    [connection.connection.info.backend_pid],
                )
            copy.write(HEADER + TRAILER)
    finally:
        other.close()
    connection.close_if_unusable_or_obsolete()
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM daily")
        assert cursor.fetchone() == (0,)


@pytest.mark.django_db
def test_a_report_that_reads_what_is_not_there_is_told_so_by_the_database() -> None:
    with pytest.raises((DataError, InternalError)), transaction.atomic():
        list(copied("SELECT 1 / (1 - generate_series(0, 100000))"))
