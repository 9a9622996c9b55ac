"""What to do about each red rule: one sentence a rule, for the reader who has to act on it.

A rule says what the evidence shows; this table says where to look first and what to change or repeat. A test holds
it against docs/reference/checks.md, so that no rule can turn red without a next step.

Not covered: rules of other versions of the judge; `next_step` points those to judging again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from harness.evidence.finding import Finding, Rule, Verdict

# A check that broke has this one rule, whatever the check.
CRASHED: Final = "crashed"
_CRASHED: Final = (
    "Report the traceback in this rule with the run directory: the judge has a defect. The evidence is untouched; "
    "judge it again with a mended version."
)
_UNKNOWN: Final = (
    "This version of the harness does not know the rule: judge the run again, so that judge and page "
    "are of one version."
)

STEPS: Final[Mapping[str, Mapping[str, str]]] = {
    "evidence": {
        "no_errors": "Open the log of the part that is named (logs/), mend what ended it, and repeat the trial.",
        "sealed_complete": (
            "Find out who ended the trial (timeline/control.ndjson and guard.ndjson), and let it run to its end."
        ),
        "intact": (
            "Restore the file from the copy that was sealed, or repeat the trial; do not trust an edited directory."
        ),
        "readable": (
            "See “Problems of the evidence” below for file and line; a full disk is the usual cause. Repeat the trial."
        ),
        "clock": (
            "Keep the host's wall clock steady during a trial: stop NTP steps and suspends of the machine, then repeat."
        ),
    },
    "generator": {
        "traffic": "Read logs/load.log: the load never started or never reached the router. Repeat the trial.",
        "planned": (
            "Compare profile and seed in manifest.json with schedule/: the schedule is not the profile's. Repeat it."
        ),
        "offered": "Give the load process more of the machine, or choose a smaller load profile, and repeat.",
        "no_gap": (
            "Look for what stalled the machine in that second (logs/, host_sample events), and repeat on a quieter one."
        ),
        "lag": "Requests left late: free the machine of other work or choose a smaller load profile, and repeat.",
        "not_sent": (
            "Too many requests waited at once: choose a smaller load profile, or find why the service answered so late."
        ),
        "cpu": (
            "The load process was at its limit: choose a smaller load profile or a machine with more cores, and repeat."
        ),
        "process": "Read the end of logs/load.log: the load died. Mend that and repeat the trial.",
    },
    "baseline": {
        "measured": (
            "Raise baseline_s in the experiment, or choose a larger load profile: too few answers came before the"
            " canary."
        ),
        "errors": (
            "Mend stable first: it failed before the canary came. Start with the failed operations before the "
            "canary's start."
        ),
        "latency": "Stable was slow before the canary came: free the machine or mend stable, then repeat the trial.",
        "silent": (
            "Let the alert resolve before the drill starts, or see why Prometheus evaluated no rule "
            "(logs/prometheus.log)."
        ),
        "hypothesis": (
            "Run the steady-state probes by hand against the stack (journal.json names them), mend what they see."
        ),
    },
    "fault": {
        "honest_router": (
            "Switch retries off in the router's configuration: a router that sends twice hides the fault from clients."
        ),
        "landed": (
            "See that the injector reached the instance (fault_on in timeline/control.ndjson), and that requests "
            "did too."
        ),
        "mis_aimed": "Check which instances the fault was sent to, and the version header that the target file names.",
        "confined": (
            "Check that heal and deadline of the fault work: marked answers came when no fault should have been on."
        ),
        "strength": (
            "Compare the share in the experiment with what the injector was told; the fault was stronger or weaker."
        ),
    },
    "split": {
        "measured": "Make the steps longer (step_s), or see why the router's weight was not read (logs/observer.log).",
        "skewed": (
            "Compare the router's weights (config/, its live configuration) with the controller's: it does not "
            "split as told."
        ),
        "underpowered": "Make the steps longer (step_s), raise the load profile, or ask for less in split_points_max.",
    },
    "alert": {
        "not_before": (
            "The alert fires without the fault: look at what its expression counts, and raise its threshold or "
            "narrow it."
        ),
        "blind": (
            "See why Prometheus stopped scraping or evaluating (logs/prometheus.log, logs/observer.log), and repeat."
        ),
        "fired": (
            "Put the rule's expression to the recorded samples: its matchers must select the canary, and what the "
            "fault does must be over its threshold."
        ),
        "in_time": (
            "Shorten the rule's window, its “for” or the scrape interval, or raise detect_s_max if this delay is "
            "acceptable."
        ),
        "in_bounds": (
            "Compare the rule in config/rules.yaml with the timing in manifest.json: it fires sooner or later "
            "than it could."
        ),
        "notification": (
            "Follow the route in config/alertmanager.yaml for the alert's labels, and read logs/alertmanager.log."
        ),
        "forbidden": (
            "Find out what the forbidden alert saw (metrics/): it would have stopped a good release or told the "
            "wrong team."
        ),
        "resolved": "See whether the fault was really healed, and whether the rule's expression falls back once it is.",
    },
    "rollback": {
        "decided": (
            "See whether the controller got the notification (webhook_received in its timeline), and what it made"
            " of it."
        ),
        "cause": (
            "See which alert the controller acted on (decided in its timeline): it rolled back or held for "
            "another reason."
        ),
        "no_rollback": (
            "Find the alert that the controller acted on: a good release was stopped. Mend that rule's false alarm."
        ),
        "finished": "Read the controller's timeline and log from its last step on: it did not come to promotion.",
        "weight": "See why the controller's status never said 0 %: read its log from the decision on.",
        "route": (
            "See whether the controller's call reached the router (weight_set, weight_refused), and what the "
            "router answered."
        ),
        "flapping": "Find who set the weight again after the rollback: the controller's own loop, or somebody else.",
        "traffic": (
            "Ask the router, not the controller: requests still went to the canary. Compare its live weight and "
            "its log."
        ),
        "weight_kept": "Find who changed the weight while the rollout was held: the controller, or somebody else.",
        "no_step": "Mend the controller: it went on after it had decided to hold.",
        "hold": (
            "Let the trial run for hold_s after the outcome; where promotion was expected, see which alert fired in it."
        ),
        "late": (
            "Take the chain apart below: detection, decision or router. Shorten the slowest, or raise shifted_s_max."
        ),
        "drained": (
            "See which request kept the canary busy (operations/, the latest done_ns); shorten time-outs or raise"
            " drained_s_max."
        ),
        "stable_runs": (
            "See what is deployed under the name of stable: the instance that answered the final read is another "
            "version."
        ),
        "removed": "See why the canary was not stopped (remove_refused in the controller's timeline, logs/guard.log).",
        "team_told": (
            "Check the controller's message to the team: its address, and that version, decision, outcome and "
            "reason are in it."
        ),
    },
    "requests": {
        "lost_on_stable": (
            "Look at the named request (operations/, routing/): users of stable were hurt. Start with the "
            "router's flags."
        ),
        "unattributed": "Let service or router name the version in each answer; see which requests ended without one.",
        "in_flight": (
            "See why the load has no row for requests that were on their way (logs/load.log), and repeat the trial."
        ),
    },
    "data_loss": {
        "vanished": (
            "Follow a named write by its op_id through the service's log and store: it was acknowledged and is gone."
        ),
        "unreadable": (
            "Let stable read what the canary writes: make the schema change one that the old version can live with."
        ),
        "mutated": (
            "Compare the stored row with the sent one (both by op_id): look at units, rounding and encoding of "
            "the canary."
        ),
        "duplicated": "Make the write idempotent by the client's id: it was applied more than once.",
        "phantom": (
            "Find who wrote the row: another writer on this store, or a version that makes up rows. Use a store "
            "of its own."
        ),
        "aborted_visible": (
            "The client was told that the write failed, and it is there: answer an error only before the commit."
        ),
        "order": (
            "Let writes of one key keep their order: look at queues, retries and clocks between handler and store."
        ),
        "invariants": (
            "Take the invariant and the operations that are named to the service's developers: the stored data "
            "contradicts itself."
        ),
        "verified": (
            "Let the final reads end: see why they were cut or why the service did not come to rest "
            "(readback/*/meta.json)."
        ),
        "vacuous": "Raise the load, the weight or the step's length until the canary acknowledges writes of each kind.",
        "power": (
            "Let the canary acknowledge more writes (load, weight, step_s), or allow more in loss_rate_detectable_max."
        ),
    },
    "recovery": {
        "good_seconds": (
            "See what still failed after the rollback (operations/, the last bad ones), and mend the track that "
            "has the traffic."
        ),
        "latency": (
            "See what kept the service slow after the rollback: full queues, a pool that did not recover, a busy "
            "machine."
        ),
        "hypothesis": (
            "Run the steady-state probes by hand (journal.json names them): the service did not come back to its "
            "normal."
        ),
    },
    "cleanup": {
        "leftover": "Take away what is named with `harness heal --all`, and find out why its owner did not.",
        "healed": (
            "Heal it now with `harness heal --all`, then see why the heal request was not sent or not confirmed "
            "(logs/undo.ndjson)."
        ),
        "processes": (
            "Look for the process (`harness heal` lists it) and see in logs/guard.log why its end was not recorded."
        ),
        "test_rows": "Delete the rows that carry this trial's id from the store, and mend the kit's purge.",
        "counted": (
            "Repeat the trial and let it come to its close: without both counts nobody knows what it left behind."
        ),
    },
}


def next_step(check: str, rule: str) -> str:
    """What to do when this rule of this check is red."""
    if rule == CRASHED:
        return _CRASHED
    return STEPS.get(check, {}).get(rule, _UNKNOWN)


def of_check(check: Finding) -> Sequence[tuple[Rule, str]]:
    """Each red rule of a check with its next step, the worst first."""
    red = [rule for rule in check.rules if rule.verdict is not Verdict.PASS]
    return [(rule, next_step(check.id, rule.id)) for rule in sorted(red, key=lambda rule: -rule.verdict.rank)]


def is_known(check: str, rule: str) -> bool:
    """Whether this version of the page knows the rule."""
    return rule == CRASHED or rule in STEPS.get(check, {})
