"""Where requests went after the traffic had been taken away from a track: the rule `traffic` of both outcomes.

Terms. A *late dispatch* is a request that the router sent to that track more than GRACE_S, and clock slack,
after the weight was surely changed. Two witnesses are heard, who do not know each other: the router's log
(a row of that cluster) and the service's own version header (an answer of that version to a request that
was itself sent so late). A row of the router whose answer names the other version contradicts itself and
is no witness. *Watched*: requests sent so late; they are the n of a zero, and each must be in the router's
log, else the log has holes and the zero means little.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from harness.clock import NS_PER_MS
from harness.evidence.finding import Verdict
from harness.judge import statistics
from harness.judge.facts import CANARY, STABLE, Facts, index_in
from harness.judge.saying import percent

GRACE_NS: Final = 500 * NS_PER_MS  # requests that were on their way, and a router's workers that learn it in turn
LOGGED_SHARE_MIN: Final = 0.99


@dataclass(frozen=True, slots=True)
class Late:
    """What was dispatched late. `by_router` and `by_client` count requests; one may be in both."""

    by_router: int
    by_client: int
    contradicted: int
    watched: int
    logged: int
    op_ids: tuple[str, ...]

    @property
    def seen(self) -> int:
        """Distinct requests that either witness names."""
        return len(self.op_ids)


def late_dispatches(facts: Facts, track: str, after_ns: int) -> Late:
    """Requests dispatched to `track` (stable or canary) later than GRACE_NS after `after_ns`."""
    operations, routing = facts.evidence.operations, facts.evidence.routing
    mine, other = (CANARY, STABLE) if track == "canary" else (STABLE, CANARY)
    edge_ns = after_ns + GRACE_NS
    rows = np.flatnonzero((routing["cluster"] == track) & (routing["start_ns"] - facts.slack_ns > edge_ns))
    answer = index_in(routing["op_id"][rows], operations["op_id"])
    contradicted = np.zeros(rows.size, dtype=bool)
    contradicted[answer >= 0] = facts.tracks[answer[answer >= 0]] == other
    sent_late = (operations["sent_ns"] > edge_ns) & (operations["status"] > 0)
    by_client = sent_late & (facts.tracks == mine) & (operations["version_source"] == "header")
    router_ids = routing["op_id"][rows[~contradicted]].tolist()
    client_ids = operations["op_id"][by_client].tolist()
    return Late(
        by_router=len(router_ids),
        by_client=len(client_ids),
        contradicted=int(contradicted.sum()),
        watched=int(sent_late.sum()),
        logged=int((sent_late & (facts.route_of >= 0)).sum()),
        op_ids=tuple(sorted({*router_ids, *client_ids})),
    )


def verdict_of(late: Late) -> Verdict:
    """FAIL for a late dispatch, INCONCLUSIVE where none could be seen."""
    if late.seen:
        return Verdict.FAIL
    vacuous = late.watched == 0 or late.logged < LOGGED_SHARE_MIN * late.watched or late.contradicted > 0
    return Verdict.INCONCLUSIVE if vacuous else Verdict.PASS


def says_of(late: Late, track: str) -> str:
    """One sentence with the numbers of both witnesses."""
    if late.seen:
        return (
            f"{late.seen} requests went to {track} more than 0.5 s after it was taken out ({late.by_router} by the "
            f"router's log, {late.by_client} by the answer's version), among them {late.op_ids[0]}"
        )
    if late.watched == 0:
        return f"No request was sent later than 0.5 s after {track} was taken out, so nothing was watched"
    if late.contradicted:
        return f"{late.contradicted} requests to {track} by the router's log were answered by the other version"
    if late.logged < LOGGED_SHARE_MIN * late.watched:
        return f"Only {late.logged} of {late.watched} requests after {track} was taken out are in the router's log"
    could = percent(statistics.rate_detectable(late.watched))
    return f"0 of {late.watched} requests went to {track} after it was taken out; a share of {could} would have shown"
