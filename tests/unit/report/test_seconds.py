"""The chart in numbers: every cell of a second says what the series and the bands say."""

from harness.report import chart, seconds


def row_at(trial, from_s):
    """The row of the second that begins at `from_s`, by its heads."""
    found = [dict(zip(seconds.HEADS, row, strict=True)) for row in seconds.rows(chart.build(*trial))]
    return next(row for row in found if row["from, s"] == str(from_s))


def test_second_of_the_rollback(trials):
    """Phases, fault, rollback, weights and the alert's states stand in the second in which all of them change."""
    row = row_at(trials.rolled_back(), 3)
    assert "detect → rollback, fault on, rolling back" == row["phase"]
    assert "25 → 0" == row["configured weight, %"]
    assert "CanaryErrorRatioHigh firing" == row["alerts"]


def test_second_before_the_fault(trials):
    """Before the fault only the phase is there, no alert, and the canary's latency beside stable's."""
    row = row_at(trials.rolled_back(), -2)
    assert ("canary", "none") == (row["phase"], row["alerts"])
    assert "7.8 / 7.8 / 7.8" == row["canary p50 / p95 / p99, ms"]


def test_second_without_the_canary(trials):
    """Where nothing was sent to the canary its cells say so, and no number stands for it."""
    row = row_at(trials.rolled_back(), 15)
    assert ("none sent", "no answer") == (row["canary not ok, % (count)"], row["canary p50 / p95 / p99, ms"])
    assert "0.0 (0.0 to" in row["measured share, % (95 % interval)"]
