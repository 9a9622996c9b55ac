"""The requests that the kit sends: repeatable, in order, acceptable, and dirty as the world is."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from dataclasses import replace
from functools import cache
from itertools import pairwise

import msgspec
import pytest

from porttrack.cargo import check_digit
from porttrack.kit import PortTrackKit, fleet, invariants
from porttrack.kit.profiles import PORTS
from porttrack.kit.stored import (
    LOGS,
    CallRow,
    PositionRow,
    RouteRow,
    StampRow,
    call_writes,
    log_writes,
    position_writes,
    route_writes,
    stamp_writes,
)
from porttrack.port_calls import PortCall, State, may_follow
from porttrack.releases import by_name
from porttrack.releases.v1_0 import gap_problem
from porttrack.timestamps import Timestamp, check

KIT = PortTrackKit()
COUNT = 4000
WRITES = {
    "positions",
    "timestamp",
    "port_call",
    "cargo_move",
    "staff_assignment",
    "movement",
    "reading",
    "route",
}


@cache
def run(profile="M", seed=7, run_id="run", count=COUNT):
    """(op id, kind, request) of `count` schedule rows at the profile's rate."""
    chosen = KIT.profiles[profile]
    load = KIT.build_load(chosen, seed)
    kinds = [kind.name for kind in chosen.kinds]
    drawn = random.Random(seed).choices(kinds, [kind.share for kind in chosen.kinds], k=count)
    return [
        (f"{run_id}-{index}", kind, load.request(index, kind, index / chosen.rate_rps, f"{run_id}-{index}"))
        for index, kind in enumerate(drawn)
    ]


NONSENSE = (123_456_789, 111_111_111, 987_654_321, 1, 999_999_999)
ENTRIES = ("cargo_move", "staff_assignment", "movement", "reading")


def path_id(request):
    return request.path.rpartition("/")[2].partition("?")[0]


def bodies(kind, **kwargs):
    return [(request, msgspec.json.decode(request.body)) for _, one, request in run(**kwargs) if one == kind]


def reports(**kwargs):
    return [report for _, body in bodies("positions", **kwargs) for report in body["reports"]]


@pytest.mark.parametrize(
    ("name", "rate_rps", "users", "vessels"), [("S", 24, 20, 60), ("M", 120, 150, 570), ("L", 400, 400, 2000)]
)
def test_profiles(name, rate_rps, users, vessels):
    """Each size has its rate, users and fleet, and a mix that sums to 1 in its proportions, and leaves out nothing."""
    profile = KIT.profiles[name]
    assert (rate_rps, users, vessels) == (profile.rate_rps, profile.users, PORTS[name].vessels)
    shares = {kind.name: kind.share for kind in profile.kinds}
    assert pytest.approx(1) == sum(shares.values())
    assert pytest.approx(34 / 20) == shares["positions"] / shares["vessels_bbox"]
    assert pytest.approx(4 / 2) == shares["cargo_move"] / shares["movement"]
    assert WRITES == {kind.name for kind in profile.kinds if kind.writes}
    assert () == profile.left_out


@pytest.mark.parametrize(("name", "in_flight"), [("S", 1.4), ("M", 66), ("L", 220)])
def test_writes_are_in_flight_when_traffic_shifts(name, in_flight):
    """Rate x share x time of the timestamps is what the profile says: in M ten on a canary at 25 % that fails 30 %.

    They are all of a kind that is known to wait, and no other waits.
    """
    requests = run(name, count=20_000)
    waits_ms = [int(request.path.partition("hold_ms=")[2] or 0) for _, _, request in requests]
    seconds = len(requests) / KIT.profiles[name].rate_rps
    assert pytest.approx(in_flight, rel=0.15) == sum(waits_ms) / 1000 / seconds
    waiting = {kind.name for kind in KIT.profiles[name].kinds if kind.waits}
    assert {"timestamp"} == waiting
    assert all((kind in waiting) == (wait_ms > 0) for (_, kind, _), wait_ms in zip(requests, waits_ms, strict=True))
    assert max(waits_ms) <= 3500


def test_the_same_seed_makes_the_same_requests():
    """Two loads of one seed send the same bytes, whatever the rate; another seed or run does not."""
    again = KIT.build_load(replace(KIT.profiles["M"], rate_rps=1.0, users=2), 7)
    repeated = [again.request(index, kind, index / 120, op_id) for index, (op_id, kind, _) in enumerate(run()[:500])]
    assert [request for _, _, request in run()[:500]] == repeated
    assert [request for _, _, request in run()[:500]] != [request for _, _, request in run(seed=8)[:500]]


def test_ids_belong_to_the_run():
    """Two runs of one seed have different ids and sources; within a run no id of a timestamp or route comes twice."""
    ids = [
        [path_id(request) for _, kind, request in run(run_id=run_id) if kind in ("timestamp", "route")]
        for run_id in ("run", "other")
    ]
    assert set() == set(ids[0]) & set(ids[1])
    assert len(ids[0]) == len(set(ids[0])) > 300


def test_sources_belong_to_the_run():
    """No entry of a log has the source and number of another run's."""
    sources = [
        {request.key for _, kind, request in run(run_id=run_id) if kind in ENTRIES} for run_id in ("run", "other")
    ]
    assert set() == sources[0] & sources[1]
    assert 24 + 6 + 2 + 2 == len(sources[0])  # sensors, cranes, planners, desks


@pytest.mark.parametrize("profile", ["S", "M", "L"])
def test_seq_rises_per_key_and_per_vessel(profile):
    """Over the writes of a key, and over the reports of a vessel, seq rises strictly; reads have none."""
    by_key, by_vessel = defaultdict(list), defaultdict(list)
    for _, kind, request in run(profile):
        if request.method != "GET":
            by_key[request.key].append(request.seq)
        else:
            assert (-1, "") == (request.seq, request.payload_hash), kind
    for report in reports(profile=profile):
        by_vessel[report["mmsi"]].append(report["seq"])
    for seqs in (*by_key.values(), *by_vessel.values()):
        assert sorted(set(seqs)) == seqs
    assert {fleet.source(profile, station) for station in range(PORTS[profile].stations)} <= by_key.keys()


def test_vessels_are_found_from_the_name_of_their_source():
    """A reader that knows only the source names every vessel that reported under it, also overheard ones."""
    sources = defaultdict(set)
    for _, body in bodies("positions"):
        mmsis = {report["mmsi"] for report in body["reports"]}
        assert mmsis <= set(fleet.mmsis_of_source(body["source"]))
        for mmsi in mmsis:
            sources[mmsi].add(body["source"])
    assert {1, 2} == {len(names) for names in sources.values()}


def test_fleets_of_two_profiles_do_not_meet():
    """But for nonsense MMSIs, which are of nobody, no vessel is in two fleets or twice in one."""
    everyone = [vessel.mmsi for name in PORTS for station in fleet.build(name, random.Random(1)) for vessel in station]
    real = [mmsi for mmsi in everyone if mmsi not in NONSENSE]
    assert len(real) == len(set(real)) > 2600


@pytest.mark.parametrize("name", ["station/M/12", "station/X/00"])
def test_a_foreign_source_is_refused(name):
    """A station or profile that the kit does not have is named in the refusal."""
    with pytest.raises(ValueError, match=name):
        fleet.mmsis_of_source(name)


@pytest.mark.parametrize("release", ["1.0", "1.1"])
def test_both_releases_take_every_batch(release):
    """Nothing that the kit sends is out of range for either release."""
    decoder = by_name(release).batch_decoder()
    for request, _ in bodies("positions"):
        assert {None} == {gap_problem(report) for report in decoder.decode(request.body).reports}


def test_every_timestamp_keeps_the_rules():
    """The service's own check refuses none of them, and all four classifiers are used."""
    decoder = msgspec.json.Decoder(Timestamp)
    stamps = [decoder.decode(request.body) for request, _ in bodies("timestamp")]
    assert {None} == {check(stamp) for stamp in stamps}
    assert {"EST", "REQ", "PLN", "ACT"} == {stamp.classifier_code for stamp in stamps}


def test_calls_advance_and_never_go_back():
    """Each call is put forward only, some to their end, and two puts of one call are at least four seconds apart."""
    states, indices = defaultdict(list), defaultdict(list)
    for index, (_, kind, request) in enumerate(run(count=20_000)):
        if kind == "port_call":
            states[request.key].append(msgspec.json.decode(request.body, type=PortCall).state)
            indices[request.key].append(index)
    for history in states.values():
        assert all(may_follow(now, then) for now, then in pairwise(history))
    assert sum(history[-1] is State.DEPARTED for history in states.values()) > 10
    gaps = [after - before for places in indices.values() for before, after in pairwise(places)]
    assert min(gaps) / 120 > 4


def test_batches_have_1_to_20_reports_median_5():
    """Sizes lie within the service's bounds around a median of five."""
    sizes = sorted(len(body["reports"]) for _, body in bodies("positions"))
    assert (1, 20, 5) == (sizes[0], sizes[-1], sizes[len(sizes) // 2])


@pytest.mark.parametrize(
    ("what", "share", "tolerance"),
    [
        # Drawn per report: four standard deviations of 7,000 reports.
        (lambda one: one["lat"] == 91.0 and one["lon"] == 181.0, 0.008, 0.004),
        (lambda one: one["sog"] == 102.3, 0.01, 0.0045),
        (lambda one: one["cog"] == 360.0, 0.01, 0.0045),
        # These follow from who lies still, how often such a vessel reports, and few vessels.
        (lambda one: one["sog"] < 0.5, 0.43 * 0.99, 0.06),
        (lambda one: one["heading"] == 511, 0.15, 0.06),
        (lambda one: one["rot"] == -128, 0.18, 0.06),
        (lambda one: one["nav_status"] == 0, 0.72, 0.03),
        (lambda one: one["nav_status"] == 15, 0.09, 0.03),
        (lambda one: one["nav_status"] == 5, 0.05, 0.02),
    ],
)
def test_reports_are_as_dirty_as_the_real_feed(what, share, tolerance):
    """Not-available codes, standing still and navigational states come at the shares of the reference feed."""
    seen = reports()
    assert pytest.approx(share, abs=tolerance) == sum(map(what, seen)) / len(seen)


def test_reads_ask_only_for_vessels_that_have_reported():
    """A vessel asked for by id has a report at least a second older than the question."""
    first_index = {}
    for index, (_, kind, request) in enumerate(run()):
        if kind == "positions":
            for report in msgspec.json.decode(request.body)["reports"]:
                first_index.setdefault(report["mmsi"], index)
        elif kind == "vessel" and request.key:
            assert first_index[int(request.key.removeprefix("vessel/"))] <= index - 119
    asked = Counter(request.key != "" for _, kind, request in run() if kind == "vessel")
    assert asked[False] < 40 < asked[True]


def test_vessels_report_in_proportion_to_their_intervals():
    """A vessel under way reports thirty times as often as one that is moored, as its nominal interval says."""
    counts = Counter(report["mmsi"] for report in reports(count=20_000))
    moored, under_way = [], []
    for vessel in (one for station in fleet.build("M", random.Random("porttrack/M/7")) for one in station):
        if not vessel.class_b and not vessel.is_overheard and vessel.mmsi > 200_000_000:
            if vessel.nav_status == fleet.MOORED:
                moored.append(counts[vessel.mmsi])
            elif 14 < vessel.speed_kn <= 23:
                under_way.append(counts[vessel.mmsi])
    ratio = (sum(under_way) / len(under_way)) / (sum(moored) / len(moored))
    assert pytest.approx(180 / 6, rel=0.3) == ratio


@pytest.mark.parametrize(
    ("vessel", "seconds"),
    [
        ((False, 0, fleet.MOORED, False), 180),
        ((False, 3.1, fleet.ANCHORED, False), 10),
        ((False, 0, 0, False), 10),
        ((False, 14, 0, True), 10 / 3),
        ((False, 14.1, 0, False), 6),
        ((False, 23, 0, True), 2),
        ((False, 23.1, 0, False), 2),
        ((True, 2, 15, False), 180),
        ((True, 2.1, 15, True), 30),
    ],
)
def test_nominal_intervals(vessel, seconds):
    """The table of M.1371 for classes A and B-CS, at its edges."""
    assert seconds == fleet.interval_s(*vessel)


def test_some_reports_come_twice_late_and_out_of_order():
    """Reports that two stations heard are one in eight, equal but for their number, and mostly at most 2 s late."""
    seen, late_s, newest = {}, [], {}
    for index, (_, kind, request) in enumerate(run()):
        for one in msgspec.json.decode(request.body)["reports"] if kind == "positions" else ():
            seq = one.pop("seq")
            one.pop("position_accuracy")
            place = (one["mmsi"], one["ts"], one["lat"], one["lon"], one["rot"])
            if place in seen and seen[place][0] == one:
                late_s.append((index - seen[place][1]) / 120)
            seen.setdefault(place, (one, index))
            newest[one["mmsi"]] = max(newest.get(one["mmsi"], -1), seq)
    share = len(late_s) / len(reports())
    assert 0.05 < share < 0.3
    assert sorted(late_s)[int(0.95 * len(late_s))] <= 2


def test_some_mmsis_are_nonsense():
    """About one in 125 MMSIs is of nobody, and the service takes it."""
    assert 0 < sum(one["mmsi"] in NONSENSE for one in reports()) / len(reports()) < 0.03


@pytest.mark.parametrize("profile", ["S", "M", "L"])
def test_the_work_of_the_port_is_right_whatever_is_lost(profile):
    """With any part of the writes lost, what is left breaks no rule of the service and no invariant."""
    sent = [(kind, request) for _, kind, request in run(profile, count=20_000) if kind in ENTRIES]
    for seed in range(3):
        draw = random.Random(seed)
        kept = [one for one in sent if draw.random() < (1.0, 0.9, 0.5)[seed]]
        assert [] == list(invariants.broken(stored(kept)))


def stored(sent):
    """The rows of a service that keeps everything."""
    rows, inside, balances = defaultdict(list), {}, Counter()
    for number, (kind, request) in enumerate(sent):
        body = {**msgspec.json.decode(request.body), "id": number, "request_id": f"run-{number}", "release": "1.0"}
        if kind == "movement":
            body["entry_seen"] = body["kind"] == "entry" or inside.pop(body["mmsi"], None) is not None
            if body["kind"] == "entry":
                inside[body["mmsi"]] = body["request_id"]
        if kind == "cargo_move":
            assert check_digit(body["container"]) == int(body["container"][-1])
            balances[body["port_call"], body["container"]] += 1 if body["kind"] == "load" else -1
        rows[kind].append(msgspec.convert(body, LOGS[kind].row_type, strict=False))
    return invariants.Rows(
        moves=rows["cargo_move"],
        inventory=[invariants.Held(*place, "run-0", balance) for place, balance in balances.items()],
        movements=rows["movement"],
        inside=[invariants.Inside(mmsi, op_id) for mmsi, op_id in inside.items()],
        assignments=rows["staff_assignment"],
    )


def as_rows(kind, request, body):
    """What the service would give back for an accepted write."""
    text = {"request_id": "op", "release": "1.0"}
    if kind == "positions":
        rows = [
            {**one, "batch": 4, "ordinal": place, "source": body["source"], **text}
            for place, one in enumerate(body["reports"])
        ]
        return position_writes(msgspec.convert(rows, list[PositionRow], strict=False))
    id_ = path_id(request)
    if kind == "port_call":
        return call_writes(id_, [msgspec.convert({**body, **text}, CallRow, strict=False)])
    if kind == "route":
        return route_writes([msgspec.convert({**body, **text, "id": id_}, RouteRow, strict=False)])
    if kind in LOGS:
        row = {**body, **text, "id": 4, "entry_seen": True}
        return log_writes(kind, [msgspec.convert(row, LOGS[kind].row_type, strict=False)])
    return stamp_writes([msgspec.convert({**body, **text, "id": id_}, StampRow, strict=False)])


@pytest.mark.parametrize("kind", sorted(WRITES))
def test_a_stored_write_has_the_hash_of_its_request(kind):
    """Key, seq and hash of a request are found again in the rows that it leaves."""
    for request, body in bodies(kind):
        [write] = as_rows(kind, request, body)
        assert (kind, request.key, request.seq, request.payload_hash) == (
            write.kind,
            write.key,
            write.seq,
            write.payload_hash,
        )


OTHER = {
    int: lambda value: value + 1,
    float: lambda value: value + 1e-6,
    str: lambda value: value.replace("2026", "2027", 1) if value.startswith("2026") else value + "x",
    list: lambda value: [*value[:-1], [value[-1][0], value[-1][1] + 1e-6]],
    type(None): lambda _: "2026-01-01T00:00:00Z",
}


@pytest.mark.parametrize("kind", sorted(WRITES))
def test_every_field_is_in_the_hash(kind):
    """Changing any one stored field changes the hash; the field of release 1.1 is not in it."""
    request, body = next(one for one in bodies(kind) if kind != "positions" or len(one[1]["reports"]) > 1)
    record = body["reports"][1] if kind == "positions" else body
    for name, value in list(record.items()):
        if name == "position_accuracy":
            continue
        record[name] = OTHER[type(value)](value)
        [write] = as_rows(kind, request, body)
        assert request.payload_hash != write.payload_hash, name
        record[name] = value
    record["position_accuracy"] = None
    [write] = as_rows(kind, request, body)
    assert request.payload_hash == write.payload_hash
