"""What one process of the service is told at start; frozen, no environment read here."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Config:
    """One instance. The control port exists only where `control_port` and `control_token` are both given."""

    release: str
    instance: str
    port: int
    dsn: str
    host: str = "127.0.0.1"
    control_port: int = 0
    control_token: str = ""
    write_token: str = ""  # where there is one, every write needs it
    # (kind, JSON of its arguments): faults that are on from the start.
    faults: tuple[tuple[str, bytes], ...] = ()
    # 8 x 3 instances stay far below PostgreSQL's default of 100; a batch takes about 2 ms, so 8 carry 4,000 a second.
    pool_connections_min: int = 2
    pool_connections_max: int = 8
    pool_wait_s_max: float = 2.0
    statement_s_max: float = 5.0
    # How long an instance that was told to stop still serves, unready, before it refuses connections. 0.2 s is enough
    # where the router looks at no probe; in a cluster it must be longer than the router takes to believe one.
    drain_s: float = 0.2
    # One second more than the longest that a request can wait for the store.
    finish_s_max: int = 8

    @property
    def has_control_port(self) -> bool:
        """Whether this instance can be broken on purpose."""
        return bool(self.control_port and self.control_token)
