"""Every arrival of a load, drawn before the first is sent. Pure.

Arrivals are open: each user is a Poisson process of its own, independent of every answer. The
superposition of such processes is one Poisson process of the summed rate whose arrivals are dealt to the
users evenly, so that is what is drawn: gaps, users and kinds from three streams of one seed. A longer
schedule of the same seed therefore begins with the shorter one.

Gaps come from uniform doubles by inversion, not from numpy's exponential: the uniform stream of PCG64 is
fixed, while the method behind `exponential` may change between numpy versions.

Not covered: rates that change over time, closed users.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from harness.clock import NS_PER_S
from harness.drive.target.port import Profile
from harness.errors import UsageError
from harness.evidence.format import SCHEDULE


@dataclass(frozen=True, slots=True)
class Schedule:
    """Rows sorted by `offsets_ns` (int64, from the load's zero); `kinds` are indices into `kind_names`."""

    run_id: str
    seconds: float
    rate_rps: float
    kind_names: tuple[str, ...]
    offsets_ns: npt.NDArray[np.int64]
    users: npt.NDArray[np.int32]
    kinds: npt.NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.offsets_ns)

    def op_id(self, index: int) -> str:
        """The operation's id, also its x-request-id."""
        return f"{self.run_id}-{index}"

    def kind(self, index: int) -> str:
        """The operation's kind, as the kit names it."""
        return self.kind_names[int(self.kinds[index])]

    def write(self, path: Path) -> None:
        """Store the whole schedule as Parquet (`evidence.format.SCHEDULE`). Raises FileExistsError on a second load."""
        names = pa.DictionaryArray.from_arrays(pa.array(self.kinds), pa.array(self.kind_names, pa.string()))
        columns = [
            pa.array([f"{self.run_id}-{index}" for index in range(len(self))], pa.string()),
            pa.array(self.users, pa.int32()),
            names.cast(pa.string()),
            pa.array(self.offsets_ns, pa.int64()),
        ]
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("xb") as file:
            # Half of a run directory's bytes otherwise: identifiers that count up, and instants that do.
            pq.write_table(
                pa.Table.from_arrays(columns, schema=SCHEDULE),
                file,
                compression="zstd",
                use_dictionary=["user", "kind"],
                column_encoding={"op_id": "DELTA_BYTE_ARRAY", "offset_ns": "DELTA_BINARY_PACKED"},
            )


def build(profile: Profile, seed: int, users: int, seconds: float, run_id: str) -> Schedule:
    """Arrivals of `users` users over `seconds`: rate_rps * users / profile.users a second in all.

    Raises UsageError for a profile whose shares do not sum to 1.
    """
    shares = np.cumsum([kind.share for kind in profile.kinds])
    if not profile.kinds or not math.isclose(float(shares[-1]), 1.0, abs_tol=1e-6):
        total = float(shares[-1]) if profile.kinds else 0.0
        raise UsageError(f"profile {profile.name}: shares of its kinds sum to {total:g}, must sum to 1")
    rate_rps = profile.rate_rps * users / profile.users
    gaps, owners, sorts = (np.random.default_rng(part) for part in np.random.SeedSequence(seed).spawn(3))
    offsets_ns = _offsets_ns(gaps, rate_rps, seconds)
    count = len(offsets_ns)
    return Schedule(
        run_id=run_id,
        seconds=seconds,
        rate_rps=rate_rps,
        kind_names=tuple(kind.name for kind in profile.kinds),
        offsets_ns=offsets_ns,
        users=np.minimum(owners.random(count) * users, users - 1).astype(np.int32),
        # the last cut is left out: what floats make of 1.0 must not push a draw past the last kind
        kinds=np.searchsorted(shares[:-1], sorts.random(count), side="right").astype(np.int32),
    )


def _offsets_ns(gaps: np.random.Generator, rate_rps: float, seconds: float) -> npt.NDArray[np.int64]:
    """Instants of one Poisson process below `seconds`, in nanoseconds."""
    mean = rate_rps * seconds
    # ten standard deviations above the mean: a Poisson count passes that less than once in 1e20 schedules
    draws = math.ceil(mean + 10 * math.sqrt(mean) + 20)
    instants_s = np.cumsum(-np.log1p(-gaps.random(draws)) / rate_rps)
    kept: npt.NDArray[np.int64] = (instants_s[instants_s < seconds] * NS_PER_S).astype(np.int64)
    return kept
