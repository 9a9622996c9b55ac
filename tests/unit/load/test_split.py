"""The split that a run alone prints."""

import pytest

from harness.drive.load.recorder import Operation
from harness.drive.load.split import SplitRecorder

MS = 1_000_000


@pytest.fixture
def row():
    def build(outcome, version, done_ms=10, sent_ns=1):
        status = 200 if outcome == "ok" else 0
        ids = ("r-0", 0, "read", "", -1, "")
        return Operation(*ids, 0, sent_ns, done_ms * MS, outcome, status, version, "header", "a", 1, "", "")

    return build


def test_the_split_by_version(row):
    """Requests, shares, outcomes and quantiles of each version, and the generator's own figures."""
    split = SplitRecorder()
    for number in range(8):
        split.sent(0, number * MS)
        split.done(row("ok" if number else "unknown", "1.0", done_ms=10 * (number + 1)))
    split.sent(0, 8 * MS)
    split.done(row("failed", "1.1"))
    split.sent(0, 9 * MS)
    split.done(row("failed", ""))
    split.done(row("failed", "", sent_ns=0))
    lines = split.summary().splitlines()
    cells = [line.split() for line in lines[1:4]]
    assert "version requests share % ok failed unknown p50 ms p95 ms" == " ".join(lines[0].split())
    assert ["(not", "said)", "1", "10.0", "0", "1", "0", "10.0", "10.0"] == cells[0]
    assert ["1.0", "8", "80.0", "7", "0", "1", "50.0", "80.0"] == cells[1]
    assert ["1.1", "1", "10.0", "0", "1", "0", "10.0", "10.0"] == cells[2]
    assert "sent 10, never sent 1; schedule lag p50 5.0 ms, p99 9.0 ms; latencies from the intended start" == lines[4]


def test_nothing_sent_is_said(row):
    """An empty split still prints its head and a count of zero."""
    split = SplitRecorder()
    assert 0 == split.sent_count
    assert "sent 0, never sent 0" in split.summary()


def test_a_failure_of_the_load_is_in_the_summary():
    """What failed stands under the table."""
    split = SplitRecorder()
    split.failed("load dispatcher", "ValueError: x")
    assert "failed in load dispatcher: ValueError: x" in split.summary()


def test_a_kind_that_waits_is_counted_and_is_in_no_latency(row):
    """The share has it, the percentiles do not, and the last line says so."""
    split = SplitRecorder(frozenset({"confirmed"}))
    split.done(row("ok", "1.1", done_ms=2))
    split.done(row("ok", "1.1", done_ms=3_000)._replace(kind="confirmed"))
    assert ["2", "100.0", "2", "0", "0", "2.0", "2.0"] == split.summary().splitlines()[1].split()[1:]
    assert "without confirmed" in split.summary()
