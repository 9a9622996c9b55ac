"""The store on PostgreSQL, through asyncpg.

Statements are made once per release from its explicit column lists. A batch of positions is one statement,
so it is one transaction and one round trip: the log rows and the latest positions are there together or not
at all, and asyncpg returns only after the commit. Latest positions are locked in order of mmsi, so two
batches about the same vessels cannot wait for each other in a circle.

Connections and their bounds are `pg_pool`'s, the work of the port is `pg_work`'s.

Not covered: idempotency of positions (a batch sent twice is stored twice, and can be seen to be).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final
from uuid import UUID

import msgspec

from porttrack.config import Config
from porttrack.errors import ApiError
from porttrack.pg_work import PostgresWork
from porttrack.port_calls import PortCall, State, may_follow
from porttrack.releases import Release
from porttrack.store import Box, Put, Row
from porttrack.timestamps import Timestamp

_SEEN_BEFORE: Final = "SELECT EXISTS (SELECT FROM port_call_history WHERE call_id = $1 AND op_id = $2)"


class PostgresStore(PostgresWork):
    """One instance's store."""

    def __init__(self, config: Config, release: Release) -> None:
        super().__init__(config, release)
        self._sql = _Statements(release)

    async def append_positions(self, op_id: str, source: str, reports: Sequence[Any]) -> None:
        """See Store."""
        columns = [[getattr(report, name) for report in reports] for name in self._release.position_columns]
        async with self.connection() as connection:
            await connection.execute(self._sql.append_positions, op_id, self._release.name, source, *columns)

    async def vessels_in(self, box: Box, limit: int) -> list[Row]:
        """See Store."""
        return await self.rows(self._sql.vessels_in, *box, limit)

    async def vessel(self, mmsi: int) -> Row | None:
        """See Store."""
        rows = await self.rows(self._sql.vessel, mmsi)
        return rows[0] if rows else None

    async def track(self, mmsi: int, after_seq: int, limit: int) -> list[Row]:
        """See Store."""
        return await self.rows(self._sql.track, mmsi, after_seq, limit)

    async def put_port_call(self, op_id: str, call_id: UUID, call: PortCall) -> Put:
        """See Store. The row of the call is locked first, so puts of one call come one after another."""
        values = (call_id, op_id, self._release.name, *_values(call, self._release.port_call_columns))
        async with self.connection() as connection, connection.transaction():
            if await connection.fetchval(self._sql.create_port_call, *values):
                await connection.execute(self._sql.append_port_call_history, *values)
                return Put.CREATED
            now = await connection.fetchval("SELECT state FROM port_calls WHERE id = $1 FOR UPDATE", call_id)
            # A statement of its own: one that also waits for the lock would look from before the wait.
            if await connection.fetchval(_SEEN_BEFORE, call_id, op_id):
                return Put.REPEATED
            if not may_follow(State(now), call.state):
                message = f"port call {call_id} is {now} and cannot go back to {call.state.value}"
                raise ApiError(409, "state_goes_back", message, "state", call.state.value)
            await connection.execute(self._sql.update_port_call, *values)
            await connection.execute(self._sql.append_port_call_history, *values)
            return Put.UPDATED

    async def port_calls(self, limit: int) -> list[Row]:
        """See Store."""
        return await self.rows(self._sql.port_calls, limit)

    async def port_call_history(self, call_id: UUID) -> list[Row]:
        """See Store."""
        return await self.rows(self._sql.port_call_history, call_id)

    async def put_timestamp(self, op_id: str, stamp_id: UUID, stamp: Timestamp) -> Put:
        """See Store."""
        values = _values(stamp, self._release.timestamp_columns)
        async with self.connection() as connection:
            created = await connection.fetchval(
                self._sql.create_timestamp, stamp_id, op_id, self._release.name, *values
            )
            if created:
                return Put.CREATED
            stored = await connection.fetchrow(self._sql.timestamp, stamp_id)
        if stored is not None and list(stored.values()) == values:
            return Put.REPEATED
        message = f"timestamp {stamp_id} is there with another body; a new timestamp needs a new id"
        raise ApiError(409, "id_taken", message, "id", str(stamp_id))

    async def timestamps_of(self, call_id: UUID) -> list[Row]:
        """See Store."""
        return await self.rows(self._sql.timestamps_of, call_id)


class _Statements:
    """Every statement of one release, made once from its column lists."""

    def __init__(self, release: Release) -> None:
        self.append_positions = _append_positions(release)
        vessel = ", ".join(("source", *release.vessel_columns, "op_id AS request_id", "release"))
        # No index serves the box: a port has a few thousand vessels, and an index on the position would make
        # every update of a position touch it.
        self.vessels_in = (
            f"SELECT {vessel} FROM vessels WHERE lon BETWEEN $1 AND $3 AND lat BETWEEN $2 AND $4 ORDER BY mmsi LIMIT $5"
        )
        self.vessel = f"SELECT {vessel} FROM vessels WHERE mmsi = $1"
        payload = ", ".join(release.position_columns)
        self.track = (
            f"SELECT batch_id AS batch, op_id AS request_id, ordinal, source, {payload}, release"
            f" FROM (SELECT batch_id, op_id, ordinal, source, {payload}, release FROM positions"
            " WHERE mmsi = $1 AND seq > $2 ORDER BY seq FETCH FIRST ($3::bigint) ROWS WITH TIES) AS page"
            " ORDER BY seq, batch_id, ordinal"
        )
        self._add_port_calls(release)
        self._add_timestamps(release)

    def _add_port_calls(self, release: Release) -> None:
        columns = tuple(release.port_call_columns)
        written = ("op_id", "release", *columns)
        self.create_port_call = f"{_insert('port_calls', ('id', *written))} ON CONFLICT (id) DO NOTHING RETURNING true"
        self.append_port_call_history = _insert("port_call_history", ("call_id", *written))
        assignments = ", ".join(f"{name} = ${place}" for place, name in enumerate(written, start=2))
        self.update_port_call = (
            f"UPDATE port_calls SET {assignments}, put_order = nextval('port_call_puts') WHERE id = $1"
        )
        shown = ", ".join((*columns, "op_id AS request_id", "release"))
        self.port_calls = f"SELECT id, {shown} FROM port_calls ORDER BY put_order DESC LIMIT $1"
        self.port_call_history = f"SELECT {shown} FROM port_call_history WHERE call_id = $1 ORDER BY id"

    def _add_timestamps(self, release: Release) -> None:
        columns = tuple(release.timestamp_columns)
        self.create_timestamp = (
            f"{_insert('timestamps', ('id', 'op_id', 'release', *columns))} ON CONFLICT (id) DO NOTHING RETURNING true"
        )
        self.timestamp = f"SELECT {', '.join(columns)} FROM timestamps WHERE id = $1"
        shown = ", ".join(("id", *columns, "op_id AS request_id", "release"))
        self.timestamps_of = f"SELECT {shown} FROM timestamps WHERE port_call = $1 ORDER BY put_order"


def _append_positions(release: Release) -> str:
    """$1 op id, $2 release, $3 source, then one array per payload column.

    MATERIALIZED: the batch's number is drawn once, whatever the planner thinks. The latest position of a vessel
    only moves to a higher seq, so a batch that arrives late does not set it back.
    """
    columns = ", ".join(release.position_columns)
    arrays = ", ".join(f"${place}::{kind}[]" for place, kind in enumerate(release.position_columns.values(), start=4))
    latest = ", ".join(release.vessel_columns)
    moved = ", ".join(f"{name} = excluded.{name}" for name in ("op_id", "release", "source", *release.vessel_columns))
    return f"""
        WITH batch AS MATERIALIZED (SELECT nextval('position_batches') AS id),
        report AS (SELECT * FROM unnest({arrays}) WITH ORDINALITY AS given({columns}, place)),
        logged AS (
            INSERT INTO positions (batch_id, ordinal, op_id, release, source, {columns})
            SELECT batch.id, place - 1, $1, $2, $3, {columns} FROM report, batch
        )
        INSERT INTO vessels (op_id, release, source, {latest})
        SELECT DISTINCT ON (mmsi) $1, $2, $3, {latest} FROM report ORDER BY mmsi, seq DESC
        ON CONFLICT (mmsi) DO UPDATE SET {moved} WHERE vessels.seq < excluded.seq
    """


def _insert(table: str, columns: Iterable[str]) -> str:
    names = tuple(columns)
    places = ", ".join(f"${place}" for place in range(1, len(names) + 1))
    return f"INSERT INTO {table} ({', '.join(names)}) VALUES ({places})"


def _values(struct: msgspec.Struct, columns: Mapping[str, str]) -> list[Any]:
    return [getattr(struct, name) for name in columns]
