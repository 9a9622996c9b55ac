"""The requests that the kit sends: repeatable, in order, acceptable, and dirty as the world is."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from dataclasses import replace
from functools import cache
from itertools import pairwise

import msgspec
import pytest

from porttrack.kit import PortTrackKit, fleet
from porttrack.kit.profiles import PORTS
from porttrack.kit.stored import CallRow, PositionRow, StampRow, call_writes, position_writes, stamp_writes
from porttrack.port_calls import PortCall, State, may_follow
from porttrack.releases import by_name
from porttrack.releases.v1_0 import gap_problem
from porttrack.timestamps import Timestamp, check

KIT = PortTrackKit()
COUNT = 4000


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


def bodies(kind, **kwargs):
    return [(request, msgspec.json.decode(request.body)) for _, one, request in run(**kwargs) if one == kind]


def reports(**kwargs):
    return [report for _, body in bodies("positions", **kwargs) for report in body["reports"]]


@pytest.mark.parametrize(("name", "rate_rps", "users", "vessels"), [("S", 24, 20, 60), ("M", 120, 150, 570)])
def test_profiles(name, rate_rps, users, vessels):
    """Both sizes have their rate, users and fleet, a mix that sums to 1 and the names of what it leaves out."""
    profile = KIT.profiles[name]
    assert (rate_rps, users, vessels) == (profile.rate_rps, profile.users, PORTS[name].vessels)
    shares = {kind.name: kind.share for kind in profile.kinds}
    assert pytest.approx(1) == sum(shares.values())
    assert pytest.approx(34 / 20) == shares["positions"] / shares["vessels_bbox"]
    assert {"positions", "timestamp", "port_call"} == {kind.name for kind in profile.kinds if kind.writes}
    assert ("cargo_move", "cargo_inventory", "staff_assignment", "staff_shifts", "movement") == profile.left_out


def test_the_same_seed_makes_the_same_requests():
    """Two loads of one seed send the same bytes, whatever the rate; another seed or run does not."""
    again = KIT.build_load(replace(KIT.profiles["M"], rate_rps=1.0, users=2), 7)
    repeated = [again.request(index, kind, index / 120, op_id) for index, (op_id, kind, _) in enumerate(run()[:500])]
    assert [request for _, _, request in run()[:500]] == repeated
    assert [request for _, _, request in run()[:500]] != [request for _, _, request in run(seed=8)[:500]]


def test_ids_belong_to_the_run():
    """Calls and timestamps of two runs of one seed have different ids; within a run no timestamp id comes twice."""
    ids = [
        [request.path for _, kind, request in run(run_id=run_id) if kind == "timestamp"] for run_id in ("run", "other")
    ]
    assert set() == set(ids[0]) & set(ids[1])
    assert len(ids[0]) == len(set(ids[0])) > 300


@pytest.mark.parametrize("profile", ["S", "M"])
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
    """A reader that knows only the source names every vessel that reported under it, and each vessel has one source."""
    sources = defaultdict(set)
    for _, body in bodies("positions"):
        mmsis = {report["mmsi"] for report in body["reports"]}
        assert mmsis <= set(fleet.mmsis_of_source(body["source"]))
        for mmsi in mmsis:
            sources[mmsi].add(body["source"])
    assert {1} == {len(names) for names in sources.values()}
    everyone = [mmsi for name in "SM" for station in range(PORTS[name].stations) for mmsi in fleet.mmsis(name, station)]
    assert 630 == len(everyone) == len(set(everyone))


@pytest.mark.parametrize("name", ["station/M/12", "station/L/00"])
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
        # Drawn per report: four standard deviations of 9,000 reports.
        (lambda one: one["lat"] == 91.0 and one["lon"] == 181.0, 0.008, 0.004),
        (lambda one: one["sog"] == 102.3, 0.01, 0.0045),
        (lambda one: one["cog"] == 360.0, 0.01, 0.0045),
        (lambda one: one["sog"] < 0.5, 0.43 * 0.99, 0.025),
        # Dealt per vessel, and vessels under way report more often: the few of them move the share.
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


def as_rows(kind, request, body):
    """What the service would give back for an accepted write."""
    text = {"request_id": "op", "release": "1.0"}
    if kind == "positions":
        rows = [
            {**one, "batch": 4, "ordinal": place, "source": body["source"], **text}
            for place, one in enumerate(body["reports"])
        ]
        return position_writes(msgspec.convert(rows, list[PositionRow], strict=False))
    id_ = request.path.rpartition("/")[2]
    if kind == "port_call":
        return call_writes(id_, [msgspec.convert({**body, **text}, CallRow, strict=False)])
    return stamp_writes([msgspec.convert({**body, **text, "id": id_}, StampRow, strict=False)])


@pytest.mark.parametrize("kind", ["positions", "port_call", "timestamp"])
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
}


@pytest.mark.parametrize("kind", ["positions", "port_call", "timestamp"])
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
