"""One instance of PortTrack in memory: the wired application over a store of lists and a clock that is set by hand."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import httpx
import pytest

from porttrack.app import build
from porttrack.config import Config
from porttrack.errors import StoreUnavailableError
from porttrack.faults import Faults
from porttrack.store import Put

TOKEN = "secret"


@dataclass
class Clock:
    """A monotonic clock that stands still until it is moved."""

    now_s: float = 100.0

    def __call__(self) -> float:
        return self.now_s


@dataclass
class ListStore:
    """A Store that keeps what it was given; `broken` makes every call fail as a lost database would."""

    batches: list = field(default_factory=list)
    calls: list = field(default_factory=list)
    stamps: list = field(default_factory=list)
    entries: list = field(default_factory=list)
    asked: list = field(default_factory=list)
    broken: bool = False

    async def open(self):
        pass

    async def close(self):
        pass

    async def append_positions(self, op_id, source, reports):
        if self.broken:
            raise StoreUnavailableError("the store did not answer: ConnectionDoesNotExistError")
        self.batches.append((op_id, source, reports))

    async def vessels_in(self, box, limit):
        reports = [report for _, _, batch in self.batches for report in batch]
        return [{"mmsi": one.mmsi, "lat": one.lat, "lon": one.lon, "seq": one.seq} for one in reports][:limit]

    async def vessel(self, mmsi):
        found = [report for _, _, batch in self.batches for report in batch if report.mmsi == mmsi]
        return {"mmsi": mmsi, "seq": found[-1].seq} if found else None

    async def track(self, mmsi, after_seq, limit):
        return [{"asked": (mmsi, after_seq, limit)}]

    async def put_port_call(self, op_id, call_id, call):
        self.calls.append((op_id, call_id, call))
        return Put.CREATED if len(self.calls) == 1 else Put.UPDATED

    async def port_calls(self, limit):
        return [{"id": call_id} for _, call_id, _ in self.calls][:limit]

    async def port_call_history(self, call_id):
        return [{"state": call.state} for _, id_, call in self.calls if id_ == call_id]

    async def put_timestamp(self, op_id, stamp_id, stamp):
        self.stamps.append((op_id, stamp_id, stamp))
        return Put.CREATED

    async def timestamps_of(self, call_id):
        return [{"id": id_, "event_type": one.event_type} for _, id_, one in self.stamps if one.port_call == call_id]

    async def put_route(self, op_id, route_id, route):
        self.entries.append((op_id, route_id, route))
        return Put.CREATED

    async def route(self, route_id):
        return None

    async def routes_of(self, call_id):
        return []

    async def _append(self, op_id, entry):
        known = any(entry == one for _, one in self.entries)
        self.entries.append((op_id, entry))
        return Put.REPEATED if known else Put.CREATED

    append_reading = append_cargo_move = append_assignment = append_movement = _append

    async def latest_readings(self, area):
        return [{"area": area}]

    async def cargo_inventory(self, call_id, limit):
        return [{"container": "CSQU3054383", "balance": 1}, {"container": "MSCU1234566", "balance": -1}]

    async def shifts(self, member, role, limit):
        self.asked.append((member, role, limit))
        return []

    async def berths(self, limit):
        return []

    async def log(self, log, source, after_seq, limit):
        return [{"asked": (log.table, source, after_seq, limit)}]


@dataclass
class Service:
    """The wired application of one instance, called without a network."""

    store: ListStore
    clock: Clock
    app: object

    def call(self, method, path, control=False, **kwargs) -> httpx.Response:
        """One request to the public application, or to the control application with its token."""

        async def send():
            transport = httpx.ASGITransport(
                self.app.control if control else self.app.public, raise_app_exceptions=False
            )
            async with httpx.AsyncClient(transport=transport, base_url="http://porttrack") as client:
                return await client.request(method, path, timeout=5, **kwargs)

        if control:
            kwargs.setdefault("headers", {"authorization": f"Bearer {TOKEN}"})
        return asyncio.run(send())

    def sample(self, series: str) -> float | None:
        """The value of one series of /metrics, None where it does not exist."""
        for line in self.call("GET", "/metrics").text.splitlines():
            name, _, value = line.rpartition(" ")
            if name == series:
                return float(value)
        return None


def _service(release: str, write_token: str = "") -> Service:
    store, clock = ListStore(), Clock()
    config = Config(release, "test-1", 0, "", control_port=1, control_token=TOKEN, write_token=write_token)
    return Service(store, clock, build(config, store=store, faults=Faults(clock)))


@pytest.fixture
def service() -> Service:
    """An instance of release 1.0."""
    return _service("1.0")


@pytest.fixture
def newer() -> Service:
    """An instance of release 1.1."""
    return _service("1.1")


@pytest.fixture
def guarded() -> Service:
    """An instance whose writes need the token `letmein`."""
    return _service("1.0", "letmein")


@pytest.fixture
def report() -> dict:
    """A good position report."""
    return {
        "mmsi": 244_000_001,
        "seq": 1,
        "ts": "2026-01-01T00:00:01.5Z",
        "lat": 51.95,
        "lon": 4.05,
        "sog": 7.3,
        "cog": 181.5,
        "heading": 180,
        "rot": 0,
        "nav_status": 0,
    }
