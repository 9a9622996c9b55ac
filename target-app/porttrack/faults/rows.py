"""Rows changed past the service, over a connection of the fault's own.

A fault that breaks idempotency cannot go through the code that keeps it. The copies take every column as it is,
whatever columns a release adds, and only the numbers that the store itself gives out are drawn anew.

One connection, one statement at a time, opened at the first use: an instance without such a fault never has it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

import asyncpg

from porttrack.config import Config
from porttrack.errors import StoreUnavailableError

# Write method -> the statement that copies the rows of the operation $1 in the log of that method. Only these logs
# take a write twice: the others are unique by the client's id or by (source, seq), so there the store itself would
# refuse it. In LATERAL, and not as `(f(row)).*`, which would call nextval once a column.
COPIES: Final[Mapping[str, str]] = MappingProxyType(
    {
        # MATERIALIZED: one number for all rows of the batch.
        "append_positions": """
            WITH batch AS MATERIALIZED (SELECT nextval('position_batches') AS id)
            INSERT INTO positions SELECT again.*
            FROM batch, positions AS row,
                 LATERAL jsonb_populate_record(row, jsonb_build_object('batch_id', batch.id)) AS again
            WHERE row.op_id = $1
        """,
        "put_port_call": """
            INSERT INTO port_call_history OVERRIDING SYSTEM VALUE SELECT again.*
            FROM port_call_history AS row, LATERAL jsonb_populate_record(
                row, jsonb_build_object('id', nextval(pg_get_serial_sequence('port_call_history', 'id')))) AS again
            WHERE row.op_id = $1
        """,
    }
)
_UNAVAILABLE: Final = (
    OSError,
    TimeoutError,
    asyncpg.InterfaceError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
)


class StoredRows:
    """The rows of one instance's database."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._one_at_a_time = asyncio.Lock()
        self._connection: Any = None

    async def copy(self, method: str, op_id: str) -> None:
        """See Rows. StoreUnavailableError when the store does not answer: then the rows may be there once or twice."""
        try:
            async with asyncio.timeout(self._config.statement_s_max), self._one_at_a_time:
                if self._connection is None or self._connection.is_closed():
                    self._connection = await self._connect()
                await self._connection.execute(COPIES[method], op_id)
        except _UNAVAILABLE as error:
            raise StoreUnavailableError(
                f"a fault could not change the store: {type(error).__name__} {error}"
            ) from error

    async def close(self) -> None:
        """See Rows."""
        if self._connection is not None:
            self._connection.terminate()

    async def _connect(self) -> Any:
        name = f"porttrack-{self._config.instance}-fault"
        return await asyncpg.connect(self._config.dsn, server_settings={"application_name": name})
