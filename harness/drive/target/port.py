"""The target port: what a service brings so that the engine, which knows no domain, can drill it.

A *kit* knows the service's operations and their mix, how to read every write back through the service
and out of its store, when the service is quiescent, how to take the test rows out again, and which processes the
local stack starts for it. The load
process builds the kit with `build_load`, the control builds it for everything else; both get the same
seed, so that a payload can be made again from (seed, index).

A kit is registered by the entry point group `harness.targets` under the name that a target file gives.
Kits import `harness.drive.target.port` and nothing else of the harness.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from harness.errors import DriveError

STORE: Final = "store"  # the process after which the store can be used, whoever runs it

__all__ = [
    "STORE",
    "Broken",
    "DriveError",  # for kits, which import nothing else of the harness
    "Instance",
    "LoadKit",
    "OperationKind",
    "Place",
    "ProcessSpec",
    "Profile",
    "Quiescence",
    "ReadBackWanted",
    "Request",
    "StoredWrite",
    "TargetKit",
]


@dataclass(frozen=True, slots=True)
class OperationKind:
    """One kind of request of the load. `share` is its part of the mix; shares of a profile sum to 1.

    `waits`: it is answered when someone outside has done something, as a long poll is, so how long it takes says
    nothing about the service, and no latency has it in it.
    """

    name: str
    share: float
    writes: bool
    waits: bool = False


@dataclass(frozen=True, slots=True)
class Profile:
    """A size of load: `rate_rps` open arrivals a second over all `users`; `-u N` scales to rate_rps * N / users."""

    name: str
    rate_rps: float
    users: int
    kinds: tuple[OperationKind, ...]
    left_out: tuple[str, ...] = ()  # operations of the modelled world that this kit does not send


@dataclass(frozen=True, slots=True)
class Request:
    """One request as the kit wants it sent. `payload_hash` must equal what read-back and store scan give for it."""

    method: str
    path: str
    key: str = ""
    seq: int = -1
    body: bytes = b""
    payload_hash: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)


class LoadKit(Protocol):
    """The kit inside the load process. Calls come in the order of the schedule, from one thread."""

    def request(self, index: int, kind: str, offset_s: float, op_id: str) -> Request:
        """The request of schedule row `index`, due `offset_s` after the load's zero.

        Depends only on the profile, the seed and earlier calls' arguments, never on answers: arrivals are open.
        """
        ...


@dataclass(frozen=True, slots=True)
class StoredWrite:
    """One effect of one write, as found. A write applied twice is found twice."""

    op_id: str
    kind: str
    key: str
    seq: int
    payload_hash: str
    written_by: str
    position: int


@dataclass(frozen=True, slots=True)
class Broken:
    """One place where what is stored contradicts the domain: the invariant, what is wrong, the writes involved."""

    name: str
    detail: str
    op_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Quiescence:
    """One look at whether anything still moves: in-flight requests by instance, open transactions of the app."""

    in_flight: Mapping[str, int]
    open_transactions: int

    @property
    def quiet(self) -> bool:
        """Nothing in flight anywhere and no open transaction."""
        return self.open_transactions == 0 and all(count == 0 for count in self.in_flight.values())


@dataclass(frozen=True, slots=True)
class Instance:
    """One running instance of the service. URLs have no trailing slash."""

    name: str
    track: str  # stable | canary
    url: str
    control_url: str = ""


@dataclass(frozen=True, slots=True)
class ReadBackWanted:
    """What the final read must look for: the trial's acknowledged and unknown writes."""

    run_id: str
    writes: Sequence[tuple[str, str]]  # (kind, key) pairs that the trial may have written, each once


@dataclass(frozen=True, slots=True)
class ProcessSpec:
    """One process of the trial. `ready_url` answers 200 (or `ready_argv` exits 0) once it serves."""

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)  # added to a small fixed environment
    cwd: str = ""  # the run directory when empty
    ports: tuple[int, ...] = ()
    ready_url: str = ""
    ready_argv: tuple[str, ...] = ()
    ready_s_max: float = 15.0
    stop_signal: int = 15  # SIGTERM
    stop_s_max: float = 3.0  # then SIGKILL
    run_once: bool = False  # ends by itself with 0 before the next is started (initdb, migrations)
    after: tuple[str, ...] = ()  # names that must be ready (run_once: ended) first; others start side by side


@dataclass(frozen=True, slots=True)
class Place:
    """Where the local stack wants a service. `releases` maps a track to the version to run there.

    `store_dsn` leads to the store: a database in a PostgreSQL that the stack runs, where the kit needs one, else
    a port on loopback, as http://127.0.0.1:port, on which a process of the service may serve its own.
    """

    python: str
    instances: tuple[Instance, ...]
    releases: Mapping[str, str]
    store_dsn: str
    control_token: str
    upstream_ports: Mapping[str, int]  # by instance: where the process behind its sidecar listens; {} without sidecars
    data_dir: str  # a folder that all instances share; it goes with the trial


class TargetKit(Protocol):
    """The kit outside the load process. Every call has its own bounds and raises DriveError past them."""

    name: str
    profiles: Mapping[str, Profile]
    needs_postgres: bool
    has_sidecar: bool  # whether something stands before each instance's process, which then needs a port of its own
    has_store: bool  # whether it reaches the store: without, nobody calls store_scan, invariants, purge, count_rows

    def local_processes(self, place: Place) -> tuple[ProcessSpec, ...]:
        """The service on the local stack: one process for each instance, named as it is, and what they start after.

        A PostgreSQL is there once the process STORE has ended. Tokens go by the environment, never by a command line.
        """
        ...

    def build_load(self, profile: Profile, seed: int) -> LoadKit:
        """The kit for the load process."""
        ...

    def identify(self, instance: Instance) -> str:
        """The version that the instance says it is."""
        ...

    def read_back(self, instance: Instance, wanted: ReadBackWanted) -> Iterator[StoredWrite]:
        """Every effect of the run's writes, read through this instance's public interface."""
        ...

    def store_scan(self, store_dsn: str, run_id: str) -> Iterator[StoredWrite]:
        """Every effect of the run's writes, read from the store by a user that cannot write."""
        ...

    def invariants(self, store_dsn: str, run_id: str) -> Iterator[Broken]:
        """Every broken invariant of the domain among the run's rows; empty for a kit that knows none."""
        ...

    def quiesce(self, instances: Sequence[Instance], store_dsn: str) -> Quiescence:
        """One look; the caller repeats it until two in a row are quiet and equal."""
        ...

    def purge(self, store_dsn: str, run_id: str) -> int:
        """Take the run's rows out of the store; the number of rows of the run that are left (0 when all went well)."""
        ...

    def count_rows(self, store_dsn: str, run_id: str) -> int:
        """Rows of the run in the store."""
        ...
