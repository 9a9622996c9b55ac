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

import msgspec
import psycopg

from harness.drive.target.port import DriveError, StoredWrite
from porttrack.kit import invariants
from porttrack.kit.profiles import CARGO_MOVE, MOVEMENT, STAFF_ASSIGNMENT
from porttrack.kit.stored import (
    CALL_FIELDS,
    LOGS,
    REPORT_FIELDS,
    ROUTE_FIELDS,
    STAMP_FIELDS,
    CallRow,
    LogKind,
    PositionRow,
    RouteRow,
    StampRow,
    call_writes,
    log_writes,
    position_writes,
    route_writes,
    stamp_writes,
)

CONNECT_S_MAX: Final = 5
STATEMENT_S_MAX: Final = 30  # a scan's first row or a purge of a long run; milliseconds after a trial of minutes
_APPLICATION_NAME: Final = "porttrack-kit"
_FETCH_ROWS: Final = 2000
_RUN: Final = "op_id >= %(low)s AND op_id < %(high)s"
# Every table with rows of a run, and nothing that refers to another: the order does not matter.
_TABLES: Final = (
    *("positions", "vessels", "port_calls", "port_call_history", "timestamps", "sea_routes"),
    *(log.table for log in LOGS.values()),
    *("cargo_inventory", "stays"),
)

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

_ROUTES: Final = (
    f"SELECT id, op_id, {', '.join(ROUTE_FIELDS)}, release FROM sea_routes WHERE {_RUN} ORDER BY port_call, put_order"
)
_INVENTORY: Final = f"SELECT port_call::text, container, op_id, balance FROM cargo_inventory WHERE {_RUN}"
_INSIDE: Final = f"SELECT mmsi, op_id FROM stays WHERE inside AND {_RUN}"


def store_scan(store_dsn: str, run_id: str) -> Iterator[StoredWrite]:
    """See TargetKit."""
    with _snapshot(store_dsn) as connection:
        yield from _positions(connection, run_id)
        yield from _call_writes(connection, run_id)
        yield from _stamps(connection, run_id)
        yield from _routes(connection, run_id)
        for kind, log in LOGS.items():
            for _, of_source in groupby(_log_rows(connection, log, run_id), key=lambda row: row.source):
                yield from log_writes(kind, of_source)


def stored_rows(store_dsn: str, run_id: str) -> invariants.Rows:
    """The run's rows that invariants speak about, from one snapshot."""
    with _snapshot(store_dsn) as connection:
        logs = {
            kind: sorted(_log_rows(connection, LOGS[kind], run_id), key=lambda row: row.id)
            for kind in (CARGO_MOVE, STAFF_ASSIGNMENT, MOVEMENT)
        }
        return invariants.Rows(
            moves=logs[CARGO_MOVE],
            inventory=[invariants.Held(*row) for row in _stream(connection, "inventory", _INVENTORY, run_id)],
            movements=logs[MOVEMENT],
            inside=[invariants.Inside(*row) for row in _stream(connection, "inside", _INSIDE, run_id)],
            calls=list(_calls(connection, run_id)),
            assignments=logs[STAFF_ASSIGNMENT],
        )


def _positions(connection: psycopg.Connection[Any], run_id: str) -> Iterator[StoredWrite]:
    rows = (PositionRow(*row) for row in _stream(connection, "positions", _POSITIONS, run_id))
    for _, of_source in groupby(rows, key=lambda row: row.source):
        yield from position_writes(of_source)


def _call_writes(connection: psycopg.Connection[Any], run_id: str) -> Iterator[StoredWrite]:
    for call_id, history in _calls(connection, run_id):
        yield from call_writes(call_id, history)


def _calls(connection: psycopg.Connection[Any], run_id: str) -> Iterator[tuple[str, list[CallRow]]]:
    """(call, its history, oldest first)."""
    rows = _stream(connection, "calls", _CALLS, run_id)
    for call_id, history in groupby(rows, key=lambda row: row[0]):
        yield str(call_id), [CallRow(*row[1:]) for row in history]


def _stamps(connection: psycopg.Connection[Any], run_id: str) -> Iterator[StoredWrite]:
    stamps = (_stamp(row) for row in _stream(connection, "stamps", _STAMPS, run_id))
    for _, of_call in groupby(stamps, key=lambda row: row.port_call):
        yield from stamp_writes(of_call)


def _routes(connection: psycopg.Connection[Any], run_id: str) -> Iterator[StoredWrite]:
    routes = (_route(row) for row in _stream(connection, "routes", _ROUTES, run_id))
    for _, of_call in groupby(routes, key=lambda row: row.port_call):
        yield from route_writes(of_call)


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


@contextmanager
def _snapshot(store_dsn: str) -> Iterator[psycopg.Connection[Any]]:
    """A connection that cannot write, and to which the store stands still."""
    with _connection(store_dsn) as connection:
        connection.read_only = True
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        yield connection


def _stream(connection: psycopg.Connection[Any], name: str, query: str, run_id: str) -> Iterator[tuple[Any, ...]]:
    """Rows from a cursor that lives in the server; binary, so floats come exactly as they are stored."""
    with connection.cursor(name, binary=True) as cursor:
        cursor.itersize = _FETCH_ROWS
        cursor.execute(query, _range(run_id))
        yield from cursor


def _stamp(row: tuple[Any, ...]) -> StampRow:
    stamp_id, request_id, port_call, *rest = row
    return StampRow(str(stamp_id), request_id, str(port_call), *rest)


def _route(row: tuple[Any, ...]) -> RouteRow:
    route_id, request_id, port_call, *rest = row
    return RouteRow(str(route_id), request_id, str(port_call), *rest)


def _log_rows(connection: psycopg.Connection[Any], log: LogKind, run_id: str) -> Iterator[Any]:
    """The run's entries of one log, by source and then in the store's own order."""
    names = [field.name for field in msgspec.structs.fields(log.row_type)]
    columns = ", ".join({"request_id": "op_id", "port_call": "port_call::text"}.get(name, name) for name in names)
    query = f"SELECT {columns} FROM {log.table} WHERE {_RUN} ORDER BY source, id"
    return (log.row_type(*row) for row in _stream(connection, log.table, query, run_id))


def _one(connection: psycopg.Connection[Any], query: str, arguments: Mapping[str, str]) -> tuple[Any, ...]:
    row = connection.execute(query, arguments).fetchone()
    assert row is not None, "an aggregate always has a row"
    return tuple(row)
