"""What several checks need to know of a trial, worked out once: who answered, what was due, how sure the clocks are.

Terms. An operation's *track* is who answered it: stable or canary by the version in the answer, else by
the cluster that the router's log gives for its op_id, else nobody; `OTHER` is a version that is neither.
A schedule row is *due* when its instant lies before the load was asked to stop. An operation has a *bad answer*
when what came of it is not ok, though it was sent. The *canary's start* is the first sign that the rollout began:
the control's word, the controller's, or a weight above 0. *Clock slack* is how far
an instant that came with a wall stamp can be off: the widest clock sample plus the drift of the two
clocks against each other over the whole trial, which bounds any error of interpolating between samples.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from harness.clock import NS_PER_MS, NS_PER_S
from harness.evidence.finding import Instant
from harness.evidence.format import Kind
from harness.evidence.run import Evidence

Array = np.ndarray[Any, Any]

NOBODY: Final = 0
STABLE: Final = 1
CANARY: Final = 2
OTHER: Final = 3
CANARY_TRACK: Final = "canary"  # the label `track` of what is about the canary
HOLD: Final = "hold"  # the label `action` of an alert that asks to go no further, and the decision to do so
_ROLLED_BACK: Final = "rolled_back"
_HELD: Final = "held"


@dataclass(frozen=True, slots=True)
class AlertSamples:
    """Raw samples of ALERTS. Shapes: (n,) each, in order of time."""

    t_ns: Array
    alert: Array
    state: Array
    track: Array
    version: Array
    action: Array

    def firing(self, alert: str) -> Array:
        """Instants at which `alert` fired, whatever its labels. Shape (m,)."""
        return np.asarray(self.t_ns[(self.alert == alert) & (self.state == "firing")])

    def of_canary(self, alert: str, state: str, version: str) -> Array:
        """Instants at which `alert` was in `state` for what it must be about. Shape (m,).

        An alert that speaks of the canary must speak of this version. One of no track, or one that asks to hold, is
        about the service, whatever its labels; one of another track alone, that does not ask to hold, counts nowhere.
        """
        about = (self.track == CANARY_TRACK) & (self.version == version)
        if self.is_of_service(alert):
            about = self._of_service
        return np.asarray(self.t_ns[(self.alert == alert) & (self.state == state) & about])

    def is_of_service(self, alert: str) -> bool:
        """Whether `alert` has samples about the service and none about the canary."""
        mine = self.alert == alert
        return bool((mine & self._of_service).any() and not (mine & (self.track == CANARY_TRACK)).any())

    @property
    def _of_service(self) -> Array:
        return np.asarray((self.track == "") | (self.action == HOLD))


@dataclass(frozen=True, slots=True)
class Facts:
    """One trial. `tracks`, `route_of` and `bad` have one entry an operation, `due` one a schedule row.

    `p_values` are those of all tests of the trial, by check and what is tested; `refuted` are the names of those that
    the budget, shared among them, lets turn red.
    """

    evidence: Evidence
    tracks: Array  # int8: NOBODY, STABLE, CANARY or OTHER
    route_of: Array  # int64: the operation's row in routing, -1 without one
    bad: Array  # bool: sent, and not ok
    due: Array  # bool
    start_ns: int  # the schedule's zero; 0 where the load never started
    stop_ns: int  # when the load was asked to stop, else the last event
    canary_ns: int  # the canary's start; 0 where the rollout never began
    slack_ns: int
    alerts: AlertSamples
    evaluated_ns: Array  # int64: instants of samples that only an evaluation of the rules makes
    chain: Mapping[str, Instant]
    p_values: Mapping[str, float] = field(default_factory=dict)
    refuted: frozenset[str] = frozenset()

    @property
    def expect(self) -> Mapping[str, Any]:
        """The experiment's expectation."""
        expect: Mapping[str, Any] = self.evidence.manifest["expect"]
        return expect

    @property
    def rolls_back(self) -> bool:
        """Whether the experiment expects a rollback."""
        return bool(self.expect["outcome"] == _ROLLED_BACK)

    @property
    def holds(self) -> bool:
        """Whether the experiment expects the rollout to be held."""
        return bool(self.expect["outcome"] == _HELD)

    @property
    def has_store(self) -> bool:
        """Whether the kit reached the store; a trial that does not say was made when every kit did."""
        return bool(self.evidence.manifest.get("kit", {}).get("has_store", True))

    @property
    def has_team(self) -> bool:
        """Whether what the controller tells its team is in the evidence."""
        return self.evidence.manifest.get("team") is True

    @property
    def versions(self) -> tuple[str, str]:
        """(stable, canary) as the service names them."""
        versions = self.evidence.manifest["versions"]
        return str(versions["stable"]), str(versions["canary"])

    @property
    def required(self) -> tuple[str, ...]:
        """Alerts that must fire."""
        return tuple(self.expect["alerts_required"])

    @property
    def evaluation_ns(self) -> int:
        """Time between two evaluations of the rules."""
        return round(float(self.evidence.manifest["timing"]["evaluation_s"]) * NS_PER_S)

    @property
    def clocks_known(self) -> bool:
        """Whether wall stamps can be placed at all."""
        return self.evidence.clock.t_ns.size > 0

    def limit_s(self, name: str) -> float:
        """A number of seconds of `expect`."""
        return float(self.expect[name])


def index_in(values: Array, among: Array) -> Array:
    """The first place of each value in `among`, -1 where it is not there. Shapes (n,), (m,) -> (n,) int64.

    Hashed by Arrow: a million identifiers take a tenth of a second, as Python strings ten times that.
    """
    if values.size == 0 or among.size == 0:  # building the table of a million to look nothing up takes as long
        return np.full(values.size, -1, dtype=np.int64)
    found = pc.index_in(pa.array(values, pa.string()), value_set=pa.array(among, pa.string()))
    return np.asarray(pc.fill_null(found, -1).to_numpy(zero_copy_only=False), dtype=np.int64)


def is_among(values: Array, names: tuple[str, ...]) -> Array:
    """Which values are one of a few names. Shape (n,) bool."""
    found = pc.is_in(pa.array(values, pa.string()), value_set=pa.array(names, pa.string()))
    return np.asarray(found.to_numpy(zero_copy_only=False), dtype=bool)


def tracks_of(evidence: Evidence, route_of: Array) -> Array:
    """Who answered each operation. Shape (n,) int8."""
    versions = evidence.manifest["versions"]
    said = evidence.operations["version"]
    tracks = np.where(said == "", NOBODY, OTHER).astype(np.int8)
    tracks[said == versions["stable"]] = STABLE
    tracks[said == versions["canary"]] = CANARY
    if evidence.routing["cluster"].size:
        cluster = np.where(route_of >= 0, evidence.routing["cluster"][route_of], "")
        tracks[(tracks == NOBODY) & (cluster == "stable")] = STABLE
        tracks[(tracks == NOBODY) & (cluster == "canary")] = CANARY
    return tracks


def alert_samples(evidence: Evidence) -> AlertSamples:
    """The samples of ALERTS with the labels that rules need. Each distinct set of labels is parsed once."""
    chosen = np.flatnonzero(evidence.samples["name"] == "ALERTS")
    chosen = chosen[np.argsort(evidence.samples["t_ns"][chosen], kind="stable")]
    texts = evidence.samples["labels"][chosen]
    parsed: dict[str, Mapping[str, str]] = {text: json.loads(text) for text in set(texts.tolist())}

    def label(name: str) -> Array:
        return np.array([parsed[text].get(name, "") for text in texts.tolist()], dtype=object)

    return AlertSamples(
        t_ns=evidence.samples["t_ns"][chosen],
        alert=label("alertname"),
        state=label("alertstate"),
        track=label("track"),
        version=label("version"),
        action=label("action"),
    )


def evaluated_ns(evidence: Evidence) -> Array:
    """Instants of samples of recording rules and alerts. Shape (n,). A recording rule's name has a colon, by custom."""
    names = evidence.samples["name"]
    made = tuple(name for name in set(names.tolist()) if ":" in name or name.startswith("ALERTS"))
    return np.asarray(evidence.samples["t_ns"][is_among(names, made)])


def load_span(evidence: Evidence) -> tuple[int, int]:
    """(the schedule's zero, when the load was asked to stop). The control's word for the stop, not the load's own."""
    started = evidence.of(Kind.LOAD_STARTED)
    asked = evidence.of(Kind.LOAD_STOP_REQUESTED)
    last_ns = max((event.t_ns for event in evidence.events), default=0)
    return (int(started[0].data["start_ns"]) if started else 0), (asked[0].t_ns if asked else last_ns)


def canary_start_ns(evidence: Evidence) -> int:
    """See the module's terms; 0 where there is no sign of it."""
    signs = [event.t_ns for event in evidence.of(Kind.PHASE) if event.data["phase"] == "canary"]
    signs += [event.t_ns for event in evidence.of(Kind.ROLLOUT_STARTED)]
    signs += [int(event.data["lo_ns"]) for event in evidence.of(Kind.WEIGHT_READ) if event.data["weight"] > 0]
    return min(signs, default=0)


def bad_answers(evidence: Evidence) -> Array:
    """Which operations were sent and are not ok. Shape (n,) bool."""
    operations = evidence.operations
    return np.asarray((operations["outcome"] != "ok") & (operations["sent_ns"] > 0))


def clock_slack_ns(evidence: Evidence) -> int:
    """See the module's terms; at least the millisecond that a Prometheus stamp resolves."""
    widths = [int(event.data["width_ns"]) for event in evidence.of(Kind.CLOCK)]
    return max(widths, default=0) + round(evidence.clock.drift_ms * NS_PER_MS) + NS_PER_MS


def longest_gap_ns(instants: Array, start_ns: int, end_ns: int) -> int:
    """The longest stretch of [start, end] in which nothing was seen."""
    inside = np.unique(instants[(instants >= start_ns) & (instants <= end_ns)])
    return int(np.diff(np.concatenate(([start_ns], inside, [end_ns]))).max())
