"""What mutations do where a trial is not the simplest one, and that a copy is what the reader would have made."""

import ast
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import harness.judge.self_check
from harness.evidence import run
from harness.evidence.finding import Verdict
from harness.judge import judge
from harness.judge.chain import gather
from harness.judge.self_check import MUTATIONS, self_check
from harness.testing import histories as h

FILES = sorted(Path(harness.judge.self_check.__file__).parent.glob("*.py"))
ALLOWED = {"__future__", "collections", "dataclasses", "harness", "json", "numpy", "typing"}
OURS = ("harness.clock", "harness.evidence", "harness.judge")
STREAMS = ("operations", "schedule", "routing", "samples", "service", "store")


def named(name):
    return next(mutation for mutation in MUTATIONS if mutation.name == name)


def skipped_of(evidence):
    """{mutation: why} of a trial that passes and in which every mutation that is tried is caught."""
    findings = judge(evidence)
    assert Verdict.PASS == findings.verdict, findings.headline
    result = self_check(evidence, findings)
    assert () == result.missed
    return {one.name: one.why for one in result.skipped}


def lost(evidence, read, rows):
    """How many of the rows a mutation took out of a read, or changed."""
    return len([row for row in h.rows_of(evidence, read) if row not in rows])


def test_allowed_losses():
    """Where two writes may be lost, a mutation loses three, whether taken out or changed."""
    evidence = h.with_expect(h.passing(), write_lost_count_max=2)
    facts = gather(evidence)
    before = h.rows_of(evidence, "store")
    assert len(before) - 3 == len(h.rows_of(named("write_gone_from_store").change(facts), "store"))
    assert 3 == lost(named("payload_changed").change(facts), "store", before)
    assert "write_gone_from_store" not in skipped_of(evidence)


def test_losses_that_happened_count_as_allowed():
    """Of writes of which one was lost, as it may be, two others are taken: the mutation is still caught."""
    gone = h.dropped(
        h.with_expect(h.passing(), write_lost_count_max=1), "store", lambda row: row["op_id"] == h.op_id(160)
    )
    assert "write_gone_from_store" not in skipped_of(gone)
    assert "payload_changed" not in skipped_of(gone)


def test_everything_may_be_lost():
    """Where every acknowledged write may be lost there is no loss to mutate, and that is said."""
    skipped = skipped_of(h.with_expect(h.passing(), write_lost_count_max=10_000))
    assert "every acknowledged write may be lost" == skipped["store_read_empty"]
    assert "10000 may be lost" in skipped["write_gone_from_store"]
    assert "10000 may be lost" in skipped["write_gone_from_service"]


def test_one_write_is_enough():
    """Where the experiment asks for next to no power there cannot be too few writes."""
    skipped = skipped_of(h.with_expect(h.passing(), loss_rate_detectable_max=0.99))
    assert "a single acknowledged write is enough for the experiment" == skipped["canary_writes_too_few"]


def test_fault_for_both():
    """A fault that is meant for stable too may mark stable's answers."""
    skipped = skipped_of(h.held())
    assert "the fault is meant for stable too" == skipped["stable_answer_marked"]


@pytest.mark.parametrize(
    ("share", "hit"), [(0.9, lambda place: place % 10 != 3), (1.0, lambda place: True)], ids=["most", "all"]
)
def test_strong_fault(share, hit):
    """A fault that hits most answers is mutated into one that hits nearly none."""
    evidence = h.with_manifest(h.passing(), fault={**h.passing().manifest["fault"], "share": share})

    def spoil(row):
        index = int(row["op_id"].rsplit("-", 1)[1])
        on = h.FAULT_S < index / h.RATE_RPS < h.HEALED_S and h.track_of(index) == "canary"
        if not on or not hit(index // 2):
            return {**row, "fault_mark": "", "outcome": "ok", "status": 201 if row["seq"] >= 0 else 200}
        return {**row, "fault_mark": "http_5xx", "outcome": "failed", "status": 503}

    evidence = h.changed(evidence, "operations", spoil)
    outcomes = {row["op_id"]: row["outcome"] for row in h.rows_of(evidence, "operations")}
    for read in ("service", "store"):
        evidence = h.dropped(evidence, read, lambda row: outcomes[row["op_id"]] != "ok")
    changed = named("fault_of_other_strength").change(gather(evidence))
    marks = [int(np.sum(one.operations["fault_mark"] != "")) for one in (evidence, changed)]
    assert marks[0] > 25
    assert 1 == marks[1]


def asked_for_more():
    """A passing trial whose kit has invariants, whose rules are known, and which says what its split must resolve."""
    words = {"share_over": 0.05, "count_min": 3, "times_stable": 3, "was_nought": True}
    timing = {**h.passing().manifest["timing"], "window_s": 5, "for_s": 1, "share_rules": {h.ALERT: words}}
    return replace(h.with_manifest(h.passing(), timing=timing), invariants=())


def test_what_is_asked_is_tried():
    """Where bounds and invariants are known, their mutations are tried too, and caught."""
    skipped = skipped_of(asked_for_more())
    assert set() == {"invariant_broken", "alert_later_than_chance"} & set(skipped)


def test_power_that_is_asked_for():
    """Where the experiment says what the split must resolve, a split of few requests is tried, and caught."""
    assert "split_of_few_requests" not in skipped_of(h.with_expect(h.promoted(), split_points_max=25.0))


def test_two_required_alerts():
    """Where two alerts are required, a mutated edge is that of both."""
    other = [h.alert_sample(13.3 + second, "firing", alert="CanaryDown") for second in range(6)]
    evidence = h.added(h.passing(), "samples", *other)
    evidence = h.with_expect(evidence, alerts_required=[h.ALERT, "CanaryDown"])
    told = [h.notification(13.4), h.notification(13.5, alert="CanaryDown")]
    skipped = skipped_of(h.with_notifications(evidence, *told))
    assert not [name for name in skipped if name.startswith("alert_") and name != "alert_later_than_chance"]


def test_router_names_the_version():
    """Answers without a version of their own are no defect while the router's log says who gave them."""
    half = {h.op_id(index) for index in range(0, 600, 2)}
    evidence = h.updated(h.passing(), "operations", lambda row: row["op_id"] in half, version="", version_source="none")
    assert Verdict.PASS == judge(evidence).verdict


@pytest.mark.parametrize("name", ["clock_drifts", "alert_too_late", "shifted_too_late"])
def test_copy_is_what_the_reader_makes(name, tmp_path):
    """Wall stamps, clock and instants of a mutated copy agree: written and read again, every stream is the same."""
    changed = named(name).change(gather(h.passing()))
    h.write(changed, tmp_path / "run")
    read = run.load(tmp_path / "run")
    assert np.array_equal(changed.clock.offset_ns, read.clock.offset_ns)
    for stream, instant in (("samples", "t_ns"), ("routing", "start_ns")):
        mine, its = (np.sort(getattr(one, stream)[instant]) for one in (changed, read))
        assert np.abs(mine - its).max() <= 1_000_000  # a Prometheus stamp has whole milliseconds
    for stream in STREAMS:
        assert sorted(map(str, h.rows_of(changed, stream))) == sorted(map(str, h.rows_of(read, stream)))


def test_untouched_columns_are_shared():
    """A mutation copies what it changes and nothing else."""
    facts = gather(h.passing())
    changed = named("payload_changed").change(facts)
    assert changed.operations is facts.evidence.operations
    assert changed.store.rows["op_id"] is facts.evidence.store.rows["op_id"]
    assert changed.store.rows["payload_hash"] is not facts.evidence.store.rows["payload_hash"]


def test_nothing_to_mutate():
    """Over evidence that lacks everything each mutation says why it has nothing to change, or is a loss of its own."""
    facts = gather(h.passing())
    bare = replace(facts.evidence, events=(), notifications=())
    for stream in STREAMS:
        bare = h.dropped(bare, stream)
    found = [mutation.change(gather(bare)) for mutation in MUTATIONS]
    assert len([one for one in found if isinstance(one, str) and one]) > len(MUTATIONS) // 2


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_imports(path):
    """The self-check is as pure as the judge: no clock but its units, no random numbers, no environment, no socket."""
    names, of_clock = set(), set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(str(node.module))
            of_clock |= {name.name for name in node.names if node.module == "harness.clock"}
    assert set() == {name.split(".")[0] for name in names} - ALLOWED
    assert not [name for name in names if name.startswith("harness") and not name.startswith(OURS)]
    assert of_clock <= {"NS_PER_S", "NS_PER_MS"}
