"""findings.json: one trial's judgement as a file. Deterministic: equal findings give equal bytes.

    {"format": "harness/findings/1", "run_id", "experiment", "target", "verdict",
     "headline": {"check", "rule", "says"}, "not_asked": [],
     "checks": [{"id", "verdict", "summary", "rules": [{"id", "kind", "verdict", "says"}], "measured": {}}],
     "chain": {name: {"lo_ns", "hi_ns", "source"} | {"unknown": why}},
     "durations_s": {name: [lo, hi]}, "bounds_s": {name: [best, worst]},
     "self_check": {"mutations": n, "caught": n, "missed": [], "skipped": []}}   only where the judge said PASS

Keys are sorted, floats have nine digits that matter (a nanosecond in a second; more would be noise of the
arithmetic), the file ends with a line end and is written whole, then renamed into place. Not sealed: it
lies beside the evidence and may be written again by a better judge.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from harness.errors import EvidenceError
from harness.evidence.finding import (
    CHAIN,
    Finding,
    Findings,
    Headline,
    Instant,
    Rule,
    RuleKind,
    SelfCheckCount,
    Verdict,
)
from harness.evidence.format import FINDINGS_FORMAT

FLOAT_DIGITS: Final = 9


def encode(findings: Findings) -> bytes:
    """The file's content. ValueError for a NaN or an infinity, TypeError for a measured value that JSON has not."""
    text = json.dumps(_rounded(_document(findings)), indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False)
    return text.encode() + b"\n"


def write(path: Path, findings: Findings) -> None:
    """Write it whole or not at all; OSError where the folder cannot be written."""
    partial = path.with_suffix(".partial")
    with partial.open("wb") as file:
        file.write(encode(findings))
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


def read(path: Path) -> Findings:
    """The findings of a file. EvidenceError says what is wrong with it."""
    try:
        document = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise EvidenceError(f"{path}: {error}: run `harness judge {path.parent}` to write it again") from error
    found = document.get("format") if isinstance(document, dict) else None
    if found != FINDINGS_FORMAT:
        raise EvidenceError(f"{path}: format is {found!r}; this version reads {FINDINGS_FORMAT!r}: judge the run again")
    try:
        return _findings(document)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise EvidenceError(f"{path}: {type(error).__name__}: {error}: judge the run again to write it new") from error


def _document(findings: Findings) -> dict[str, Any]:
    return {
        "format": FINDINGS_FORMAT,
        "run_id": findings.run_id,
        "experiment": findings.experiment,
        "target": findings.target,
        "verdict": str(findings.verdict),
        "headline": {
            "check": findings.headline.check,
            "rule": findings.headline.rule,
            "says": findings.headline.says,
        },
        "not_asked": list(findings.not_asked),
        "checks": [_check_document(check) for check in findings.checks],
        "chain": {name: _instant_document(instant) for name, instant in findings.chain.items()},
        "durations_s": {name: list(interval) for name, interval in findings.durations_s.items()},
        "bounds_s": {name: list(interval) for name, interval in findings.bounds_s.items()},
        **_self_check_document(findings.self_check),
    }


def _self_check_document(count: SelfCheckCount | None) -> dict[str, Any]:
    if count is None:
        return {}
    document = {
        "mutations": count.mutations_count,
        "caught": count.caught_count,
        "missed": list(count.missed),
        "skipped": list(count.skipped),
    }
    return {"self_check": document}


def _check_document(check: Finding) -> dict[str, Any]:
    rules = [
        {"id": rule.id, "kind": str(rule.kind), "verdict": str(rule.verdict), "says": rule.says} for rule in check.rules
    ]
    return {
        "id": check.id,
        "verdict": str(check.verdict),
        "summary": check.summary,
        "rules": rules,
        "measured": dict(check.measured),
    }


def _instant_document(instant: Instant) -> dict[str, Any]:
    if not instant.known:
        return {"unknown": instant.unknown}
    return {"lo_ns": instant.lo_ns, "hi_ns": instant.hi_ns, "source": instant.source}


def _rounded(value: Any) -> Any:
    """Floats cut to FLOAT_DIGITS, everywhere inside."""
    if isinstance(value, float):
        return float(f"{value:.{FLOAT_DIGITS}g}")
    if isinstance(value, Mapping):
        return {name: _rounded(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(item) for item in value]
    return value


def _findings(document: Mapping[str, Any]) -> Findings:
    headline = document["headline"]
    # The file's keys are sorted; the chain has an order of its own, and edges unknown here keep their place at the end.
    order = {name: place for place, name in enumerate(CHAIN)}
    chain = sorted(document["chain"].items(), key=lambda item: (order.get(item[0], len(order)), item[0]))
    return Findings(
        run_id=document["run_id"],
        experiment=document["experiment"],
        target=document["target"],
        verdict=Verdict(document["verdict"]),
        headline=Headline(headline["check"], headline["rule"], headline["says"]),
        not_asked=tuple(document["not_asked"]),
        checks=tuple(_check(check) for check in document["checks"]),
        chain={name: Instant(**instant) for name, instant in chain},
        durations_s={name: (float(low), float(high)) for name, (low, high) in document["durations_s"].items()},
        bounds_s={name: (float(low), float(high)) for name, (low, high) in document["bounds_s"].items()},
        self_check=_self_check(document["self_check"]) if "self_check" in document else None,
    )


def _self_check(document: Mapping[str, Any]) -> SelfCheckCount:
    return SelfCheckCount(
        mutations_count=int(document["mutations"]),
        caught_count=int(document["caught"]),
        missed=tuple(document["missed"]),
        skipped=tuple(document["skipped"]),
    )


def _check(document: Mapping[str, Any]) -> Finding:
    rules = tuple(
        Rule(rule["id"], RuleKind(rule["kind"]), Verdict(rule["verdict"]), rule["says"]) for rule in document["rules"]
    )
    return Finding(document["id"], Verdict(document["verdict"]), document["summary"], rules, document["measured"])
