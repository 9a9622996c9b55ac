"""Literal histories of the check `data_loss`.

Row 160 is a write of the canary to ship-1, row 161 one of stable to ship-2; row 162 reads. Row 244 is a
spoiled write of the canary: failed.
"""

from dataclasses import replace

import pytest

from harness.evidence.finding import Verdict
from harness.evidence.format import Kind
from harness.testing import histories as h
from harness.testing.cases import fires, near, verify

OPEN = Verdict.INCONCLUSIVE
FAIL = Verdict.FAIL
CANARY_WRITE = 160
READ = 162
FAILED_WRITE = next(index for index in range(600) if h.is_faulted(index) and h.is_write(index))
OVERFULL = {"name": "berth_holds_one", "detail": "berth 7 holds 2", "op_ids": [h.op_id(CANARY_WRITE)]}
OF = "of 300 attempted writes and {} rows read back"


def of_row(index):
    return lambda row: row["op_id"] == h.op_id(index)


def row_of(evidence, name, index):
    return next(row for row in h.rows_of(evidence, name) if row["op_id"] == h.op_id(index))


def lost(*names, index=CANARY_WRITE, evidence=None):
    """The write is not in the reads `names`."""
    evidence = evidence or h.passing()
    for name in names:
        evidence = h.dropped(evidence, name, of_row(index))
    return evidence


def unknown(index=CANARY_WRITE):
    """The client never learned what came of the write."""
    return h.updated(h.passing(), "operations", of_row(index), outcome="unknown", status=0)


def stored(name, index, like=CANARY_WRITE, **values):
    """One more row in a read, with the op_id of row `index` and the content of another."""
    row = row_of(h.passing(), name, like)
    return h.added(h.passing(), name, {**row, "op_id": h.op_id(index), **values})


def failed_and_stored(name):
    sent = row_of(h.passing(), "operations", FAILED_WRITE)
    same = {field: sent[field] for field in ("kind", "key", "seq", "payload_hash")}
    return stored(name, FAILED_WRITE, position=99, **same)


def read_at(evidence, started_ns):
    """The scan of the store begins at this instant; the service stood still a second before."""
    return h.moved(h.with_read_meta(evidence, "store", started_ns=started_ns), Kind.QUIESCED, -1.5)


def swapped(evidence, name):
    """Rows 0 and 9 of ship-0, half a second apart, stand the other way round."""
    positions = {h.op_id(0): row_of(evidence, name, 9)["position"], h.op_id(9): row_of(evidence, name, 0)["position"]}
    return h.changed(evidence, name, lambda row: {**row, "position": positions.get(row["op_id"], row["position"])})


def answered_after_next():
    """Row 0 is answered only after row 9 was sent, so their order is free."""
    sent_ns = row_of(h.passing(), "operations", 9)["sent_ns"]
    return swapped(h.updated(h.passing(), "operations", of_row(0), done_ns=sent_ns), "store")


def with_kind(share):
    kinds = [*h.passing().manifest["load"]["kinds"], {"name": "leave", "share": share, "writes": True}]
    return h.with_manifest(h.passing(), load={**h.passing().manifest["load"], "kinds": kinds})


def is_canary_write(row):
    return row["version"] == "1.1" and row["seq"] >= 0 and row["outcome"] == "ok"


def without_store(history=None):
    """Of a service whose kit is a file: the second read is another instance's."""
    kit = {"name": "notes", "has_store": False, "data_goes_with_trial": True}
    return h.with_manifest(history or h.passing(), kit=kit)


CASES = [
    fires(
        "data_loss",
        "vanished",
        lambda: lost("service", "store"),
        FAIL,
        "1 writes are not in the store, of 296 acknowledged writes (allowed: 0), among them " + h.op_id(CANARY_WRITE),
    ),
    fires(
        "data_loss",
        "vanished",
        lambda: lost("store"),
        FAIL,
        "1 writes are not in the store, of 296 acknowledged writes (allowed: 0), among them " + h.op_id(CANARY_WRITE),
    ),
    near("data_loss", "vanished", lambda: lost("service", "store", evidence=unknown())),
    near("data_loss", "vanished", lambda: h.with_expect(lost("service", "store"), write_lost_count_max=1)),
    fires(
        "data_loss",
        "unreadable",
        lambda: lost("service"),
        FAIL,
        "1 writes cannot be read through stable, of 296 acknowledged writes (allowed: 0), among them "
        + h.op_id(CANARY_WRITE),
    ),
    fires(
        "data_loss",
        "unreadable",
        lambda: lost(
            "service", index=CANARY_WRITE, evidence=h.with_expect(lost("store", index=161), write_lost_count_max=1)
        ),
        FAIL,
        "1 writes cannot be read through stable, of 296 acknowledged writes (allowed: 1), among them "
        + h.op_id(CANARY_WRITE),
        {"data_loss/vanished": FAIL, "data_loss/unreadable": FAIL},
        "data_loss/vanished",
    ),
    near("data_loss", "unreadable", lambda: lost("service", evidence=unknown())),
    fires(
        "data_loss",
        "mutated",
        lambda: h.updated(h.passing(), "store", of_row(CANARY_WRITE), payload_hash="other"),
        FAIL,
        "1 writes are not what was sent, of 296 acknowledged writes (allowed: 0), among them " + h.op_id(CANARY_WRITE),
    ),
    fires(
        "data_loss",
        "mutated",
        lambda: h.updated(h.passing(), "service", of_row(CANARY_WRITE), seq=161),
        FAIL,
        "1 writes are not what was sent, of 296 acknowledged writes (allowed: 0), among them " + h.op_id(CANARY_WRITE),
    ),
    near("data_loss", "mutated", lambda: h.updated(h.passing(), "store", of_row(CANARY_WRITE), written_by="1.0")),
    fires(
        "data_loss",
        "duplicated",
        lambda: stored("store", CANARY_WRITE, position=99),
        FAIL,
        f"1 writes are there more than once, {OF.format(593)}, among them {h.op_id(CANARY_WRITE)}",
    ),
    fires(
        "data_loss",
        "duplicated",
        lambda: stored("service", CANARY_WRITE, position=99),
        FAIL,
        f"1 writes are there more than once, {OF.format(593)}, among them {h.op_id(CANARY_WRITE)}",
    ),
    near("data_loss", "duplicated", unknown),
    fires(
        "data_loss",
        "phantom",
        lambda: stored("store", READ, position=99),
        FAIL,
        f"1 writes are there and were never attempted, {OF.format(593)}, among them {h.op_id(READ)}",
    ),
    fires(
        "data_loss",
        "phantom",
        lambda: stored("service", 9_999, position=99),
        FAIL,
        f"1 writes are there and were never attempted, {OF.format(593)}, among them {h.op_id(9_999)}",
    ),
    near("data_loss", "phantom", lambda: stored("store", 612, position=99)),
    fires(
        "data_loss",
        "aborted_visible",
        lambda: failed_and_stored("store"),
        FAIL,
        f"1 writes had failed and are there, {OF.format(593)}, among them {h.op_id(FAILED_WRITE)}",
    ),
    fires(
        "data_loss",
        "aborted_visible",
        lambda: failed_and_stored("service"),
        FAIL,
        f"1 writes had failed and are there, {OF.format(593)}, among them {h.op_id(FAILED_WRITE)}",
    ),
    near(
        "data_loss",
        "aborted_visible",
        lambda: h.updated(failed_and_stored("store"), "operations", of_row(FAILED_WRITE), outcome="unknown"),
    ),
    fires(
        "data_loss",
        "order",
        lambda: swapped(h.passing(), "store"),
        FAIL,
        f"1 writes stand behind a later write of their key, {OF.format(592)}, among them {h.op_id(0)}",
    ),
    fires(
        "data_loss",
        "order",
        lambda: swapped(h.passing(), "service"),
        FAIL,
        f"1 writes stand behind a later write of their key, {OF.format(592)}, among them {h.op_id(0)}",
    ),
    near("data_loss", "order", answered_after_next),
    fires(
        "data_loss",
        "invariants",
        lambda: replace(h.passing(), invariants=(OVERFULL, {**OVERFULL, "op_ids": []})),
        FAIL,
        "2 invariants of the kit do not hold, the first: berth_holds_one: berth 7 holds 2",
    ),
    near("data_loss", "invariants", lambda: replace(h.passing(), invariants=())),
    fires(
        "data_loss",
        "verified",
        lambda: h.with_read_meta(lost("store"), "store", complete=False, error="connection closed"),
        OPEN,
        "The read of the store did not come to its end: connection closed",
    ),
    fires(
        "data_loss",
        "verified",
        lambda: h.with_read_meta(lost("service"), "service", complete=False, error=""),
        OPEN,
        "The read of the service did not come to its end: it was never made",
    ),
    fires(
        "data_loss",
        "verified",
        lambda: read_at(lost("store", index=597), h.at_ns(29.856)),
        OPEN,
        "295 of 296 acknowledged writes were looked for by both reads after they were answered",
    ),
    fires(
        "data_loss",
        "verified",
        lambda: h.with_event_data(h.passing(), Kind.QUIESCED, quiescent=False),
        OPEN,
        "The service was never seen to stand still before the reads, so they may have missed what came after",
    ),
    fires(
        "data_loss",
        "verified",
        lambda: h.moved(h.passing(), Kind.QUIESCED, 0.21),
        OPEN,
        "The service was never seen to stand still before the reads, so they may have missed what came after",
    ),
    fires(
        "data_loss",
        "verified",
        lambda: h.moved(
            h.with_read_meta(lost("service", index=597), "service", started_ns=h.at_ns(29.856)), Kind.QUIESCED, -1.5
        ),
        OPEN,
        "295 of 296 acknowledged writes were looked for by both reads after they were answered",
    ),
    fires(
        "data_loss",
        "verified",
        lambda: h.with_read_meta(without_store(), "store", instance="stable-1"),
        OPEN,
        "Both reads went through stable-1: what only it knows, it may have lost",
    ),
    near("data_loss", "verified", lambda: h.with_read_meta(without_store(), "store", instance="stable-2")),
    fires(
        "data_loss",
        "vanished",
        lambda: h.with_read_meta(without_store(lost("store")), "store", instance="stable-2"),
        FAIL,
        "1 writes are not given by a second instance of stable (the store was out of reach), of 296 acknowledged "
        f"writes (allowed: 0), among them {h.op_id(CANARY_WRITE)}",
    ),
    near("data_loss", "verified", lambda: h.moved(h.passing(), Kind.QUIESCED, 0.2)),
    near("data_loss", "verified", lambda: read_at(h.passing(), h.at_ns(29.856) + 1)),
    fires(
        "data_loss",
        "vacuous",
        lambda: with_kind(0.1),
        OPEN,
        "39 writes of the canary were acknowledged, and no leave was ever acknowledged",
    ),
    fires(
        "data_loss",
        "vacuous",
        lambda: h.updated(h.passing(), "operations", is_canary_write, outcome="unknown"),
        OPEN,
        "0 writes of the canary were acknowledged, and every kind of 1 was",
        {"data_loss/vacuous": OPEN, "data_loss/power": OPEN},
    ),
    near("data_loss", "vacuous", lambda: with_kind(0)),
    fires(
        "data_loss",
        "power",
        lambda: h.with_expect(h.passing(), loss_rate_detectable_max=0.0739),
        OPEN,
        "39 acknowledged writes of the canary would have shown a loss rate of 7.4 % with 95 %; 7.4 % is asked for",
    ),
    near("data_loss", "power", lambda: h.with_expect(h.passing(), loss_rate_detectable_max=0.074)),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_case(case):
    """The rule, everything else that is red, and the headline are as the case says."""
    verify(case)
