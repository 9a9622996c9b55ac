"""The store behind the service: scan, count, purge, and whether anything is still open in it.

The scan streams from one snapshot in a read-only transaction, so its memory does not grow with the run. Rows
of a run are those whose op_id begins with `<run id>-`, as a range that the bytewise index serves.

Not covered: vessels' latest positions of before the run (a purge takes the run's away and puts none back; the
kit's vessels exist in drills only).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import groupby
from typing import Any, Final

import psycopg

from harness.drive.target.port import DriveError, StoredWrite
from porttrack.kit.stored import (
    CALL_FIELDS,
    REPORT_FIELDS,
    STAMP_FIELDS,
    CallRow,
    PositionRow,
    StampRow,
    call_writes,
    position_writes,
    stamp_writes,
)

CONNECT_S_MAX: Final = 5
STATEMENT_S_MAX: Final = 30  # a scan's first row or a purge of a long run; milliseconds after a trial of minutes
_APPLICATION_NAME: Final = "porttrack-kit"
_FETCH_ROWS: Final = 2000
_RUN: Final = "op_id >= %(low)s AND op_id < %(high)s"
# Every table with rows of a run, and nothing that refers to another: the order does not matter.
_TABLES: Final = ("positions", "vessels", "port_calls", "port_call_history", "timestamps")

_POSITIONS: Final = (
    f"SELECT batch_id, op_id, ordinal, source, {', '.join(REPORT_FIELDS)}, release FROM positions"
    f" WHERE {_RUN} ORDER BY source, batch_id, ordinal"
)
_CALLS: Final = (
    f"SELECT call_id, op_id, {', '.join(CALL_FIELDS)}, release FROM port_call_history WHERE {_RUN} ORDER BY call_id, id"
)
_STAMPS: Final = (
    f"SELECT id, op_id, {', '.join(STAMP_FIELDS)}, release FROM timestamps WHERE {_RUN} ORDER BY port_call, put_order"
)


def store_scan(store_dsn: str, run_id: str) -> Iterator[StoredWrite]:
    """See TargetKit."""
    with _connection(store_dsn) as connection:
        connection.read_only = True
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        rows = (PositionRow(*row) for row in _stream(connection, "positions", _POSITIONS, run_id))
        for _, of_source in groupby(rows, key=lambda row: row.source):
            yield from position_writes(of_source)
        calls = _stream(connection, "calls", _CALLS, run_id)
        for call_id, history in groupby(calls, key=lambda row: row[0]):
            yield from call_writes(str(call_id), [CallRow(*row[1:]) for row in history])
        stamps = (_stamp(row) for row in _stream(connection, "stamps", _STAMPS, run_id))
        for _, of_call in groupby(stamps, key=lambda row: row.port_call):
            yield from stamp_writes(of_call)


def count_rows(store_dsn: str, run_id: str) -> int:
    """See TargetKit."""
    with _connection(store_dsn) as connection:
        return _count(connection, run_id)


def purge(store_dsn: str, run_id: str) -> int:
    """See TargetKit."""
    with _connection(store_dsn) as connection:
        for table in _TABLES:
            connection.execute(f"DELETE FROM {table} WHERE {_RUN}", _range(run_id))
        connection.commit()
        return _count(connection, run_id)


def open_transactions(store_dsn: str) -> int:
    """Transactions of the service's sessions that are open now, in the database of the DSN.

    DriveError where the DSN's user may not see them: what cannot be seen is not zero.
    """
    with _connection(store_dsn) as connection:
        hidden, count = _one(
            connection,
            "SELECT count(*) FILTER (WHERE state IS NULL), count(*) FILTER (WHERE xact_start IS NOT NULL)"
            " FROM pg_stat_activity WHERE application_name LIKE 'porttrack-%%' AND datname = current_database()"
            " AND application_name NOT IN (%(kit)s, 'porttrack-migrate')",
            {"kit": _APPLICATION_NAME},
        )
    if hidden:
        raise DriveError(
            f"{hidden} sessions of the service are hidden from the store's user: grant it pg_read_all_stats"
        )
    return int(count)


def _count(connection: psycopg.Connection[Any], run_id: str) -> int:
    counts = " + ".join(f"(SELECT count(*) FROM {table} WHERE {_RUN})" for table in _TABLES)
    return int(_one(connection, f"SELECT {counts}", _range(run_id))[0])


def _range(run_id: str) -> dict[str, str]:
    """`-` and the character after it: exactly what begins with `<run id>-`."""
    assert run_id, "an empty run id would name other people's rows"
    return {"low": f"{run_id}-", "high": f"{run_id}."}


@contextmanager
def _connection(store_dsn: str) -> Iterator[psycopg.Connection[Any]]:
    """A connection with bounded waits, closed at the end; DriveError for anything the store refuses."""
    try:
        with psycopg.connect(
            store_dsn,
            connect_timeout=CONNECT_S_MAX,
            application_name=_APPLICATION_NAME,
            options=f"-c statement_timeout={STATEMENT_S_MAX * 1000} -c timezone=UTC",
        ) as connection:
            yield connection
    except psycopg.Error as error:
        raise DriveError(
            f"store: {type(error).__name__}: {error}; check the store's DSN and its user's rights"
        ) from error


def _stream(connection: psycopg.Connection[Any], name: str, query: str, run_id: str) -> Iterator[tuple[Any, ...]]:
    """Rows from a cursor that lives in the server; binary, so floats come exactly as they are stored."""
    with connection.cursor(name, binary=True) as cursor:
        cursor.itersize = _FETCH_ROWS
        cursor.execute(query, _range(run_id))
        yield from cursor


def _stamp(row: tuple[Any, ...]) -> StampRow:
    stamp_id, request_id, port_call, *rest = row
    return StampRow(str(stamp_id), request_id, str(port_call), *rest)


def _one(connection: psycopg.Connection[Any], query: str, arguments: Mapping[str, str]) -> tuple[Any, ...]:
    row = connection.execute(query, arguments).fetchone()
    assert row is not None, "an aggregate always has a row"
    return tuple(row)
