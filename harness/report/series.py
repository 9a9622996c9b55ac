"""Requests -> counts per second: the numbers behind the chart.

Terms. *Zero* is the instant that the page counts seconds from: the first answer spoiled by the fault; without
one, the load's start. *Track* is stable, canary, or unknown where neither the answer nor the router's log says
who answered. A request counts in the second it was SENT in, whenever its answer came; *not ok* is every outcome
but ok. A second that the load filled only in part (its first and last) gets no rate, since it would show a dip
that was not there; its shares still count, because they are of the requests that there were.

The band around the measured share is Wilson's 95 % interval, and requests of unknown track widen it: they count
as stable for its lower end and as canary for its upper one.

A *latency* is how long an answered request took from when it was sent; kinds that wait for somebody outside are in
none, as in the judge's. A *write* is an operation with a sequence number.

Seconds are merged where a trial is longer than `BINS_MAX` of them, and `bin_s` says so; nothing is smoothed.
Not covered: answers per second (a second's answers belong to requests of earlier seconds).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from harness.clock import NS_PER_MS, NS_PER_S
from harness.evidence.finding import Findings
from harness.evidence.format import Kind, Outcome
from harness.evidence.run import Evidence

TRACKS: Final = ("stable", "canary", "unknown")
ANSWERING: Final = ("stable", "canary")
PERCENTILES: Final = (50, 95, 99)
BINS_MAX: Final = 600  # one for each 1.6 pixels of the wide drawing; ten minutes at 1 s; 560 kB of a page
BIN_STEPS_S: Final = (1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1800, 3600)
WEIGHT_GAP_S_MAX: Final = 2.0  # 20 polls of 100 ms without an answer: the weight in between is not known
Z_95: Final = 1.959964  # 97.5 % quantile of the normal distribution
COVERED_MIN: Final = 0.999  # the part of a second that the load must fill for its rate to be drawn

Floats = np.ndarray[Any, np.dtype[np.float64]]
Ints = np.ndarray[Any, np.dtype[np.int64]]
Bools = np.ndarray[Any, np.dtype[np.bool_]]


@dataclass(frozen=True, slots=True)
class Zero:
    """The instant seconds count from, and what it is in words ("" where nothing was recorded)."""

    t_ns: int
    what: str


@dataclass(frozen=True, slots=True)
class Series:
    """Counts per bin. `start_s` (n,) is each bin's start; `total` and `bad` have (n,) per track; `filled` (n,) bool.

    `latency_ms` has (n, 3) per answering track: PERCENTILES, NaN without answers. `writes` has (n,) per outcome.
    """

    bin_s: int
    start_s: Floats
    total: Mapping[str, Ints]
    bad: Mapping[str, Ints]
    latency_ms: Mapping[str, Floats]
    writes: Mapping[str, Ints]
    filled: Bools

    @property
    def count(self) -> int:
        """Requests in all bins."""
        return int(sum(int(column.sum()) for column in self.total.values()))

    def rate_rps(self, track: str) -> Floats:
        """Requests a second; NaN in a bin that the load filled only in part. (n,)"""
        return np.where(self.filled, self.total[track] / self.bin_s, np.nan)

    def writes_rps(self, outcome: str) -> Floats:
        """Writes a second with this outcome; NaN in a bin that the load filled only in part. (n,)"""
        return np.where(self.filled, self.writes[outcome] / self.bin_s, np.nan)

    def bad_percent(self, track: str) -> Floats:
        """Requests that were not ok, in percent; NaN in a bin without requests. (n,)"""
        return 100 * _ratio(self.bad[track], self.total[track])

    def share_percent(self) -> tuple[Floats, Floats, Floats]:
        """(share, low, high) of the canary in percent; NaN in a bin without requests. (n,) each"""
        stable, canary, unknown = (self.total[track] for track in TRACKS)
        everything = stable + canary + unknown
        low, _ = wilson(canary, everything)
        _, high = wilson(canary + unknown, everything)
        return 100 * _ratio(canary, stable + canary), 100 * low, 100 * high


@dataclass(frozen=True, slots=True)
class WeightStep:
    """The configured canary weight from `from_s` to `to_s` as the router's live configuration said, in percent."""

    from_s: float
    to_s: float
    weight: float


def zero(evidence: Evidence, findings: Findings) -> Zero:
    """The first faulted response, else the load's start, else the first request or event."""
    first = findings.chain.get("first_faulted_response")
    if first is not None and first.known:
        return Zero(first.lo_ns, "the first answer spoiled by the fault")
    started = evidence.of(Kind.LOAD_STARTED)
    if started:
        return Zero(int(started[0].data["start_ns"]), "the start of the load")
    sent_ns = evidence.operations["sent_ns"]
    if sent_ns.size:
        return Zero(int(sent_ns.min()), "the first request")
    if evidence.events:
        return Zero(evidence.events[0].t_ns, "the first recorded event")
    return Zero(0, "")


def tracks(evidence: Evidence) -> np.ndarray[Any, Any]:
    """The track of each operation, by its version, else by the router's log. (operations,) of TRACKS"""
    versions = evidence.manifest.get("versions", {})
    version = evidence.operations["version"]
    found = np.full(version.shape, "unknown", dtype=object)
    for track in ("stable", "canary"):
        if versions.get(track):
            found[version == versions[track]] = track
    return _by_router(evidence, found)


def _by_router(evidence: Evidence, found: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    unknown = np.flatnonzero(found == "unknown")
    if unknown.size and evidence.routing["op_id"].size:
        cluster_of = dict(zip(evidence.routing["op_id"], evidence.routing["cluster"], strict=True))
        for row in unknown:
            cluster = cluster_of.get(evidence.operations["op_id"][row], "")
            found[row] = cluster if cluster in {"stable", "canary"} else "unknown"
    return found


def load_span_ns(evidence: Evidence) -> tuple[int, int] | None:
    """(start, end) of the load; the last request stands in for an end that was never recorded. None without load."""
    sent_ns = evidence.operations["sent_ns"]
    started = evidence.of(Kind.LOAD_STARTED)
    if not sent_ns.size and not started:
        return None
    start_ns = int(started[0].data["start_ns"]) if started else int(sent_ns.min())
    stops = evidence.of(Kind.LOAD_STOP_REQUESTED, Kind.LOAD_STOPPED)
    last_ns = int(sent_ns.max()) if sent_ns.size else start_ns
    end_ns = stops[0].t_ns if stops else last_ns
    return start_ns, max(end_ns, last_ns, start_ns)


def count(evidence: Evidence, zero_ns: int) -> Series:
    """Requests per bin, bins aligned to zero."""
    span = load_span_ns(evidence)
    sent_ns = evidence.operations["sent_ns"].astype(np.int64)
    if span is None or not sent_ns.size:
        return _nothing()
    start_s, end_s = ((instant - zero_ns) / NS_PER_S for instant in span)
    first_s = min(start_s, float(sent_ns.min() - zero_ns) / NS_PER_S)
    bin_s = next((step for step in BIN_STEPS_S if (end_s - first_s) / step <= BINS_MAX - 2), BIN_STEPS_S[-1])
    first = int(np.floor(first_s / bin_s))
    bin_count = min(int(np.floor(end_s / bin_s)) - first + 1, BINS_MAX)
    index = np.floor_divide(sent_ns - zero_ns, bin_s * NS_PER_S) - first
    track_of = tracks(evidence)
    bad = evidence.operations["outcome"] != Outcome.OK
    edges_s = ((first + np.arange(bin_count)) * bin_s).astype(np.float64)
    covered_s = np.minimum(edges_s + bin_s, end_s) - np.maximum(edges_s, start_s)
    answered = _has_latency(evidence)
    return Series(
        bin_s=bin_s,
        start_s=edges_s,
        total={track: _histogram(index[track_of == track], bin_count) for track in TRACKS},
        bad={track: _histogram(index[(track_of == track) & bad], bin_count) for track in TRACKS},
        latency_ms={
            track: _percentiles(evidence, index, (track_of == track) & answered, bin_count) for track in ANSWERING
        },
        writes=_writes(evidence, index, bin_count),
        filled=covered_s >= COVERED_MIN * bin_s,
    )


def _nothing() -> Series:
    none = np.zeros(0, dtype=np.int64)
    return Series(
        bin_s=1,
        start_s=np.zeros(0),
        total=dict.fromkeys(TRACKS, none),
        bad=dict.fromkeys(TRACKS, none),
        latency_ms=dict.fromkeys(ANSWERING, np.zeros((0, len(PERCENTILES)))),
        writes=dict.fromkeys(map(str, Outcome), none),
        filled=np.zeros(0, dtype=np.bool_),
    )


def _has_latency(evidence: Evidence) -> Bools:
    """Which operations were answered and are of a kind that waits for nobody outside. (operations,)"""
    kinds = evidence.manifest.get("load", {}).get("kinds", [])
    found = evidence.operations["status"] > 0
    for kind in kinds:
        if kind.get("waits"):
            found = found & (evidence.operations["kind"] != kind["name"])
    return np.asarray(found)


def _percentiles(evidence: Evidence, index: Ints, chosen: Bools, bin_count: int) -> Floats:
    """PERCENTILES of the chosen operations' latency in each bin. (bins, 3)"""
    found = np.full((bin_count, len(PERCENTILES)), np.nan)
    took_ms = (evidence.operations["done_ns"] - evidence.operations["sent_ns"])[chosen] / NS_PER_MS
    place = index[chosen]
    order = np.argsort(place, kind="stable")
    filled, starts = np.unique(place[order], return_index=True)
    parts = np.split(took_ms[order], starts[1:]) if filled.size else []
    for row, values in zip(filled, parts, strict=True):
        if 0 <= row < bin_count:
            found[row] = np.percentile(values, PERCENTILES)
    return found


def _writes(evidence: Evidence, index: Ints, bin_count: int) -> dict[str, Ints]:
    """Writes in each bin by what came of them. (bins,) each"""
    outcome, is_write = evidence.operations["outcome"], evidence.operations["seq"] >= 0
    return {str(each): _histogram(index[is_write & (outcome == each)], bin_count) for each in Outcome}


def weights(evidence: Evidence, zero_ns: int) -> tuple[WeightStep, ...]:
    """The configured weight as steps; a gap of more than `WEIGHT_GAP_S_MAX` between readings is left open."""
    steps: list[WeightStep] = []
    for event in evidence.of(Kind.WEIGHT_READ):
        at_s = ((int(event.data["lo_ns"]) + int(event.data["hi_ns"])) / 2 - zero_ns) / NS_PER_S
        weight = float(event.data["weight"])
        previous = steps[-1] if steps else None
        if previous is None or at_s - previous.to_s > WEIGHT_GAP_S_MAX:
            steps.append(WeightStep(at_s, at_s, weight))
            continue
        steps[-1] = WeightStep(previous.from_s, at_s, previous.weight)
        if previous.weight != weight:
            steps.append(WeightStep(at_s, at_s, weight))
    return tuple(steps)


def wilson(hits: Ints, trials: Ints) -> tuple[Floats, Floats]:
    """Wilson's 95 % interval of a share, both ends in 0..1; NaN where there were no trials. (n,) each"""
    n = np.where(trials > 0, trials, 1).astype(np.float64)
    share = hits / n
    spread = Z_95 * np.sqrt(share * (1 - share) / n + Z_95**2 / (4 * n**2))
    middle, scale = share + Z_95**2 / (2 * n), 1 + Z_95**2 / n
    low = np.clip((middle - spread) / scale, 0, 1)
    high = np.clip((middle + spread) / scale, 0, 1)
    return np.where(trials > 0, low, np.nan), np.where(trials > 0, high, np.nan)


def _histogram(index: Ints, bin_count: int) -> Ints:
    inside = index[(index >= 0) & (index < bin_count)]
    return np.bincount(inside, minlength=bin_count).astype(np.int64)


def _ratio(part: Ints, whole: Ints) -> Floats:
    return np.where(whole > 0, part / np.where(whole > 0, whole, 1), np.nan)
