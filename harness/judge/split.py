"""split: did the traffic follow the weight, step by step, as far as the number of requests can tell.

Terms. A *step* is a stretch of the load in which every read of the router showed one weight above 0; one no longer
than GRACE_S is none. Its *requests* are those of the load that the router dispatched in it, later than GRACE_S after
the first read of the weight and before the last one; the router draws for each by itself, so the request is the unit
of randomisation. A request is the *canary's* by the version in its answer, else by the router's log. A step is
*completed* when a higher weight followed, or promotion.

*Skewed*: the share is refuted by an anytime-valid test within the trial's budget (statistics.py); a step may end
because of what it showed, so a test for one look would not do. *Power*: the shift of the weight, in points of percent,
that so many requests show; *underpowered* is a completed step of an experiment that asks for more than that.
*Over-dispersion*: how much more the users' shares differ than chance lets them, 1 where a request is the unit; where
users stick to a version it is as high as a user has requests, and a skew proves nothing at the level of requests.

Measured, for each step in its order: `steps`, its weights in percent; `requests_count`, `canary_count`,
`measured_share`, `skew_p`, `shift_detectable_points`, `user_dispersion` and `over_dispersed`.

Not covered: requests that reach a version past the router, which the rule `traffic` sees where it matters.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from harness.clock import NS_PER_S
from harness.evidence.finding import Finding, Rule, Verdict
from harness.evidence.format import Kind
from harness.judge.facts import CANARY, STABLE, Array, Facts
from harness.judge.saying import budgeted, finding, inference, percent, unless
from harness.judge.statistics import anytime_p, shift_detectable
from harness.judge.traffic import GRACE_NS
from harness.judge.weights import READ_GAP_S_MAX, reads

ID: Final = "split"
# So many standard deviations above 1 is an over-dispersion no accident: 3e-7 if it were normal, and it has a tail.
DISPERSION_SDS: Final = 5.0


@dataclass(frozen=True, slots=True)
class Step:
    """One step. `hits`: of its requests, in order of dispatch, which were the canary's. `users`: whose they were."""

    name: str
    share: float  # the weight, as a part of 1
    completed: bool
    watched: bool  # no hole in the reads
    hits: Array
    users: Array

    @property
    def p(self) -> float:
        """The anytime-valid p of the weight."""
        return anytime_p(self.hits, self.share)

    @property
    def points(self) -> float:
        """The shift that so many requests show, in points of percent."""
        return 100 * shift_detectable(int(self.hits.size), self.share)


def check(facts: Facts) -> Finding:
    """Three rules; only `skewed` can FAIL."""
    steps = steps_of(facts)
    rules = (_measured(facts, steps), _skewed(facts, steps), _underpowered(facts, steps))
    spread = [dispersion(step) for step in steps]
    measured: dict[str, Any] = {
        "steps": [f"{100 * step.share:g} %{'' if step.completed else ' (not completed)'}" for step in steps],
        "requests_count": [int(step.hits.size) for step in steps],
        "canary_count": [int(step.hits.sum()) for step in steps],
        "measured_share": [float(step.hits.mean()) if step.hits.size else 0.0 for step in steps],
        "skew_p": [step.p for step in steps],
        "shift_detectable_points": [step.points for step in steps],
        "user_dispersion": [index for index, _ in spread],
        "over_dispersed": [flagged for _, flagged in spread],
    }
    told = [f"{percent(float(step.hits.mean()))} at {100 * step.share:g} %" for step in steps if step.hits.size]
    return finding(ID, rules, measured, f"The traffic followed the weight: {', '.join(told)}")


def p_values(facts: Facts) -> Mapping[str, float]:
    """The p of each step that has requests, by its name."""
    return {step.name: step.p for step in steps_of(facts) if step.hits.size}


def steps_of(facts: Facts) -> list[Step]:
    """Every step with a weight above 0, in order."""
    lo_ns, hi_ns, weight = (column[reads_of_load(facts)] for column in reads(facts, Kind.WEIGHT_READ))
    if weight.size == 0 or not facts.clocks_known:
        return []
    starts = np.flatnonzero(np.concatenate(([True], np.diff(weight) != 0)))
    lasts = np.append(starts[1:], weight.size) - 1
    promoted = any(event.data["decision"] == "promote" for event in facts.evidence.of(Kind.DECIDED))
    found: list[Step] = []
    for place, (first, last) in enumerate(zip(starts.tolist(), lasts.tolist(), strict=True)):
        if weight[first] <= 0:
            continue
        follows = weight[starts[place + 1]] if place + 1 < starts.size else math.inf if promoted else 0.0
        from_ns, until_ns = int(hi_ns[first]) + GRACE_NS + facts.slack_ns, int(lo_ns[last]) - facts.slack_ns
        if until_ns < from_ns:
            continue
        hits, users = _requests(facts, from_ns, until_ns)
        found.append(
            Step(
                name=f"{ID}/{len(found) + 1} at {weight[first]:g} %",
                share=float(weight[first]) / 100,
                completed=bool(follows > weight[first]),
                watched=bool((np.diff(hi_ns[first : last + 1]) <= READ_GAP_S_MAX * NS_PER_S).all()),
                hits=hits,
                users=users,
            )
        )
    return found


def reads_of_load(facts: Facts) -> Array:
    """Which reads of the router's weight came before the load was asked to stop. Shape (n,) bool."""
    _, hi_ns, _ = reads(facts, Kind.WEIGHT_READ)
    return np.asarray(hi_ns <= facts.stop_ns)


def _requests(facts: Facts, from_ns: int, until_ns: int) -> tuple[Array, Array]:
    """(which of the requests dispatched in [from, until] were the canary's, whose they were), in order of dispatch."""
    routed = (facts.route_of >= 0) & np.isin(facts.tracks, (STABLE, CANARY))
    start_ns = facts.evidence.routing["start_ns"][facts.route_of[routed]]
    hits, users = facts.tracks[routed] == CANARY, facts.evidence.operations["user"][routed]
    within = np.flatnonzero((start_ns >= from_ns) & (start_ns <= until_ns))
    # Stamps may be equal: the rest of the key makes the order the same whatever the order of the rows.
    order = within[np.lexsort((users[within], hits[within], start_ns[within]))]
    return hits[order], users[order]


def dispersion(step: Step) -> tuple[float, bool]:
    """(how much more the users' shares differ than chance lets them, whether that is no accident); (1, no) untold."""
    n, k = int(step.hits.size), int(step.hits.sum())
    _, user = np.unique(step.users, return_inverse=True)
    if k in (0, n) or user.max() == 0:
        return 1.0, False
    share = k / n
    sent = np.bincount(user)
    expected, spread = share * sent, share * (1 - share) * sent
    index = float((((np.bincount(user, weights=step.hits) - expected) ** 2) / spread).sum() / (sent.size - 1))
    # The variance of one such term of a binomial count, exactly.
    variance = float((2 + (1 - 6 * share * (1 - share)) / spread).mean()) / (sent.size - 1)
    return index, index > 1 + DISPERSION_SDS * math.sqrt(variance)


def _measured(facts: Facts, steps: Sequence[Step]) -> Rule:
    if not facts.clocks_known:
        return inference("measured", unless(True), "No clock sample places the router's stamps")
    if not any(step.hits.size for step in steps):
        return inference("measured", unless(True), "No request is on record while the canary had a weight")
    for step in steps:
        if step.completed and not (step.watched and step.hits.size):
            why = "no request is on record in it" if step.watched else "the weight was not read throughout"
            return inference("measured", unless(True), f"The step of {100 * step.share:g} % was not measured: {why}")
    count, requests = sum(step.completed for step in steps), sum(int(step.hits.size) for step in steps)
    says = f"{requests} requests were dispatched in {len(steps)} steps, of which {count} were completed"
    return inference("measured", unless(False), says)


def _skewed(facts: Facts, steps: Sequence[Step]) -> Rule:
    told = [step for step in steps if step.hits.size and step.watched]
    if not told:
        return inference("skewed", Verdict.PASS, "No step has requests that could be skewed")
    wrong = [step for step in told if step.name in facts.refuted]
    worst = min(wrong or told, key=lambda step: step.p)
    low, high = percent(float(worst.hits.mean())), f"{100 * worst.share:g} %"
    says = (
        f"{int(worst.hits.sum())} of {worst.hits.size} requests ({low}) went to the canary at a weight of {high}: "
        f"p = {worst.p:.2g}, {budgeted(facts)}"
    )
    if not wrong:
        return inference("skewed", Verdict.PASS, says)
    index, flagged = dispersion(worst)
    if flagged:
        says += f"; but users stick to a version (dispersion {index:.1f}), so requests are not the unit"
    return inference("skewed", Verdict.INCONCLUSIVE if flagged else Verdict.FAIL, says)


def _underpowered(facts: Facts, steps: Sequence[Step]) -> Rule:
    limit = facts.expect.get("split_points_max")
    completed = [step for step in steps if step.completed]
    told = ", ".join(f"{step.points:.1f} points at {100 * step.share:g} %" for step in completed)
    says = f"What the requests of completed steps resolve: {told or 'none was completed'}"
    if limit is None:
        return inference("underpowered", Verdict.PASS, f"{says}; the experiment asks for nothing")
    weak = not completed or max(step.points for step in completed) > float(limit)
    return inference("underpowered", unless(weak), f"{says}; {float(limit):g} are asked for")
