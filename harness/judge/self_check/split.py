"""Mutations of the split: nothing on record, all of a step to one track, too few requests to show anything."""

from __future__ import annotations

from typing import Final

import numpy as np

from harness.evidence.run import Evidence
from harness.judge import split
from harness.judge.facts import Facts
from harness.judge.self_check import edit
from harness.judge.self_check.mutation import Mutation

# So many requests, all on one track, refute any weight: even 95 % of 200 leaves 10 on the other.
REQUESTS_MIN: Final = 200


def _no_router_log(facts: Facts) -> Evidence:
    return edit.emptied(facts.evidence, "routing")


def _one_sided(facts: Facts) -> Evidence | str:
    """The router sent everything to the track that should have had less, and that track answered."""
    steps = [step for step in split.steps_of(facts) if step.watched]
    largest = max(steps, key=lambda step: step.hits.size, default=None)
    if largest is None or largest.hits.size < REQUESTS_MIN / 2:
        return f"no step has {REQUESTS_MIN // 2:g} requests"
    track, version = ("canary", facts.versions[1]) if largest.share <= 0.5 else ("stable", facts.versions[0])
    routed = facts.route_of >= 0
    changed = edit.put(facts.evidence, "operations", routed, version=version, version_source="header")
    return edit.put(changed, "routing", np.arange(facts.evidence.routing["op_id"].size), cluster=track)


def _few(facts: Facts) -> Evidence | str:
    """One request in a hundred is in the router's log."""
    if facts.expect.get("split_points_max") is None:
        return "the experiment does not say what the split must resolve"
    return edit.taken(facts.evidence, "routing", np.arange(facts.evidence.routing["op_id"].size) % 100 == 0)


MUTATIONS: Final = (
    Mutation("no_router_log_of_the_split", split.ID, "measured", _no_router_log),
    Mutation("split_to_one_side", split.ID, "skewed", _one_sided),
    Mutation("split_of_few_requests", split.ID, "underpowered", _few),
)
