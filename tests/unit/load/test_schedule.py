"""The schedule: reproducible, Poisson at the wanted rate, dealt evenly, stored whole."""

import time
from dataclasses import replace

import numpy as np
import pyarrow.parquet as pq
import pytest

from harness.drive.load.schedule import build
from harness.drive.target.port import OperationKind
from harness.errors import UsageError
from harness.evidence.format import SCHEDULE

# Drawn once with numpy 2.4: seed 7, 100 requests/s, 20 users.
FIRST_THREE = [
    (15_987_907, 9, "read", "r-0"),
    (16_533_460, 1, "read", "r-1"),
    (25_482_450, 4, "write", "r-2"),
]


def test_the_same_arguments_give_the_same_bytes(profile, tmp_path):
    """Two builds of one (profile, seed, users, seconds) are stored as the same bytes."""
    for name in ("one", "two"):
        build(profile, 7, 20, 30.0, "r").write(tmp_path / name)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_another_seed_is_another_schedule(profile):
    """Seeds 7 and 8 share no arrival instant."""
    one, two = build(profile, 7, 20, 5.0, "r"), build(profile, 8, 20, 5.0, "r")
    assert set() == set(one.offsets_ns.tolist()) & set(two.offsets_ns.tolist())


def test_the_first_arrivals_of_a_seed_are_fixed(profile):
    """The stream behind a seed never changes, so that an old run can be made again."""
    schedule = build(profile, 7, 20, 5.0, "r")
    numbers = zip(schedule.offsets_ns.tolist(), schedule.users.tolist(), strict=True)
    first = [(*next(numbers), schedule.kind(index), schedule.op_id(index)) for index in range(3)]
    assert FIRST_THREE == first


def test_a_longer_schedule_begins_with_the_shorter(profile):
    """Seconds only cut the schedule; they do not reshuffle it."""
    short, long = build(profile, 7, 20, 5.0, "r"), build(profile, 7, 20, 9.0, "r")
    count = len(short)
    assert short.offsets_ns.tolist() == long.offsets_ns[:count].tolist()
    assert short.users.tolist() == long.users[:count].tolist()
    assert short.kinds.tolist() == long.kinds[:count].tolist()
    assert long.offsets_ns[count] >= 5_000_000_000


@pytest.mark.parametrize(("users", "rate_rps"), [(20, 100.0), (10, 50.0), (40, 200.0)])
def test_users_scale_the_rate(profile, users, rate_rps):
    """N users send rate_rps * N / profile.users a second; the count stays within four deviations of it."""
    schedule = build(profile, 11, users, 200.0, "r")
    mean = rate_rps * 200
    assert rate_rps == schedule.rate_rps
    assert abs(len(schedule) - mean) < 4 * mean**0.5


def test_gaps_are_exponential(profile):
    """A Poisson process: gaps have standard deviation = mean, and e^-1 of them are longer than the mean."""
    gaps = np.diff(build(profile, 3, 20, 200.0, "r").offsets_ns)
    assert 0.97 < gaps.std() / gaps.mean() < 1.03
    assert 0.355 < np.mean(gaps > gaps.mean()) < 0.381


def test_each_user_is_a_poisson_process_of_its_own(profile):
    """Arrivals are dealt evenly, and one user's gaps are exponential too."""
    schedule = build(profile, 3, 20, 2000.0, "r")
    counts = np.bincount(schedule.users, minlength=20)
    gaps = np.diff(schedule.offsets_ns[schedule.users == 4])
    assert 20 == len(counts)
    assert np.abs(counts - 10_000).max() < 400  # four deviations
    assert 0.96 < gaps.std() / gaps.mean() < 1.04


def test_kinds_follow_their_shares(profile):
    """A quarter of the arrivals is of the kind whose share is a quarter."""
    schedule = build(profile, 3, 20, 200.0, "r")
    assert 0.235 < np.mean(schedule.kinds == 0) < 0.265
    assert {"write", "read"} == {schedule.kind(index) for index in range(100)}


def test_offsets_rise_and_stay_inside(profile):
    """Rows are sorted by offset, from 0 to below the seconds asked for."""
    offsets_ns = build(profile, 5, 20, 10.0, "r").offsets_ns
    assert bool(np.all(np.diff(offsets_ns) >= 0))
    assert 0 <= offsets_ns[0]
    assert offsets_ns[-1] < 10_000_000_000


def test_a_trials_schedule_is_built_and_stored_within_a_second(profile, tmp_path):
    """900 s at 120 requests/s: 108,000 rows, in the format's columns, in less than a second of CPU."""
    big = replace(profile, rate_rps=120.0)
    before = time.process_time()
    schedule = build(big, 7, 20, 900.0, "r")
    schedule.write(tmp_path / "schedule" / "load-0.parquet")
    assert time.process_time() - before < 1.0
    table = pq.read_table(tmp_path / "schedule" / "load-0.parquet")
    assert SCHEDULE == table.schema
    assert len(schedule) == table.num_rows
    assert "r-100000" == table.column("op_id")[100_000].as_py()
    assert schedule.kind(100_000) == table.column("kind")[100_000].as_py()


def test_a_stored_schedule_is_not_written_over(profile, tmp_path):
    """A second load of the same run directory is an error, not a new schedule."""
    schedule = build(profile, 7, 20, 1.0, "r")
    schedule.write(tmp_path / "load-0.parquet")
    with pytest.raises(FileExistsError):
        schedule.write(tmp_path / "load-0.parquet")


@pytest.mark.parametrize(("shares", "total"), [((0.5, 0.4), "0.9"), ((), "0")])
def test_shares_that_do_not_sum_to_one_are_refused(profile, shares, total):
    """A mix with a hole in it names its sum."""
    kinds = tuple(OperationKind(f"k{index}", share, False) for index, share in enumerate(shares))
    with pytest.raises(UsageError, match=f"profile M: shares of its kinds sum to {total}, must sum to 1"):
        build(replace(profile, kinds=kinds), 7, 20, 1.0, "r")


def test_a_share_of_zero_is_never_drawn(profile):
    """A kind that is left out of the mix does not appear, whatever its place in the list."""
    kinds = (OperationKind("a", 0.0, False), OperationKind("b", 1.0, False), OperationKind("c", 0.0, False))
    schedule = build(replace(profile, kinds=kinds), 7, 20, 100.0, "r")
    assert {1} == set(schedule.kinds.tolist())
