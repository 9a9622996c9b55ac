"""One instance's connections to PostgreSQL, through asyncpg: opened, lent, bounded, given back.

Every wait is bounded: for a connection by the pool, for a statement by the server (`statement_timeout`) and,
should the server be gone, by the client a little later. What fails below SQL becomes StoreUnavailableError; a value
that PostgreSQL cannot keep (an instant beyond its calendar) is the client's and becomes a 422.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import asyncpg
from asyncpg.exceptions import DataError as RefusedByServer
from asyncpg.exceptions._base import DataError as RefusedByClient

from porttrack.config import Config
from porttrack.errors import ApiError, StoreUnavailableError
from porttrack.releases import Release
from porttrack.store import Row

APPLICATION_NAME: Final = "porttrack"  # the drill kit counts open transactions of sessions so named

# What can go wrong between the service and its store; anything else from PostgreSQL is a programmer's mistake.
_UNAVAILABLE: Final = (
    OSError,
    TimeoutError,
    asyncpg.InterfaceError,
    asyncpg.PostgresConnectionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.OperatorInterventionError,  # shutdown, and a statement over its time
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
)


class PostgresPool:
    """The connections of one instance, and the release that they speak for."""

    def __init__(self, config: Config, release: Release) -> None:
        self._config = config
        self._release = release
        self._pool: asyncpg.Pool | None = None

    async def open(self) -> None:
        """Fill the pool to its minimum."""
        config = self._config
        try:
            self._pool = await asyncpg.create_pool(
                config.dsn,
                min_size=config.pool_connections_min,
                max_size=config.pool_connections_max,
                max_inactive_connection_lifetime=0,  # a drill's pauses must not close and reopen connections
                timeout=config.statement_s_max,
                # 0.5 s later than the server: whoever knows what happened to the statement should speak first
                command_timeout=config.statement_s_max + 0.5,
                reset=_nothing_to_reset,
                server_settings={
                    "application_name": f"{APPLICATION_NAME}-{config.instance}",
                    "statement_timeout": f"{config.statement_s_max * 1000:.0f}",
                    "idle_in_transaction_session_timeout": f"{config.statement_s_max * 1000:.0f}",
                    # An acknowledgement is a promise; it must not hang on the server's default.
                    "synchronous_commit": "on",
                },
            )
        except _UNAVAILABLE as error:
            raise StoreUnavailableError(f"cannot connect to the store: {error!r}; check PORTTRACK_DSN") from error

    async def close(self) -> None:
        """Close the pool; connections still busy after the statement bound are cut."""
        if self._pool is None:
            return
        pool, self._pool = self._pool, None
        try:
            async with asyncio.timeout(self._config.statement_s_max):
                await pool.close()
        except TimeoutError:
            pool.terminate()

    async def rows(self, statement: str, *arguments: Any) -> list[Row]:
        """Every row of one statement."""
        async with self.connection() as connection:
            return [dict(record) for record in await connection.fetch(statement, *arguments)]

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Any]:
        """A pooled connection; what fails on it below SQL becomes StoreUnavailableError."""
        assert self._pool is not None, "open() comes before the first request"
        try:
            async with self._pool.acquire(timeout=self._config.pool_wait_s_max) as connection:
                yield connection
        except (RefusedByServer, RefusedByClient) as error:
            raise ApiError(422, "invalid_value", f"a value cannot be stored: {error}") from error
        except _UNAVAILABLE as error:
            raise StoreUnavailableError(f"the store did not answer: {type(error).__name__} {error}") from error


async def _nothing_to_reset(_connection: Any) -> None:
    """Sessions change no setting and leave no lock, so the reset that asyncpg would send after each use is saved."""
