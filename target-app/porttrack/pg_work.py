"""The work of the port in PostgreSQL: routes, readings, cargo, staff, movements.

An entry of a log is inserted first and judged afterwards, in one transaction: the insert decides between new and sent
before, and a rule that refuses takes the entry away with it. Rules that look at other entries are kept under a lock
of what they are about (a member of staff, a berth, a ship), so two entries cannot each be right alone. Locks of one
transaction are taken in the order of their names.

Not covered: entries that are changed or withdrawn.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

import msgspec

from porttrack import cargo, movements, readings, staff
from porttrack.errors import ApiError
from porttrack.logs import Log
from porttrack.pg_pool import PostgresPool
from porttrack.sea_routes import COLUMNS as ROUTE_COLUMNS
from porttrack.sea_routes import SeaRoute
from porttrack.store import Put, Row

_WEEK: Final = timedelta(days=7)
_LOCK: Final = "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))"
_WRITER: Final = "op_id AS request_id, release"
_ROUTE_SHOWN: Final = f"id, {', '.join(ROUTE_COLUMNS)}, {_WRITER}"
_LATEST_READINGS: Final = (
    "SELECT latest.* FROM unnest($2::text[]) AS asked(kind) CROSS JOIN LATERAL ("
    f"SELECT {', '.join(readings.LOG.columns)}, {_WRITER} FROM readings"
    " WHERE area = $1 AND readings.kind = asked.kind ORDER BY ts DESC, id DESC LIMIT 1) AS latest"
)
_MOVE_CONTAINER: Final = """
    INSERT INTO cargo_inventory (port_call, container, op_id, release, place, balance) VALUES ($1, $2, $3, $4, $5, $6)
    ON CONFLICT (port_call, container) DO UPDATE SET op_id = excluded.op_id, release = excluded.release,
    place = excluded.place, balance = cargo_inventory.balance + excluded.balance
    WHERE cargo_inventory.place <> excluded.place RETURNING true
"""
_INVENTORY: Final = (
    f"SELECT container, place, balance, {_WRITER} FROM cargo_inventory WHERE port_call = $1 ORDER BY container LIMIT $2"
)
# More than a week around the shift: every shift that shares a window of seven days with it.
_SHIFTS_NEAR: Final = (
    "SELECT starts, ends FROM staff_assignments WHERE staff = $1 AND starts < $2 AND ends > $3 AND id <> $4"
)
_SHIFTS: Final = (
    f"SELECT {', '.join(staff.LOG.columns)}, {_WRITER} FROM staff_assignments"
    " WHERE ($1 = '' OR staff = $1) AND ($2 = '' OR role = $2) ORDER BY starts DESC, id DESC LIMIT $3"
)
_STAY_INSIDE: Final = "SELECT id, since, until FROM stays WHERE mmsi = $1 AND inside"
_STAY_AT_BERTH: Final = "SELECT mmsi, since, until FROM stays WHERE berth = $1 AND since < $2 AND until > $3 LIMIT 1"
_BEGIN_STAY: Final = (
    "INSERT INTO stays (op_id, release, mmsi, berth, since, until, inside) VALUES ($1, $2, $3, $4, $5, $6, true)"
)
_END_STAY: Final = "UPDATE stays SET inside = false, until = $2 WHERE id = $1"
_BERTHS: Final = (
    f"SELECT berth, mmsi, since, until, {_WRITER} FROM stays"
    " WHERE inside AND berth <> '' ORDER BY berth, since LIMIT $1"
)


class PostgresWork(PostgresPool):
    """The part of the store that keeps the work of the port."""

    async def put_route(self, op_id: str, route_id: UUID, route: SeaRoute) -> Put:
        """See Store."""
        values = _plain(getattr(route, name) for name in ROUTE_COLUMNS)
        async with self.connection() as connection:
            if await connection.fetchval(_CREATE_ROUTE, route_id, op_id, self._release.name, *values):
                return Put.CREATED
            stored = await connection.fetchrow(_ROUTE, route_id)
        if stored is not None and [stored[name] for name in ROUTE_COLUMNS] == values:
            return Put.REPEATED
        message = f"route {route_id} is there with another body; a new route needs a new id"
        raise ApiError(409, "id_taken", message, "id", str(route_id))

    async def route(self, route_id: UUID) -> Row | None:
        """See Store."""
        rows = await self.rows(_ROUTE, route_id)
        return rows[0] if rows else None

    async def routes_of(self, call_id: UUID) -> list[Row]:
        """See Store."""
        return await self.rows(_ROUTES_OF, call_id)

    async def append_reading(self, op_id: str, reading: readings.Reading) -> Put:
        """See Store."""
        async with self._entry(readings.LOG, op_id, reading) as (_, entry_id):
            return _put(entry_id)

    async def latest_readings(self, area: str) -> list[Row]:
        """See Store."""
        return await self.rows(_LATEST_READINGS, area, [kind.value for kind in readings.ReadingKind])

    async def append_cargo_move(self, op_id: str, move: cargo.Move) -> Put:
        """See Store. The container's row in the inventory is the lock."""
        place, balance = cargo.place_after(move.kind).value, cargo.balance_of(move.kind)
        async with self._entry(cargo.LOG, op_id, move) as (connection, entry_id):
            if entry_id is not None and not await connection.fetchval(
                _MOVE_CONTAINER, move.port_call, move.container, op_id, self._release.name, place, balance
            ):
                message = f"container {move.container} is {place} already: it cannot be moved there"
                raise ApiError(409, f"container_{place}", message, "container", move.container)
            return _put(entry_id)

    async def cargo_inventory(self, call_id: UUID, limit: int) -> list[Row]:
        """See Store."""
        return await self.rows(_INVENTORY, call_id, limit)

    async def append_assignment(self, op_id: str, assignment: staff.Assignment) -> Put:
        """See Store."""
        starts, ends = assignment.shift
        async with self._entry(staff.LOG, op_id, assignment, f"staff/{assignment.staff}") as (connection, entry_id):
            if entry_id is not None:
                near = await connection.fetch(_SHIFTS_NEAR, assignment.staff, ends + _WEEK, starts - _WEEK, entry_id)
                staff.check_among(assignment, [(row["starts"], row["ends"]) for row in near])
            return _put(entry_id)

    async def shifts(self, member: str, role: str, limit: int) -> list[Row]:
        """See Store."""
        return await self.rows(_SHIFTS, member, role, limit)

    async def append_movement(self, op_id: str, movement: movements.Movement) -> Put:
        """See Store."""
        locks = [f"ship/{movement.mmsi}", *([f"berth/{movement.berth}"] if movement.berth else [])]
        async with self._entry(movements.LOG, op_id, movement, *locks) as (connection, entry_id):
            if entry_id is not None:
                stay = await connection.fetchrow(_STAY_INSIDE, movement.mmsi)
                if movement.kind is movements.MovementKind.ENTRY:
                    await self._enter(connection, op_id, movement, stay)
                else:
                    await _leave(connection, entry_id, movement, stay)
            return _put(entry_id)

    async def berths(self, limit: int) -> list[Row]:
        """See Store."""
        return await self.rows(_BERTHS, limit)

    async def log(self, log: Log, source: str, after_seq: int, limit: int) -> list[Row]:
        """See Store."""
        extra = ", entry_seen" if log is movements.LOG else ""
        return await self.rows(
            f"SELECT id, {', '.join(log.columns)}{extra}, {_WRITER} FROM {log.table}"
            " WHERE source = $1 AND seq > $2 ORDER BY seq LIMIT $3",
            *(source, after_seq, limit),
        )

    async def _enter(self, connection: Any, op_id: str, movement: movements.Movement, stay: Any) -> None:
        """Begin the ship's stay. ApiError 409 for a ship that is inside, and for a berth that is another's."""
        if stay is not None:
            message = f"ship {movement.mmsi} is inside since {stay['since'].isoformat()}: it cannot enter again"
            raise ApiError(409, "already_inside", message, "mmsi", movement.mmsi)
        if movement.berth:
            taken = await connection.fetchrow(_STAY_AT_BERTH, movement.berth, movement.until, movement.ts)
            if taken is not None:
                window = f"{taken['since'].isoformat()} to {taken['until'].isoformat()}"
                message = f"{movement.berth} is ship {taken['mmsi']}'s from {window}: one berth, one ship"
                raise ApiError(409, "berth_taken", message, "berth", movement.berth)
        arguments = (movement.mmsi, movement.berth, movement.ts, movement.until)
        await connection.execute(_BEGIN_STAY, op_id, self._release.name, *arguments)

    @asynccontextmanager
    async def _entry(
        self, log: Log, op_id: str, entry: msgspec.Struct, *locks: str
    ) -> AsyncIterator[tuple[Any, int | None]]:
        """A transaction in which the entry was inserted: its connection, and the entry's id or None for a repeat.

        ApiError 409 when another entry has its number; nothing is kept when the body raises.
        """
        async with self.connection() as connection, connection.transaction():
            for lock in sorted(locks):
                await connection.execute(_LOCK, lock)
            values = [getattr(entry, name) for name in log.columns]
            entry_id = await connection.fetchval(_insert(log), op_id, self._release.name, *values)
            if entry_id is None:
                await _check_repeat(connection, log, entry)
            yield connection, entry_id


async def _check_repeat(connection: Any, log: Log, entry: Any) -> None:
    stored = await connection.fetchrow(
        f"SELECT {', '.join(log.columns)} FROM {log.table} WHERE source = $1 AND seq = $2", entry.source, entry.seq
    )
    if stored is None or list(stored.values()) != [getattr(entry, name) for name in log.columns]:
        message = f"{entry.source} has another entry under {entry.seq}; a new entry needs a new seq"
        raise ApiError(409, "seq_taken", message, "seq", entry.seq)


async def _leave(connection: Any, entry_id: int, movement: movements.Movement, stay: Any) -> None:
    """End the ship's stay, where one is known. ApiError 409 for an exit outside of the stay's window."""
    if stay is None:
        await connection.execute("UPDATE movements SET entry_seen = false WHERE id = $1", entry_id)
        return
    if movement.ts <= stay["since"] or (stay["until"] is not None and movement.ts > stay["until"]):
        until = "" if stay["until"] is None else f" until {stay['until'].isoformat()}"
        message = f"ship {movement.mmsi} may be here from {stay['since'].isoformat()}{until}: it cannot leave then"
        raise ApiError(409, "outside_stay", message, "ts", movement.ts)
    await connection.execute(_END_STAY, stay["id"], movement.ts)


def _insert(log: Log) -> str:
    places = ", ".join(f"${place}" for place in range(1, len(log.columns) + 3))
    return (
        f"INSERT INTO {log.table} (op_id, release, {', '.join(log.columns)}) VALUES ({places})"
        " ON CONFLICT (source, seq) DO NOTHING RETURNING id"
    )


def _put(entry_id: int | None) -> Put:
    return Put.REPEATED if entry_id is None else Put.CREATED


def _plain(values: Iterable[Any]) -> list[Any]:
    """Values as PostgreSQL gives them back; it takes a tuple for a record, so points become lists."""
    return [[list(point) for point in value] if isinstance(value, list) else value for value in values]


_PLACES: Final = ", ".join(f"${place}" for place in range(1, len(ROUTE_COLUMNS) + 4))
_CREATE_ROUTE: Final = (
    f"INSERT INTO sea_routes (id, op_id, release, {', '.join(ROUTE_COLUMNS)}) VALUES ({_PLACES})"
    " ON CONFLICT (id) DO NOTHING RETURNING true"
)
_ROUTE: Final = f"SELECT {_ROUTE_SHOWN} FROM sea_routes WHERE id = $1"
_ROUTES_OF: Final = f"SELECT {_ROUTE_SHOWN} FROM sea_routes WHERE port_call = $1 ORDER BY put_order"
