"""The work of the port on a real PostgreSQL: readings, routes, cargo, staff, movements, over two releases."""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest

pytestmark = pytest.mark.integration

SOURCES = iter(range(10_000))


def source(what):
    """A source of this test alone."""
    return f"{what}/{next(SOURCES)}"


def send(client, method, path, body, op_id):
    return client.request(method, f"/api/v1/{path}", json=body, headers={"x-request-id": op_id})


def told(answer):
    """Status, and what was wrong where something was."""
    error = answer.json().get("error", {})
    return answer.status_code, error.get("code", ""), error.get("field", "")


def reading(**changes):
    return {"area": "maas", "kind": "wind", "value": 7.5, "ts": "2026-01-01T00:00:00Z", "seq": 1, **changes}


def move(crane, seq, kind, container="CSQU3054383", call="11111111-1111-4111-8111-111111111111"):
    return {
        "source": crane,
        "seq": seq,
        "port_call": call,
        "kind": kind,
        "container": container,
        "ts": f"2026-01-01T00:00:{seq:02d}Z",
    }


def shift(planner, seq, staff, starts, ends):
    return {"source": planner, "seq": seq, "staff": staff, "role": "pilot", "starts": starts, "ends": ends}


def movement(desk, seq, kind, mmsi, ts, **changes):
    return {"source": desk, "seq": seq, "kind": kind, "mmsi": mmsi, "ts": ts, **changes}


def test_an_entry_is_stored_once_whichever_release_gets_it(stable, canary):
    """First 201, the same entry again 200 from either release, another one under its number 409; one row."""
    name = source("sensor")
    body = reading(source=name)
    with stable.client() as old, canary.client() as new:
        answers = [
            told(send(new, "POST", "readings", body, "read-1")),
            told(send(old, "POST", "readings", {**body, "ts": "2026-01-01T01:00:00+01:00"}, "read-2")),
            told(send(old, "POST", "readings", {**body, "value": 7.6}, "read-3")),
        ]
        rows = old.get("/api/v1/readings/log", params={"source": name}).json()["rows"]
    assert [(201, "", ""), (200, "", ""), (409, "seq_taken", "seq")] == answers
    assert [("read-1", "1.1", 7.5)] == [(row["request_id"], row["release"], row["value"]) for row in rows]


def test_maps_read_the_latest_of_each_kind(stable):
    """The reading with the latest instant of each kind, whatever came last; nothing for an area without sensors."""
    area = source("area")
    with stable.client() as client:
        for seq, kind, minute, value in [(1, "wind", 5, 5.0), (2, "wind", 3, 3.0), (1, "tide", 4, -1.25)]:
            body = reading(area=area, kind=kind, seq=seq, value=value, ts=f"2026-01-01T00:0{minute}:00Z")
            assert (201, "", "") == told(send(client, "POST", "readings", body, "map"))
        found = client.get("/api/v1/readings", params={"area": area}).json()["readings"]
        assert {"area": "empty", "readings": []} == client.get("/api/v1/readings?area=empty").json()
    assert {("wind", 5.0, f"{area}/wind"), ("tide", -1.25, f"{area}/tide")} == {
        (row["kind"], row["value"], row["source"]) for row in found
    }


def test_a_route_is_stored_once(stable, canary):
    """First 201, again 200, another body 409; its waypoints come back exactly, alone and under its call."""
    call, route = str(uuid.uuid4()), str(uuid.uuid4())
    points = [[4.0, 51.95], [4.1234567, 51.9000001], [4.2, 51.9]]
    body = {"port_call": call, "seq": 0, "mmsi": 244_000_001, "waypoints": points}
    with stable.client() as old, canary.client() as new:
        answers = [
            told(send(new, "PUT", f"routes/{route}", body, "route-1")),
            told(send(old, "PUT", f"routes/{route}", body, "route-2")),
            told(send(old, "PUT", f"routes/{route}", {**body, "waypoints": points[:2]}, "route-3")),
        ]
        alone = old.get(f"/api/v1/routes/{route}").json()
        listed = new.get("/api/v1/routes", params={"port_call": call}).json()["routes"]
        assert (404, "unknown_route", "id") == told(old.get(f"/api/v1/routes/{call}"))
    assert [(201, "", ""), (200, "", ""), (409, "id_taken", "id")] == answers
    assert [alone] == listed
    assert ("route-1", "1.1", points) == (alone["request_id"], alone["release"], alone["waypoints"])


def test_containers_are_conserved(stable, canary):
    """The inventory's net count is loads minus discharges; a move to where a container is already changes nothing."""
    crane, call = source("crane"), str(uuid.uuid4())
    moves = [
        ("discharge", "CSQU3054383", 201),
        ("discharge", "CSQU3054383", 409),
        ("load", "CSQU3054383", 201),
        ("load", "MSCU1234566", 201),
        ("load", "MSCU1234566", 409),
    ]
    with stable.client() as old, canary.client() as new:
        for seq, (kind, container, status) in enumerate(moves):
            answer = send((old, new)[seq % 2], "POST", "cargo/moves", move(crane, seq, kind, container, call), "cargo")
            assert (kind, container, status) == (kind, container, answer.status_code)
        again = send(old, "POST", "cargo/moves", move(crane, 0, "discharge", "CSQU3054383", call), "cargo")
        inventory = old.get("/api/v1/cargo/inventory", params={"port_call": call}).json()
        log = old.get("/api/v1/cargo/moves/log", params={"source": crane}).json()["rows"]
    assert (200, "repeated") == (again.status_code, again.json()["result"])
    assert 1 == inventory["net_count"] == sum(1 if row["kind"] == "load" else -1 for row in log)
    assert {("CSQU3054383", "on_board", 0), ("MSCU1234566", "on_board", 1)} == {
        (row["container"], row["place"], row["balance"]) for row in inventory["containers"]
    }


def test_staff_are_not_double_booked_and_rest(stable, canary):
    """A shift over another is a 409, one too close to it a 422, each by its rule; a refusal takes no number."""
    planner, member = source("planner"), source("member")
    day, night = ("2026-01-01T06:00:00Z", "2026-01-01T18:00:00Z"), ("2026-01-02T03:00:00Z", "2026-01-02T09:00:00Z")
    over = ("2026-01-01T17:00:00Z", "2026-01-01T20:00:00Z")
    rested = ("2026-01-02T06:00:00Z", "2026-01-02T18:00:00Z")
    with stable.client() as old, canary.client() as new:
        answers = [
            told(send(client, "POST", "staff/assignments", shift(planner, seq, member, *times), "staff"))
            for client, seq, times in [(old, 0, day), (new, 1, over), (old, 1, night), (new, 1, rested), (old, 0, day)]
        ]
        shifts = old.get("/api/v1/staff/shifts", params={"staff": member}).json()["shifts"]
    assert [
        (201, "", ""),
        (409, "double_booking", "starts"),
        (422, "rest_day", "starts"),
        (201, "", ""),
        (200, "", ""),
    ] == answers
    assert [rested, day] == [(row["starts"], row["ends"]) for row in shifts]


def test_of_two_planners_at_once_one_is_refused(stable, canary):
    """Twenty planners book one member for one hour at the same time through both releases: one succeeds."""
    member = source("member")
    hour = ("2026-01-01T06:00:00Z", "2026-01-01T07:00:00Z")
    with stable.client() as old, canary.client() as new, ThreadPoolExecutor(8) as pool:

        def book(number):
            body = shift(f"{member}/{number}", 0, member, *hour)
            return told(send((old, new)[number % 2], "POST", "staff/assignments", body, "race"))

        answers = sorted(pool.map(book, range(20)))
    assert [(201, "", "")] + [(409, "double_booking", "starts")] * 19 == answers


def test_one_berth_one_ship(stable, canary):
    """A berth is refused to a second ship inside the first one's window and given to it after the exit."""
    desk, berth = source("vts"), source("berth")
    ship, other = 970_100_001, 970_100_002
    steps = [
        (
            movement(desk, 0, "entry", ship, "2026-01-01T01:00:00Z", berth=berth, until="2026-01-01T09:00:00Z"),
            (201, ""),
        ),
        (
            movement(desk, 1, "entry", other, "2026-01-01T05:00:00Z", berth=berth, until="2026-01-01T12:00:00Z"),
            (409, "berth_taken"),
        ),
        (movement(desk, 1, "entry", ship, "2026-01-01T05:00:00Z"), (409, "already_inside")),
        (movement(desk, 1, "exit", ship, "2026-01-01T10:00:00Z"), (409, "outside_stay")),
        (movement(desk, 1, "exit", ship, "2026-01-01T05:00:00Z"), (201, "")),
        (
            movement(desk, 2, "entry", other, "2026-01-01T05:00:00Z", berth=berth, until="2026-01-01T12:00:00Z"),
            (201, ""),
        ),
    ]
    with stable.client() as old, canary.client() as new:
        for place, (body, wanted) in enumerate(steps):
            answer = send((old, new)[place % 2], "POST", "movements", body, "move")
            assert (place, *wanted) == (place, *told(answer)[:2])
        berths = old.get("/api/v1/berths?limit=1000").json()["berths"]
        log = new.get("/api/v1/movements/log", params={"source": desk}).json()["rows"]
    assert [other] == [row["mmsi"] for row in berths if row["berth"] == berth]
    assert [("entry", ship, True), ("exit", ship, True), ("entry", other, True)] == [
        (row["kind"], row["mmsi"], row["entry_seen"]) for row in log
    ]


def test_an_exit_that_nobody_saw_enter_is_taken_and_says_so(stable):
    """A ship's exit without an entry is stored as such, and its next entry is one."""
    desk, ship = source("vts"), 970_100_003
    with stable.client() as client:
        for seq, kind in enumerate(["exit", "entry"]):
            body = movement(desk, seq, kind, ship, f"2026-01-01T0{seq}:00:00Z")
            assert (201, "", "") == told(send(client, "POST", "movements", body, "unseen"))
        log = client.get("/api/v1/movements/log", params={"source": desk}).json()["rows"]
    assert [("exit", False), ("entry", True)] == [(row["kind"], row["entry_seen"]) for row in log]


def test_the_log_of_a_source_is_paged(stable):
    """Pages follow the source's numbers; each row has the store's own order."""
    name = source("sensor")
    with stable.client() as client:
        for seq in (0, 2, 1):
            send(client, "POST", "readings", reading(source=name, seq=seq), f"page-{seq}")
        pages = [
            client.get("/api/v1/readings/log", params={"source": name, "after_seq": after_seq, "limit": 2}).json()[
                "rows"
            ]
            for after_seq in (-1, 1)
        ]
    assert [[0, 1], [2]] == [[row["seq"] for row in page] for page in pages]
    assert ["page-0", "page-2", "page-1"] == [
        row["request_id"] for row in sorted([*pages[0], *pages[1]], key=lambda row: row["id"])
    ]


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("readings", reading(seq=9, ts="9999-12-31T23:59:59.999999-23:59"), "ts"),
        ("readings", reading(seq=9, area="ma\0as"), "area"),
        ("staff/assignments", shift("p", 0, "m", "9999-12-31T10:00:00Z", "9999-12-31T11:00:00Z"), "starts"),
    ],
)
def test_what_the_store_cannot_keep_is_refused(stable, path, body, field):
    """An instant beyond the calendar and a NUL are the client's mistake: 422, not 500."""
    with stable.client() as client:
        answer = send(client, "POST", path, body, "odd")
    assert (422, field) == (answer.status_code, answer.json()["error"].get("field", "ts"))
