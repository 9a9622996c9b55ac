"""Mutations of the fault: not landed, too strong or too weak, at stable, at the wrong time, hidden by a retry."""

from __future__ import annotations

from typing import Final

import numpy as np

from harness.evidence.format import Kind
from harness.evidence.run import Evidence
from harness.judge import fault
from harness.judge.facts import CANARY, NOBODY, STABLE, Array, Facts
from harness.judge.self_check import edit
from harness.judge.self_check.mutation import Mutation

UNMARKED: Final = "the fault leaves no mark on answers"
ON_BOTH: Final = "the fault is meant for stable too"


def _marks(facts: Facts) -> tuple[Array, str]:
    """(which operations carry a mark, the mark itself; "" without one)."""
    marks = facts.evidence.operations["fault_mark"]
    marked = marks != ""
    return marked, str(marks[marked][0]) if marked.any() else ""


def _marks_erased(facts: Facts) -> Evidence | str:
    marked, mark = _marks(facts)
    return edit.put(facts.evidence, "operations", marked, fault_mark="") if mark else UNMARKED


def _other_strength(facts: Facts) -> Evidence | str:
    """Every answer of the canary in the window is marked; where most should be, all but one are not."""
    _, mark = _marks(facts)
    answers = np.flatnonzero(fault.fault_window(facts) & (facts.tracks == CANARY))
    if not mark:
        return UNMARKED
    weak = float(facts.evidence.manifest["fault"]["share"]) > 0.5
    return edit.put(facts.evidence, "operations", answers[1:] if weak else answers, fault_mark="" if weak else mark)


def _stable_marked(facts: Facts) -> Evidence | str:
    """One answer of stable in the window carries the mark."""
    _, mark = _marks(facts)
    answers = np.flatnonzero(fault.fault_window(facts) & (facts.tracks == STABLE))
    if not mark:
        return UNMARKED
    if "stable" in facts.evidence.manifest["fault"].get("tracks", ()):
        return ON_BOTH
    if answers.size == 0:
        return "stable gave no answer while the fault was on"
    return edit.put(facts.evidence, "operations", int(answers[answers.size // 2]), fault_mark=mark)


def _marked_before(facts: Facts) -> Evidence | str:
    """One answer of the canary carries the mark before the fault was on."""
    _, mark = _marks(facts)
    before = facts.evidence.operations["done_ns"] < facts.chain["fault_on"].lo_ns
    answers = np.flatnonzero(before & (facts.tracks == CANARY))
    if not mark:
        return UNMARKED
    if answers.size == 0:
        return "the canary gave no answer before the fault was on"
    return edit.put(facts.evidence, "operations", int(answers[-1]), fault_mark=mark)


def _marked_after(facts: Facts) -> Evidence | str:
    """One answer to a request sent after the heal carries the mark."""
    _, mark = _marks(facts)
    healed_ns = [int(event.data["hi_ns"]) for event in facts.evidence.of(Kind.FAULT_HEALED)]
    if not mark:
        return UNMARKED
    after = facts.evidence.operations["sent_ns"] > max(healed_ns, default=facts.stop_ns)
    answers = np.flatnonzero(after & (facts.tracks != NOBODY))
    if answers.size == 0:
        return "no request was answered after the heal"
    return edit.put(facts.evidence, "operations", int(answers[-1]), fault_mark=mark)


def _router_retried(facts: Facts) -> Evidence | str:
    """The router sent one request twice."""
    count = facts.evidence.routing["attempts"].size
    return edit.put(facts.evidence, "routing", count // 2, attempts=2) if count else "the router logged nothing"


def _no_router_log(facts: Facts) -> Evidence:
    return edit.emptied(facts.evidence, "routing")


MUTATIONS: Final = (
    Mutation("fault_marks_erased", fault.ID, "landed", _marks_erased),
    Mutation("fault_of_other_strength", fault.ID, "strength", _other_strength),
    Mutation("stable_answer_marked", fault.ID, "mis_aimed", _stable_marked),
    Mutation("marked_before_the_fault", fault.ID, "confined", _marked_before),
    Mutation("marked_after_the_heal", fault.ID, "confined", _marked_after),
    Mutation("router_retried", fault.ID, "honest_router", _router_retried),
    Mutation("no_router_log_of_retries", fault.ID, "honest_router", _no_router_log),
)
