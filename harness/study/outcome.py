"""How a suite came out, from what it has run and the history that these trials are now part of.

A trial is *as expected* when its verdict is PASS; a planted one when verdict, headline and red checks are what its
plant promises. One whose exit code or plant is not that of its findings is not as expected, whatever those say: it is
INCONCLUSIVE at best. A planted trial that says INCONCLUSIVE where its plant promises FAIL has proven nothing, so it is
INCONCLUSIVE; any other way in which it is not as promised is a FAIL: a defect that nobody found. A trial without a
verdict is INCONCLUSIVE. The suite's verdict is the worst of them; of none, or after a signal, it is INCONCLUSIVE at
best, and so it is where the budget left out what was red the last time: nobody knows whether it still is. Whatever else
was left out costs nothing: it is listed, and comes first as soon as it has waited longest.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final
from xml.etree import ElementTree

from harness.evidence.finding import EXIT_CODES, Verdict, merge
from harness.evidence.suite_file import NotRun, Ran
from harness.report.junit import clean
from harness.report.summary import escaped
from harness.report.words import SYMBOLS
from harness.study.history import History, Row
from harness.study.order import Placed, Promises, is_found

BESIDE: Final = "../{run}/report.html"
_TAGS: Final = {Verdict.FAIL: "failure", Verdict.INCONCLUSIVE: "error"}


@dataclass(frozen=True, slots=True)
class Outcome:
    """One trial of the suite. `row`: None without a judged run. `why`: one sentence. `since`: for a red one."""

    ran: Ran
    row: Row | None
    verdict: Verdict
    why: str
    since: str = ""


@dataclass(frozen=True, slots=True)
class SuiteOutcome:
    """The whole suite, in the order in which it was run."""

    name: str
    title: str
    path: str
    opened_utc: str
    budget_s: float
    interrupted: bool
    outcomes: tuple[Outcome, ...]
    not_run: tuple[NotRun, ...]

    @property
    def verdict(self) -> Verdict:
        """The worst of its trials; see the top of the file."""
        is_open = not self.outcomes or self.interrupted or any(one.was_red for one in self.not_run)
        return merge((*(one.verdict for one in self.outcomes), *([Verdict.INCONCLUSIVE] if is_open else [])))

    @property
    def red(self) -> tuple[Outcome, ...]:
        """What is not as expected, the worst first, then in the order in which it was run."""
        found = [one for one in self.outcomes if one.verdict is not Verdict.PASS]
        return tuple(sorted(found, key=lambda one: -one.verdict.rank))


def outcomes(ran: Sequence[Ran], history: History, promises: Promises) -> tuple[Outcome, ...]:
    """Each trial with its row of the history, which must have been read after the last of them."""
    rows = {row.run: row for row in history.rows}
    return tuple(_outcome(one, rows.get(one.run), history, promises) for one in ran)


def not_run(left: Sequence[NotRun], ordered: Sequence[Placed]) -> tuple[NotRun, ...]:
    """What was not run, with whether it was red the last time."""
    red = {one.trial.key for one in ordered if one.was_red}
    return tuple(replace(one, was_red=one.key in red) for one in left)


def _outcome(ran: Ran, row: Row | None, history: History, promises: Promises) -> Outcome:
    if row is None:
        says = f": {ran.said}" if ran.said else ""
        return Outcome(ran, None, Verdict.INCONCLUSIVE, f"It ended with exit code {ran.exit_code} and no verdict{says}")
    verdict, why = judged(row, promises)
    doubt = _doubt(ran, row)
    if verdict is Verdict.PASS:
        return Outcome(ran, row, Verdict.INCONCLUSIVE if doubt else verdict, doubt or why)
    return Outcome(ran, row, verdict, why, _since(row, history, promises))


def _doubt(ran: Ran, row: Row) -> str:
    """Why the findings are not the word of what was run; "" where they are."""
    says = f": {ran.said}" if ran.said else ""
    if row.plant != ran.plant:
        return f"Planted was {ran.plant or 'nothing'}, but its run directory says {row.plant or 'nothing'}"
    if ran.exit_code != EXIT_CODES[row.verdict]:
        return f"Its findings say {row.verdict}, but it ended with exit code {ran.exit_code}{says}"
    return ""


def judged(row: Row, promises: Promises) -> tuple[Verdict, str]:
    """(PASS where the trial is as expected, one sentence)."""
    found = f"{row.verdict}{f' by {row.check}/{row.rule}' if row.check else ''}"
    if not row.plant:
        return row.verdict, row.says or "Everything that was asked is proven"
    if is_found(row, promises):
        return Verdict.PASS, f"The planted defect was found: {found}"
    promise = promises.get(row.plant)
    if promise is None:
        return (
            Verdict.INCONCLUSIVE,
            f"It came out as {found}, and the plant {row.plant} promises nothing to compare with",
        )
    is_open = row.verdict is Verdict.INCONCLUSIVE and promise.verdict is Verdict.FAIL
    red = f", red: {', '.join(row.red) or 'nothing'}"
    return Verdict.INCONCLUSIVE if is_open else Verdict.FAIL, f"Promised was {promise}; it came out as {found}{red}"


def _since(row: Row, history: History, promises: Promises) -> str:
    """Since when such trials have been red without a break."""
    alike = [
        one
        for one in history.rows
        if (one.experiment, one.target, one.profile) == (row.experiment, row.target, row.profile)
        and (one.plant, bool(one.control_of)) == (row.plant, bool(row.control_of))
    ]
    streak: list[Row] = []
    for one in reversed(alike[: alike.index(row) + 1]):
        if judged(one, promises)[0] is Verdict.PASS:
            break
        streak.append(one)
    if len(streak) == 1:
        return "for the first time" if len(alike) == 1 else "for the first time since it was green"
    return f"since {streak[-1].opened_utc}, {len(streak)} times in a row"


def document(suite: SuiteOutcome, harness_version: str) -> dict[str, Any]:
    """The content of suite.json."""
    return {
        "name": suite.name,
        "title": suite.title,
        "path": suite.path,
        "opened_utc": suite.opened_utc,
        "budget_s": suite.budget_s,
        "harness_version": harness_version,
        "interrupted": suite.interrupted,
        "verdict": str(suite.verdict),
        "trials": [_trial_document(one) for one in suite.outcomes],
        "not_run": [{"label": one.label, "why": one.why, "was_red": one.was_red} for one in suite.not_run],
    }


def _trial_document(outcome: Outcome) -> Mapping[str, Any]:
    ran, row = outcome.ran, outcome.row
    return {
        "key": ran.key,
        "label": ran.label,
        "run": ran.run,
        "control_of": ran.control_of,
        "plant": ran.plant,
        "exit_code": ran.exit_code,
        "took_s": ran.took_s,
        "log": ran.log,
        "verdict": str(row.verdict) if row else "",
        "headline": f"{row.check}/{row.rule}" if row and row.check else "",
        "red": list(row.red) if row else [],
        "outcome": str(outcome.verdict),
        "why": outcome.why,
        "since": outcome.since,
    }


def summary(suite: SuiteOutcome, link: str = BESIDE) -> str:
    """summary.md, for a CI system's step summary, a message or a terminal.

    `link`: the address of a trial's report, in which `{run}` stands for the name of its run directory; as it is, it
    holds for a file in the suite's folder. "" where the reader can reach none: then the names stand alone.
    """
    return "\n".join((*_head(suite, link), *_table(suite, link), *_not_run(suite), ""))


def _head(suite: SuiteOutcome, link: str) -> Iterator[str]:
    good = sum(one.verdict is Verdict.PASS for one in suite.outcomes)
    yield f"## {SYMBOLS[suite.verdict]} {suite.verdict}: {good} of {len(suite.outcomes)} trials as expected"
    yield ""
    left = f", {len(suite.not_run)} not run" if suite.not_run else ""
    yield f"Suite {escaped(suite.name)}: {escaped(suite.title)}. Opened {suite.opened_utc}{left}."
    if suite.interrupted:
        yield "**A signal ended the suite.**"
    for place, one in enumerate(suite.red):
        first = "**Look at this first**" if place == 0 else "Then"
        since = f" Red {one.since}." if one.since else ""
        report = f" Report: {_linked(one, link)}." if one.row else ""
        yield f"- {first}: {escaped(one.ran.label)}, {one.verdict}: {escaped(one.why)}.{since}{report}"
    yield ""


def _table(suite: SuiteOutcome, link: str) -> Iterator[str]:
    yield "| As expected | Trial | What was found | Took | Report |"
    yield "|---|---|---|---|---|"
    for one in suite.outcomes:
        report = _linked(one, link) if one.row else "none"
        cells = (escaped(one.ran.label), escaped(one.why), f"{one.ran.took_s:.0f} s", report)
        yield f"| {SYMBOLS[one.verdict]} {one.verdict} | {' | '.join(cells)} |"
    yield ""


def _linked(one: Outcome, link: str) -> str:
    # A run directory's name is ours: letters, digits and hyphens.
    return f"[{one.ran.run}]({link.replace('{run}', one.ran.run)})" if link else one.ran.run


def _not_run(suite: SuiteOutcome) -> Iterator[str]:
    for one in suite.not_run:
        red = ", though red the last time" * one.was_red
        yield f"- Not run{red}: {escaped(one.label)}: {escaped(one.why)}."


def junit(suite: SuiteOutcome) -> bytes:
    """junit.xml: one case a trial. FAIL is a failure, INCONCLUSIVE an error, as in a trial's own; not run: skipped."""
    verdicts = [one.verdict for one in suite.outcomes]
    totals = {
        "tests": str(len(verdicts) + len(suite.not_run)),
        "failures": str(verdicts.count(Verdict.FAIL)),
        "errors": str(verdicts.count(Verdict.INCONCLUSIVE)),
        "skipped": str(len(suite.not_run)),
        "time": f"{sum(one.ran.took_s for one in suite.outcomes):.1f}",
    }
    root = ElementTree.Element("testsuites", {"name": "harness", **totals})
    element = ElementTree.SubElement(root, "testsuite", {"name": clean(suite.name), **totals})
    for one in suite.outcomes:
        named = {"classname": clean(suite.name), "name": clean(one.ran.label), "time": f"{one.ran.took_s:.1f}"}
        case = ElementTree.SubElement(element, "testcase", named)
        if one.verdict in _TAGS:
            headline = one.row.rule if one.row and one.row.rule else "no_verdict"
            told = {"type": clean(headline), "message": clean(one.why)}
            ElementTree.SubElement(case, _TAGS[one.verdict], told).text = clean(
                f"run {one.ran.run or 'none'}; {one.since}"
            )
    for left in suite.not_run:
        named = {"classname": clean(suite.name), "name": clean(left.label), "time": "0"}
        ElementTree.SubElement(
            ElementTree.SubElement(element, "testcase", named), "skipped", {"message": clean(left.why)}
        )
    ElementTree.indent(root)
    return f'<?xml version="1.0" encoding="utf-8"?>\n{ElementTree.tostring(root, encoding="unicode")}\n'.encode()
