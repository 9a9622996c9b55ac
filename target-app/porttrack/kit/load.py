"""The kit inside the load process: schedule rows -> requests.

Everything drawn comes from the seed and from the calls themselves. Arrivals are open, so nothing here knows
what was answered: reads ask for vessels whose first report was due a second before, calls advance on their
own clock. Ids of port calls and timestamps are made from the run's id as well as the seed, so a trial can be
repeated with its seed on a store that still holds the rows of another.

One `seq` counts the reports of all stations, so it rises strictly for each vessel, whoever heard it, and for the
batches of each station, whose seq is their first report's. A station's next reports are those that are due first by
the vessels' own intervals; reports that it overheard from the station before it come along, late as they are.

Not covered: retries, clients that read their own writes. `load_work` has what is no report, call or timestamp.
"""

from __future__ import annotations

import heapq
import math
import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import msgspec

from harness.drive.target.port import Profile, Request
from porttrack.kit import fleet
from porttrack.kit import profiles as kinds
from porttrack.kit.ids import Ids
from porttrack.kit.load_work import Work
from porttrack.kit.settings import write_token
from porttrack.kit.stored import CALL_FIELDS, REPORT_FIELDS, STAMP_FIELDS, call_key, digest, stamps_key

# The load's zero in the world of the vessels; any fixed instant will do.
EPOCH: Final = datetime(2026, 1, 1, tzinfo=UTC)
BATCH_REPORTS_MAX: Final = 20
_BATCH_REPORTS_MEDIAN: Final = 5
_BATCH_SPREAD: Final = 0.6  # of the logarithm: two thirds of the batches have 3 to 9 reports
# A station gets what it overheard within a second or so; what piles up beyond four batches is dropped as radios do.
_OVERHEARD_MAX: Final = 80
KNOWN_AFTER_S: Final = 1.0  # a vessel is asked for once its first report is so old: it must have been answered by then
_NAMES: Final = (
    "EENDRACHT",
    "MERWEDE",
    "HOLLANDIA",
    "STELLA MARIS",
    "NOORDZEE",
    "ATLANTIC PEARL",
    "ZEELAND",
    "OCEAN JADE",
)
_PURPOSES: Final = ("cargo", "bunkering", "crew change", "repair")
_EVENTS: Final = {
    "BERTH": ("ARRI", "DEPA"),
    "PILOT_BOARDING_PLACE": ("ARRI",),
    "ALL_FAST": ("ARRI",),
    "SAFETY": ("DEPA",),
}
_NEGOTIATED: Final = ("BERTH", "PILOTAGE", "TOWAGE", "MOORING", "BUNKERING", "PILOT_BOARDING_PLACE", "CARGO_OPERATIONS")
_ACTUAL_ONLY: Final = ("ALL_FAST", "SAFETY", "LASHING", "SHORE_POWER", "SEA_PASSAGE")

_encode = msgspec.json.Encoder().encode


@dataclass(slots=True)
class Call:
    """A port call under way. `ahead` are the states still to be put."""

    id: str
    payload: dict[str, Any]
    ahead: deque[str]
    puts: int = 0
    stamps: int = 0
    routes: int = 0


@dataclass(slots=True)
class _Known:
    """Vessels in the order of their first report, and how many of those reports are old enough to be asked for."""

    mmsis: list[int] = field(default_factory=list)
    first_s: list[float] = field(default_factory=list)
    ready: int = 0

    def up_to(self, at_s: float) -> int:
        while self.ready < len(self.mmsis) and self.first_s[self.ready] + KNOWN_AFTER_S <= at_s:
            self.ready += 1
        return self.ready


class _Station:
    """One station: its vessels by when they are due, in nominal time of its own, and what it overheard."""

    def __init__(self, vessels: list[fleet.Vessel], draw: random.Random) -> None:
        self._due = [(draw.uniform(0, fleet.next_interval_s(one, 0)), one.index, one) for one in vessels]
        heapq.heapify(self._due)
        self.overheard: deque[dict[str, Any]] = deque(maxlen=_OVERHEARD_MAX)

    def next_vessel(self) -> fleet.Vessel:
        """The vessel that is due; `reported` must follow."""
        return self._due[0][2]

    def reported(self, rot: int) -> None:
        """It has reported, with this rate of turn: when it is due again follows from that."""
        due_s, index, vessel = self._due[0]
        heapq.heapreplace(self._due, (due_s + fleet.next_interval_s(vessel, rot), index, vessel))


class PortTrackLoad:
    """LoadKit of PortTrack."""

    def __init__(self, profile: Profile, seed: int) -> None:
        self._port = kinds.PORTS[profile.name]
        self._name = profile.name
        self._draw = random.Random(f"porttrack/{profile.name}/{seed}")
        vessels = fleet.build(profile.name, self._draw)
        self._vessels = {vessel.mmsi: vessel for station in vessels for vessel in station}
        self._mmsis = list(self._vessels)
        self._stations = [_Station(station, self._draw) for station in vessels]
        self._next_seq = 0
        self._known = _Known()
        self._calls: deque[Call] = deque()
        self._ids = Ids(profile.name, seed)
        token = write_token()
        self._headers = {"content-type": "application/json", **({"authorization": f"Bearer {token}"} if token else {})}
        self._work = Work(self._port, profile.name, seed, self._ids, self._headers)
        self._makers: dict[str, Callable[[float, str], Request]] = {
            kinds.POSITIONS: self._positions,
            kinds.VESSELS_BBOX: self._vessels_bbox,
            kinds.VESSEL: self._vessel,
            kinds.TRACK: self._track,
            kinds.TIMESTAMP: self._timestamp,
            kinds.PORT_CALL: self._port_call,
            kinds.PORT_CALL_LIST: self._port_call_list,
            kinds.ROUTE: self._route,
            kinds.ROUTES: self._routes,
            kinds.CARGO_MOVE: self._cargo_move,
            **self._work.makers(),
        }

    def request(self, index: int, kind: str, offset_s: float, op_id: str) -> Request:
        """The request of schedule row `index`; 25 us on average. See LoadKit."""
        self._ids.of_run(op_id)
        return self._makers[kind](offset_s, op_id)

    def _positions(self, offset_s: float, _op_id: str) -> Request:
        draw = self._draw
        number = draw.randrange(len(self._stations))
        station, following = self._stations[number], self._stations[(number + 1) % len(self._stations)]
        count = round(draw.lognormvariate(math.log(_BATCH_REPORTS_MEDIAN), _BATCH_SPREAD))
        count = min(BATCH_REPORTS_MAX, max(1, count))
        ts = EPOCH + timedelta(milliseconds=round(offset_s * 1000))
        first_seq = self._next_seq
        reports: list[dict[str, Any]] = []
        while station.overheard and len(reports) < count - 1:
            reports.append({**station.overheard.popleft(), "seq": first_seq + len(reports)})
        for seq in range(first_seq + len(reports), first_seq + count):
            vessel = station.next_vessel()
            if vessel.seq < 0:
                self._known.mmsis.append(vessel.mmsi)
                self._known.first_s.append(offset_s)
            reports.append(fleet.report(vessel, seq, offset_s, ts, draw))
            station.reported(reports[-1]["rot"])
            if vessel.is_overheard:
                following.overheard.append(reports[-1].copy())
        self._next_seq = first_seq + count
        source = fleet.source(self._name, number)
        payload_hash = digest(source, [[report[name] for name in REPORT_FIELDS] for report in reports])
        for report in reports:
            # Release 1.1's field; 1.0 does not know it and lets it pass. Not in the hash, see porttrack.kit.stored.
            report["position_accuracy"] = draw.random() < 0.5
        body = _encode({"source": source, "reports": reports})
        return Request("POST", "/api/v1/positions", source, first_seq, body, payload_hash, self._headers)

    def _vessels_bbox(self, _offset_s: float, _op_id: str) -> Request:
        """A map window of about half the port each way: a hundred vessels or more in M."""
        lon = self._draw.uniform(fleet.LON_MIN, fleet.LON_MIN + 0.35)
        lat = self._draw.uniform(fleet.LAT_MIN, fleet.LAT_MIN + 0.1)
        return Request("GET", f"/api/v1/vessels?bbox={lon:.4f},{lat:.4f},{lon + 0.35:.4f},{lat + 0.1:.4f}&limit=100")

    def _vessel(self, offset_s: float, _op_id: str) -> Request:
        ready = self._known.up_to(offset_s)
        if not ready:  # the first second: nobody can be known, so the map's first look is taken instead
            return Request("GET", "/api/v1/vessels?limit=1")
        mmsi = self._known.mmsis[self._draw.randrange(ready)]
        return Request("GET", f"/api/v1/vessels/{mmsi}", f"vessel/{mmsi}")

    def _track(self, offset_s: float, _op_id: str) -> Request:
        """The last reports: seq counts all vessels, of which one under way reports about twice as often as the mean."""
        ready = self._known.up_to(offset_s)
        mmsi = self._known.mmsis[self._draw.randrange(ready)] if ready else self._mmsis[0]
        back = 50 * self._port.vessels
        after_seq = max(-1, self._vessels[mmsi].seq - back)
        return Request("GET", f"/api/v1/vessels/{mmsi}/track?after_seq={after_seq}&limit=100", f"vessel/{mmsi}")

    def _port_call_list(self, _offset_s: float, _op_id: str) -> Request:
        return Request("GET", "/api/v1/port-calls?limit=25")

    def _port_call(self, offset_s: float, op_id: str) -> Request:
        """The open calls take turns, so two puts of one call are seconds apart and cannot overtake each other."""
        self._open_calls(offset_s)
        call = self._calls.popleft()
        seq = call.puts
        payload = {**call.payload, "seq": seq, "state": call.ahead.popleft()}
        call.puts += 1
        if call.ahead:
            self._calls.append(call)
        payload_hash = digest(call.id, [payload[name] for name in CALL_FIELDS])
        path = f"/api/v1/port-calls/{call.id}"
        return Request("PUT", path, call_key(call.id), seq, _encode(payload), payload_hash, self._headers)

    def _timestamp(self, offset_s: float, op_id: str) -> Request:
        """About any open call, put already or not."""
        call = self._open_call(offset_s)
        draw = self._draw
        negotiated = draw.random() < 0.8
        service = draw.choice(_NEGOTIATED if negotiated else _ACTUAL_ONLY)
        classifier = draw.choice(("EST", "REQ", "PLN", "ACT")) if negotiated else "ACT"
        seq = call.stamps
        payload = {
            "port_call": call.id,
            "seq": seq,
            "classifier_code": classifier,
            "event_type": draw.choice(_EVENTS.get(service, ("STRT", "CMPL"))),
            "phase": draw.choice(("INBD", "ALGS", "SHIF", "OUTB")),
            "facility": draw.choice(("PBPL", "BRTH", "ANCH")),
            "service": service,
            "date_time": EPOCH + timedelta(minutes=draw.randrange(10_000)),
            "sender": "consumer" if classifier == "REQ" else "provider",
            "remark": f"{service.lower()} of {call.payload['vessel_name']}",
        }
        call.stamps += 1
        stamp_id = self._ids.new()
        payload_hash = digest(stamp_id, [payload[name] for name in STAMP_FIELDS])
        body = _encode({_CAMEL[name]: value for name, value in payload.items()})
        path = f"/api/v1/timestamps/{stamp_id}?hold_ms={draw.randint(*self._port.hold_ms)}"
        return Request("PUT", path, stamps_key(call.id), seq, body, payload_hash, self._headers)

    def _route(self, offset_s: float, _op_id: str) -> Request:
        call = self._open_call(offset_s)
        call.routes += 1
        return self._work.route(call.id, call.routes - 1, call.payload["mmsi"])

    def _routes(self, offset_s: float, _op_id: str) -> Request:
        return Request("GET", f"/api/v1/routes?port_call={self._open_call(offset_s).id}")

    def _cargo_move(self, offset_s: float, _op_id: str) -> Request:
        return self._work.cargo_move(offset_s, lambda: self._open_call(offset_s).id)

    def _open_call(self, offset_s: float) -> Call:
        self._open_calls(offset_s)
        return self._calls[self._draw.randrange(len(self._calls))]

    def _open_calls(self, offset_s: float) -> None:
        for _ in range(self._port.calls_open - len(self._calls)):
            self._calls.append(self._new_call(offset_s))

    def _new_call(self, offset_s: float) -> Call:
        draw = self._draw
        payload = {
            "mmsi": draw.choice(self._mmsis),
            "vessel_name": f"{draw.choice(_NAMES)} {draw.randrange(1000)}",
            "port": "NLRTM",
            "berth": f"berth-{draw.randrange(1, 91):02d}",
            "eta": EPOCH + timedelta(minutes=round(offset_s) + draw.randrange(60, 1440)),
            "draught_m": round(draw.uniform(2.0, 16.0), 1),
            "purpose": draw.choice(_PURPOSES),
        }
        # A second estimate for every other call; one arrival in ten is never reported: calls may skip forward.
        ahead = ["EXPECTED"] * draw.randint(1, 2) + ["ARRIVED"] * (draw.random() >= 0.1) + ["BERTHED", "DEPARTED"]
        return Call(self._ids.new(), payload, deque(ahead))


def _camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(part.title() for part in rest)


_CAMEL: Final = {name: _camel(name) for name in STAMP_FIELDS}
