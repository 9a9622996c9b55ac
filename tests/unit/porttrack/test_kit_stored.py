"""Rows of the log -> writes: batches that are whole, applied twice, cut or interleaved."""

from __future__ import annotations

from datetime import UTC, datetime

from porttrack.kit.stored import PositionRow, call_id_of, call_key, position_writes, stamps_key


def row(batch, op_id, ordinal, seq):
    ts = datetime(2026, 1, 1, tzinfo=UTC)
    return PositionRow(batch, op_id, ordinal, "station/S/00", 244_000_001, seq, ts, 51.9, 4.0, 1.0, 2.0, 3, 4, 0, "1.0")


def found(rows):
    return [(write.op_id, write.seq, write.position) for write in position_writes(rows)]


def test_one_write_a_batch_in_the_stores_order():
    """Batches come out in the order of their numbers, each once, with the seq of its first report."""
    rows = [row(3, "run-5", 1, 11), row(3, "run-5", 0, 10), row(8, "run-2", 0, 12)]
    assert [("run-5", 10, 0), ("run-2", 12, 1)] == found(rows)


def test_a_batch_applied_twice_is_two_writes_of_one_hash():
    """The same op id under two batch numbers is found twice, unchanged."""
    twice = list(position_writes([row(3, "run-5", 0, 10), row(4, "run-5", 0, 10)]))
    assert [("run-5", 0), ("run-5", 1)] == [(write.op_id, write.position) for write in twice]
    assert 1 == len({write.payload_hash for write in twice})


def test_a_cut_batch_keeps_its_op_and_not_its_hash():
    """A batch without one of its rows is still found under its op id, with another hash."""
    [whole] = position_writes([row(3, "run-5", 0, 10), row(3, "run-5", 1, 11)])
    [cut] = position_writes([row(3, "run-5", 0, 10)])
    assert (whole.op_id, whole.seq) == (cut.op_id, cut.seq)
    assert whole.payload_hash != cut.payload_hash


def test_keys_lead_back_to_their_call():
    """Both keys of a call are different, and give the call's id back."""
    assert call_key("a-b") != stamps_key("a-b")
    assert ["a-b", "a-b"] == [call_id_of(call_key("a-b")), call_id_of(stamps_key("a-b"))]
