"""evidence: can this directory be believed at all. The ground that every other check stands on.

Terms. *Sealed complete*: whoever closed the trial said that nothing was cut short. *Intact*: every file is
what its hash in the seal says. *Readable*: every row and line parses. *Error*: a part of the harness
failed, was interrupted, was finished by the guard, ended unasked, or had to be killed. *Drift*: how far the wall
clock moved against the monotonic clock, peak to peak; instants of Prometheus and of the router come on the wall clock.

Measured: `events_count`; `problems_count`, lines and files that could not be read or changed since;
`errors_count`, events that say that something failed; `clock_drift_ms`; `clock_samples_count`.

No rule can FAIL: bad evidence proves nothing either way.
"""

from __future__ import annotations

from typing import Final

from harness.clock import NS_PER_S
from harness.evidence.finding import Finding, Rule
from harness.evidence.format import Kind
from harness.evidence.run import Evidence
from harness.evidence.timeline import Event
from harness.judge.facts import Facts
from harness.judge.saying import finding, inference, unless

ID: Final = "evidence"
KILLED_CODE: Final = -9  # of a process that SIGKILL ended
DRIFT_MS_MAX: Final = 50.0  # a tenth of the half second that traffic is given after weight 0
# Sayings of the seal about single files; what it says of itself begins with SEAL.
_SEAL_SAYS: Final = (
    "in the seal but not in the directory",
    "in the directory but not in the seal",
    "changed since it was sealed",
)


def check(facts: Facts) -> Finding:
    """Five rules, all INCONCLUSIVE where they do not hold."""
    evidence = facts.evidence
    errors = errors_of(evidence)
    rules = (
        _no_errors(errors, evidence.events),  # first: it names what cut a trial, the others only that it was cut
        _sealed_complete(evidence),
        _intact(evidence),
        _readable(evidence),
        _clock(evidence),
    )
    measured = {
        "events_count": len(evidence.events),
        "problems_count": len(evidence.problems),
        "errors_count": len(errors),
        "clock_drift_ms": evidence.clock.drift_ms,
        "clock_samples_count": int(evidence.clock.t_ns.size),
    }
    return finding(ID, rules, measured, f"Sealed, intact and without an error: {len(evidence.events)} events")


def errors_of(evidence: Evidence) -> tuple[Event, ...]:
    """Events that rule out PASS, in order."""
    wrong = evidence.of(Kind.ERROR, Kind.INTERRUPTED, Kind.GUARD_FINISHING, Kind.PROCESS_EXITED)
    return tuple(one for one in wrong if one.kind is not Kind.PROCESS_EXITED or _ended_badly(one))


def _ended_badly(exited: Event) -> bool:
    """Unasked, or asked and then killed: what it had still to write or to undo is missing."""
    return not exited.data["expected"] or exited.data["code"] == KILLED_CODE


def _sealed_complete(evidence: Evidence) -> Rule:
    says = "sealed as complete" if evidence.complete else "not sealed as complete: the trial was cut short"
    return inference("sealed_complete", unless(not evidence.complete), f"The run directory is {says}")


def _intact(evidence: Evidence) -> Rule:
    broken = [problem for problem in evidence.problems if problem.endswith(_SEAL_SAYS)]
    return inference("intact", unless(bool(broken)), _listed("differ from the seal", broken, "file"))


def _readable(evidence: Evidence) -> Rule:
    odd = [one for one in evidence.problems if not one.endswith(_SEAL_SAYS) and not one.startswith("SEAL:")]
    return inference("readable", unless(bool(odd)), _listed("could not be read", odd, "part"))


def _listed(what: str, problems: list[str], noun: str) -> str:
    first = f", the first: {problems[0]}" if problems else ""
    return f"{len(problems)} {noun}{'' if len(problems) == 1 else 's'} {what}{first}"


def _no_errors(errors: tuple[Event, ...], events: tuple[Event, ...]) -> Rule:
    if not errors:
        return inference("no_errors", unless(False), "No part of the harness failed, ended unasked or had to be killed")
    first = errors[0]
    place = f"{(first.t_ns - events[0].t_ns) / NS_PER_S:.2f} s after the trial began"
    return inference(
        "no_errors", unless(True), f"{len(errors)} errors, the earliest {place}: {first.kind}: {_told(first)}"
    )


def _told(event: Event) -> str:
    if event.kind is Kind.PROCESS_EXITED and event.data["expected"]:
        return f"{event.data['name']} did not end when it was asked to, and was killed"
    if event.kind is Kind.PROCESS_EXITED:
        return f"{event.data['name']} ended unasked with code {event.data['code']}"
    if event.kind is Kind.ERROR:
        return f"{event.data['where']}: {event.data['message']}"
    return str(event.data["why"])


def _clock(evidence: Evidence) -> Rule:
    count, drift_ms = int(evidence.clock.t_ns.size), evidence.clock.drift_ms
    if count < 2:
        return inference("clock", unless(True), f"{count} clock samples cannot show how far the clocks drifted; 2 can")
    says = f"Wall and monotonic clock drifted {drift_ms:.1f} ms apart, at most {DRIFT_MS_MAX:g} ms are allowed"
    return inference("clock", unless(drift_ms > DRIFT_MS_MAX), says)
