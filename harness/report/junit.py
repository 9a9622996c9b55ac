"""junit.xml: one test suite a trial, one test case a check, so that CI systems show a drill like any test.

FAIL is a failure, INCONCLUSIVE an error (a CI run must not be green on it), a check that was not asked is skipped.
Times are 0 but for the suite's: a check takes no time of its own, the trial does.

Not covered: several trials in one file; a suite of trials has one file each.
"""

from __future__ import annotations

import re
from typing import Final
from xml.etree import ElementTree

from harness.clock import NS_PER_S
from harness.evidence.finding import Finding, Findings, Verdict
from harness.evidence.run import Evidence
from harness.report import words

_TAGS: Final = {Verdict.FAIL: "failure", Verdict.INCONCLUSIVE: "error"}
# What XML 1.0 cannot hold even as a character reference; an error text may carry any of it.
_FORBIDDEN: Final = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def xml(evidence: Evidence, findings: Findings) -> bytes:
    """The file as UTF-8 bytes with its declaration."""
    checked = {check.id for check in findings.checks}
    skipped = [item for item in findings.not_asked if item not in checked]
    verdicts = [check.verdict for check in findings.checks]
    totals = {
        "tests": str(len(findings.checks) + len(skipped)),
        "failures": str(verdicts.count(Verdict.FAIL)),
        "errors": str(verdicts.count(Verdict.INCONCLUSIVE)),
        "skipped": str(len(skipped)),
        "time": _lasted_s(evidence),
    }
    root = ElementTree.Element("testsuites", {"name": "harness", **totals})
    name = clean(f"{findings.experiment} on {findings.target}")
    suite = ElementTree.SubElement(root, "testsuite", {"name": name, **totals})
    _properties(suite, evidence, findings)
    for check in findings.checks:
        _case(suite, findings, check)
    for item in skipped:
        case = ElementTree.SubElement(suite, "testcase", _named(findings, item))
        ElementTree.SubElement(case, "skipped", {"message": "not asked by the experiment or its target"})
    ElementTree.indent(root)
    text = ElementTree.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="utf-8"?>\n{text}\n'.encode()


def _lasted_s(evidence: Evidence) -> str:
    times = [event.t_ns for event in evidence.events]
    return f"{(times[-1] - times[0]) / NS_PER_S if times else 0:.3f}"


def clean(text: object) -> str:
    """Any text without what XML cannot hold."""
    return _FORBIDDEN.sub("�", str(text))


def _named(findings: Findings, check: str) -> dict[str, str]:
    return {"classname": clean(findings.experiment), "name": clean(check), "time": "0"}


def _properties(suite: ElementTree.Element, evidence: Evidence, findings: Findings) -> None:
    properties = ElementTree.SubElement(suite, "properties")
    values = {
        "run_id": findings.run_id,
        "verdict": findings.verdict,
        "experiment": findings.experiment,
        "target": findings.target,
        "seed": evidence.manifest.get("load", {}).get("seed", ""),
        "command": evidence.manifest.get("command", ""),
    }
    for name, value in values.items():
        ElementTree.SubElement(properties, "property", {"name": name, "value": clean(value)})


def _case(suite: ElementTree.Element, findings: Findings, check: Finding) -> None:
    case = ElementTree.SubElement(suite, "testcase", _named(findings, check.id))
    tag = _TAGS.get(check.verdict)
    if tag:
        red = [rule for rule in check.rules if rule.verdict is not Verdict.PASS]
        kind = red[0].id if red else check.id
        problem = ElementTree.SubElement(case, tag, {"type": clean(kind), "message": clean(check.summary)})
        problem.text = clean("\n".join(f"{rule.verdict} {rule.id} ({rule.kind}): {rule.says}" for rule in red))
    measured = [f"{name}: {words.measured_value(name, value)}" for name, value in check.measured.items()]
    if measured:
        ElementTree.SubElement(case, "system-out").text = clean("\n".join(measured))
