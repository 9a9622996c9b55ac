"""The final read through one instance: what a client of the stable release can still see of the run's writes.

What is read follows from the keys of the writes: a station's batches lie in the tracks of its vessels, a
call's puts, timestamps and routes under the call, the entries of a log under their source. Rows of other runs are
passed over by their request id. Stations are read one after another and their vessels several at a time, so memory
holds one station's rows.

Not covered: rows of the run under a key that no write of the run had; only the store scan sees those.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import Any, Final, Generic, TypeVar
from urllib.parse import quote

import msgspec

from harness.drive.target.port import DriveError, Instance, ReadBackWanted, StoredWrite
from porttrack.kit import fleet
from porttrack.kit.http import Reader, decoded
from porttrack.kit.profiles import PORT_CALL, POSITIONS, ROUTE, TIMESTAMP
from porttrack.kit.stored import (
    LOGS,
    CallRow,
    PositionRow,
    RouteRow,
    StampRow,
    call_id_of,
    call_writes,
    log_writes,
    position_writes,
    route_writes,
    stamp_writes,
)

PAGE_ROWS: Final = 1000  # the most that the service gives
PAGES_MAX: Final = 1000  # a million positions of one vessel; a service that never ends its track is not read forever
_CHUNK: Final = 64  # calls whose rows are held at once

Row = TypeVar("Row")


class _Track(msgspec.Struct):
    rows: list[PositionRow]


class _Call(msgspec.Struct):
    history: list[CallRow]


class _Stamps(msgspec.Struct):
    timestamps: list[StampRow]


class _Page(msgspec.Struct, Generic[Row]):
    rows: list[Row]


class _Routes(msgspec.Struct):
    routes: list[RouteRow]


def read_back(instance: Instance, wanted: ReadBackWanted) -> Iterator[StoredWrite]:
    """See TargetKit."""
    keys: dict[str, list[str]] = {kind: [] for kind in (POSITIONS, PORT_CALL, TIMESTAMP, ROUTE, *LOGS)}
    for kind, key in wanted.writes:
        if kind not in keys:
            raise DriveError(f"{kind!r} is no write of PortTrack; known: {', '.join(keys)}")
        keys[kind].append(key)
    prefix = f"{wanted.run_id}-"
    with Reader(instance) as reader:
        for source in keys[POSITIONS]:
            yield from _positions(reader, source, prefix)
        yield from _calls(reader, keys[PORT_CALL], prefix)
        yield from _stamps(reader, keys[TIMESTAMP], prefix)
        yield from _routes(reader, keys[ROUTE], prefix)
        for kind in LOGS:
            for source in keys[kind]:
                yield from log_writes(kind, sorted(_log(reader, kind, source, prefix), key=lambda row: row.id))


def _positions(reader: Reader, source: str, prefix: str) -> Iterator[StoredWrite]:
    try:
        mmsis = fleet.mmsis_of_source(source)
    except ValueError as error:
        raise DriveError(str(error)) from error
    tracks = reader.map(partial(_track, reader, prefix), mmsis)
    rows = [row for track in tracks for row in track if row.source == source]
    yield from position_writes(sorted(rows, key=lambda row: row.batch))


def _track(reader: Reader, prefix: str, mmsi: int) -> list[PositionRow]:
    """All of one vessel's rows that the run wrote."""
    rows: list[PositionRow] = []
    after_seq = -1
    for _ in range(PAGES_MAX):
        path = f"/api/v1/vessels/{mmsi}/track?after_seq={after_seq}&limit={PAGE_ROWS}"
        page = decoded(reader.get(path), _Track).rows
        rows += [row for row in page if row.request_id.startswith(prefix)]
        if len(page) < PAGE_ROWS:
            return rows
        after_seq = page[-1].seq
    raise DriveError(f"vessel {mmsi} has more than {PAGES_MAX * PAGE_ROWS} positions: not read further")


def _calls(reader: Reader, keys: Sequence[str], prefix: str) -> Iterator[StoredWrite]:
    def history(key: str) -> list[CallRow]:
        answer = reader.get(f"/api/v1/port-calls/{call_id_of(key)}")
        # The service's own word that it has no such call, not just anybody's 404.
        if answer.status == 404 and b'"unknown_port_call"' in answer.body:
            return []
        return [row for row in decoded(answer, _Call).history if row.request_id.startswith(prefix)]

    for chunk in _chunks(keys):
        for key, rows in zip(chunk, reader.map(history, chunk), strict=True):
            yield from call_writes(call_id_of(key), rows)


def _stamps(reader: Reader, keys: Sequence[str], prefix: str) -> Iterator[StoredWrite]:
    def stamps(key: str) -> list[StampRow]:
        answer = reader.get(f"/api/v1/port-calls/{call_id_of(key)}/timestamps")
        return [row for row in decoded(answer, _Stamps).timestamps if row.request_id.startswith(prefix)]

    for chunk in _chunks(keys):
        for rows in reader.map(stamps, chunk):
            yield from stamp_writes(rows)


def _routes(reader: Reader, keys: Sequence[str], prefix: str) -> Iterator[StoredWrite]:
    def routes(key: str) -> list[RouteRow]:
        answer = reader.get(f"/api/v1/routes?port_call={call_id_of(key)}")
        return [row for row in decoded(answer, _Routes).routes if row.request_id.startswith(prefix)]

    for chunk in _chunks(keys):
        for rows in reader.map(routes, chunk):
            yield from route_writes(rows)


def _log(reader: Reader, kind: str, source: str, prefix: str) -> list[Any]:
    """All entries of one source that the run wrote, by rising seq."""
    log = LOGS[kind]
    rows: list[Any] = []
    after_seq = -1
    for _ in range(PAGES_MAX):
        path = f"/api/v1/{log.path}/log?source={quote(source, safe='')}&after_seq={after_seq}&limit={PAGE_ROWS}"
        page: list[Any] = decoded(reader.get(path), _Page[log.row_type]).rows  # type: ignore[name-defined]
        rows += [row for row in page if row.request_id.startswith(prefix)]
        if len(page) < PAGE_ROWS:
            return rows
        after_seq = page[-1].seq
    raise DriveError(f"source {source!r} has more than {PAGES_MAX * PAGE_ROWS} entries: not read further")


def _chunks(keys: Sequence[str]) -> Iterable[Sequence[str]]:
    return (keys[start : start + _CHUNK] for start in range(0, len(keys), _CHUNK))
