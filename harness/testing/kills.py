"""Every way in which a trial is ended from outside, as data: who is struck, by which signal, when, how often.

`every` is the whole list, `pairwise` the part of it in which each pair of two properties still occurs. The tests in
tests/integration/trial strike real trials and write what came of it as JSON; `python -m harness.testing.kills
RESULTS DOCUMENT` draws that as the table of docs/reliability.md.

Not covered: the machine itself going down, a full disk, two victims at once.
"""

from __future__ import annotations

import itertools
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

# A control process of the trial takes every signal; anything else is only killed.
CONTROLS: Final = ("harness", "chaos")
GUARD: Final = "guard"
PARTS: Final = ("load", "stepper", "envoy", "prometheus", "stable-1")
SIGNALS: Final = ("INT", "TERM")
KILL: Final = "KILL"
# moment -> what is happening then
MOMENTS: Final[Mapping[str, str]] = {
    "open": "the stack comes up",
    "baseline": "load on stable only",
    "canary": "the controller begins its steps",
    "inject": "just before the fault",
    "fault": "the fault is in the canary",
    "rollback": "the controller has decided to roll back",
    "verify": "the outcome is watched, then the writes are read back",
    "close": "the trial heals, stops, counts and seals",
}
KILL_MOMENTS: Final = ("baseline", "fault", "rollback", "verify")
BEGIN, END = "<!-- the table: make test-full writes it -->", "<!-- end of the table -->"


@dataclass(frozen=True, slots=True)
class Strike:
    """One way of ending a trial. `times`: how often the signal is sent."""

    victim: str
    signal: str
    moment: str
    times: int = 1

    @property
    def name(self) -> str:
        """Of the test, and in the results."""
        return f"{self.signal}-{self.victim}-{self.moment}{'-twice' if self.times > 1 else ''}"

    @property
    def group(self) -> str:
        """The parts of the stack count as one: the trial learns of each end in the same way."""
        return "part" if self.victim in PARTS else self.victim


def every() -> tuple[Strike, ...]:
    """SIGKILL of everybody at four moments; SIGINT and SIGTERM of the commands at every moment, also twice."""
    killed = itertools.product((*CONTROLS, GUARD, *PARTS), (KILL,), KILL_MOMENTS)
    signalled = itertools.product(CONTROLS, SIGNALS, MOMENTS, (1, 2))
    return (*(Strike(*one) for one in killed), *(Strike(*one) for one in signalled))


def pairs(strike: Strike) -> set[tuple[object, ...]]:
    """The pairs of properties that this one tries."""
    return {
        ("victim", strike.victim, "signal", strike.signal),
        ("group", strike.group, "moment", strike.moment),
        ("group", strike.group, "times", strike.times),
        ("signal", strike.signal, "moment", strike.moment),
        ("signal", strike.signal, "times", strike.times),
        ("moment", strike.moment, "times", strike.times),
    }


def pairwise(strikes: Sequence[Strike]) -> tuple[Strike, ...]:
    """A selection with every pair that occurs in `strikes`: greedy, in their order, so the same each time."""
    missing = set[tuple[object, ...]]().union(*map(pairs, strikes))
    chosen: list[Strike] = []
    while missing:
        best = max(strikes, key=lambda one: len(pairs(one) & missing))
        chosen.append(best)
        missing -= pairs(best)
    return tuple(one for one in strikes if one in chosen)


def table(results: Mapping[str, Mapping[str, Any]]) -> str:
    """The results as Markdown, in the order of `every`; a strike without a result is a row that says so."""
    rows = [_row(one, results.get(one.name)) for one in every()]
    head = "| struck | by | while | left after 10 s | healed and sealed after | verdict | exit code |"
    return "\n".join((head, "|---|---|---|---|---|---|---|", *rows))


def _row(strike: Strike, result: Mapping[str, Any] | None) -> str:
    signal = f"SIG{strike.signal}{' twice' if strike.times > 1 else ''}"
    where = f"| {strike.victim} | {signal} | {strike.moment} |"
    if result is None:
        return f"{where} not run | | | |"
    left = ", ".join(result["left"]) or "nothing"
    return f"{where} {left} | {result['healed_s']:.1f} s | {result['verdict']} | {result['exit_code']} |"


def summary(results: Mapping[str, Mapping[str, Any]]) -> str:
    """One sentence over all of them."""
    known = [results[one.name] for one in every() if one.name in results]
    clean = sum(not one["left"] for one in known)
    times_s = sorted(float(one["healed_s"]) for one in known)
    if not known:
        return f"None of the {len(every())} strikes has been run."
    return (
        f"{len(known)} of {len(every())} strikes were run; {clean} left nothing within 10 s. Half were healed and "
        f"sealed within {times_s[len(times_s) // 2]:.1f} s, the slowest within {times_s[-1]:.1f} s."
    )


def drawn(document: str, results: Mapping[str, Mapping[str, Any]]) -> str:
    """The document with the table between its two marks drawn anew."""
    before, _, rest = document.partition(BEGIN)
    _, found, after = rest.partition(END)
    assert found, f"the document lacks {BEGIN!r} or {END!r}"
    return f"{before}{BEGIN}\n\n{summary(results)}\n\n{table(results)}\n\n{END}{after}"


if __name__ == "__main__":
    results_path, document_path = map(Path, sys.argv[1:])
    document_path.write_text(drawn(document_path.read_text(), json.loads(results_path.read_text())))
