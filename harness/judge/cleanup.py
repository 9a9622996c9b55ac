"""cleanup: is everything as it was before the trial.

Terms. A *census* lists what exists: processes, ports, faults, test rows. A *leftover* is an item of the
census at close that the one at open does not have. A fault is *healed* when a call that healed it came
after the one that switched it on; in a trial that was cut, a missing record of it is no proof.

Measured: `leftovers_count` and `leftovers`, at most ten; `processes_count` started and
`processes_running_count` without an end on record; `test_rows_count` left after the purge, -1 where nothing
was purged.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from harness.evidence.finding import Finding, Rule, Verdict
from harness.evidence.format import Kind
from harness.judge.facts import Facts
from harness.judge.saying import LISTED_MAX, finding, inference, unless, witness

ID: Final = "cleanup"


def check(facts: Facts) -> Finding:
    """Five rules."""
    left, running = leftovers(facts), processes_running(facts)
    rules = (
        _leftover(facts, left),
        _healed(facts),
        _processes(facts, running),
        _test_rows(facts),
        _counted(facts),
    )
    purged = facts.evidence.of(Kind.PURGED)
    measured = {
        "leftovers_count": len(left),
        "leftovers": left[:LISTED_MAX],
        "processes_count": len(facts.evidence.of(Kind.PROCESS_STARTED)),
        "processes_running_count": len(running),
        "test_rows_count": int(purged[-1].data["rows_left"]) if purged else -1,
    }
    return finding(ID, rules, measured, "Nothing is left behind")


def leftovers(facts: Facts) -> list[str]:
    """What the last census has and the first has not, as sorted text."""
    opened, closed = _census(facts, "open"), _census(facts, "close")
    return sorted(closed.keys() - opened.keys())


def _census(facts: Facts, at: str) -> Mapping[str, Any]:
    events = [event for event in facts.evidence.of(Kind.CENSUS) if event.data["at"] == at]
    items = events[-1].data["items"] if events else []
    return {json.dumps(item, sort_keys=True): item for item in items}


def processes_running(facts: Facts) -> list[str]:
    """Names of processes that were started and have no end on record, sorted."""
    ended = {(e.data["name"], e.data["pid"]) for e in facts.evidence.of(Kind.PROCESS_EXITED)}
    started = {(e.data["name"], e.data["pid"]) for e in facts.evidence.of(Kind.PROCESS_STARTED)}
    return sorted(str(name) for name, _ in started - ended)


def _leftover(facts: Facts, left: list[str]) -> Rule:
    closed = len(_census(facts, "close"))
    first = f", the first: {left[0]}" if left else ""
    says = f"{len(left)} of {closed} things counted at close were not there at open{first}"
    return witness("leftover", unless(bool(left), Verdict.FAIL), says)


def _healed(facts: Facts) -> Rule:
    """A trial that was cut is healed by the guard, which records only what it could not heal."""
    on = facts.evidence.of(Kind.FAULT_ON)
    healed_ns = max((event.t_ns for event in facts.evidence.of(Kind.FAULT_HEALED)), default=0)
    open_count = sum(event.t_ns >= healed_ns for event in on)
    refused = [event for event in facts.evidence.of(Kind.ERROR) if event.data["where"] == "heal"]
    says = f"{open_count} of {len(on)} faults that were switched on have no later heal on record"
    if open_count and not facts.evidence.complete and not refused:
        return witness("healed", Verdict.INCONCLUSIVE, f"{says}, in a trial that was cut")
    return witness("healed", unless(open_count > 0, Verdict.FAIL), says)


def _processes(facts: Facts, running: list[str]) -> Rule:
    """An inference: what is missing is a record, and a guard that was killed wrote none."""
    count = len(facts.evidence.of(Kind.PROCESS_STARTED))
    if count == 0:
        return inference("processes", Verdict.INCONCLUSIVE, "No process of the trial is on record")
    named = f": {', '.join(running[:LISTED_MAX])}" if running else ""
    says = f"{len(running)} of {count} processes have no end on record{named}"
    return inference("processes", unless(bool(running), Verdict.FAIL), says)


def _test_rows(facts: Facts) -> Rule:
    if not facts.has_store and facts.evidence.manifest["kit"].get("data_goes_with_trial"):
        says = "The kit reaches no store: the service kept its data in a folder of the trial, which went with it"
        return witness("test_rows", Verdict.PASS, says)
    if not facts.has_store:
        says = (
            "The kit reaches no store and the service has a place of its own for its data: nobody looked for test rows"
        )
        return witness("test_rows", Verdict.INCONCLUSIVE, says)
    purged = facts.evidence.of(Kind.PURGED)
    if not purged or int(purged[-1].data["rows_left"]) < 0:
        return witness("test_rows", Verdict.INCONCLUSIVE, "The purge of the test rows never came to its end")
    rows_left = int(purged[-1].data["rows_left"])
    return witness("test_rows", unless(rows_left > 0, Verdict.FAIL), f"{rows_left} test rows are left in the store")


def _counted(facts: Facts) -> Rule:
    at = {str(event.data["at"]) for event in facts.evidence.of(Kind.CENSUS)}
    missing = sorted({"open", "close"} - at)
    says = f"No census was taken at {' and '.join(missing)}" if missing else "A census was taken at open and at close"
    return inference("counted", unless(bool(missing)), says)
