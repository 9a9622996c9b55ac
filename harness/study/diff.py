"""Two runs side by side: what differs in what was run, which answers differ, and which durations surely do.

What was run is compared place by place through both manifests; what differs in any two runs (names, times, the
command) is left out. Two durations *overlap* when some value lies in both intervals: then the measurements do not
tell them apart. They are *apart* when none does; whether that is more than the chance of one trial each, only more
trials tell.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from harness.evidence import findings_file
from harness.evidence.finding import Findings, Rule
from harness.evidence.run import read_manifest
from harness.report import words
from harness.study.history import Interval

# What every two runs differ in, or what repeats another place: a file's hash changes with its document.
_OWN: Final = ("run_id", "opened_utc", "command", "control_of", "settings.run_dir", "settings.reports_dir")
_ABSENT: Final = "not there"
_VALUE_LETTERS_MAX: Final = 110


@dataclass(frozen=True, slots=True)
class Different:
    """One place in the manifests, or one check or rule in the findings, with both values as text."""

    place: str
    a: str
    b: str


@dataclass(frozen=True, slots=True)
class Duration:
    """One duration of both, in seconds; None where it was not measured. `standing`: overlap, apart or ""."""

    name: str
    a: Interval | None
    b: Interval | None
    standing: str


@dataclass(frozen=True, slots=True)
class Difference:
    """Everything that differs, and every duration."""

    a: str
    b: str
    verdicts: tuple[str, str]
    setup: tuple[Different, ...]
    answers: tuple[Different, ...]
    durations: tuple[Duration, ...]


def compare(a: Path, b: Path) -> Difference:
    """Two run directories. EvidenceError where one cannot be read or is not judged."""
    manifests = (read_manifest(a), read_manifest(b))
    findings = (findings_file.read(a / "findings.json"), findings_file.read(b / "findings.json"))
    return Difference(
        a=a.name,
        b=b.name,
        verdicts=(str(findings[0].verdict), str(findings[1].verdict)),
        setup=tuple(_different(_flat(manifests[0]), _flat(manifests[1]))),
        answers=tuple(_different(_answers(findings[0]), _answers(findings[1]))),
        durations=tuple(_durations(*findings)),
    )


def document(difference: Difference) -> dict[str, Any]:
    """The same as data for JSON."""
    return asdict(difference)


def text(difference: Difference) -> str:
    """For the terminal, ending in a newline."""
    return "\n".join(_lines(difference)) + "\n"


def _lines(difference: Difference) -> Iterator[str]:
    yield f"A  {difference.verdicts[0]:<12}  {difference.a}"
    yield f"B  {difference.verdicts[1]:<12}  {difference.b}"
    yield from ("", "What was run")
    yield from _listed(difference.setup, "  the same: versions, settings, components and all the rest")
    yield from ("", "Answers")
    yield from _listed(difference.answers, "  the same in every check and rule")
    yield from ("", "Durations")
    for each in difference.durations:
        sides = "  ".join(
            f"{side} {words.seconds(*interval) if interval else 'not measured'}"
            for side, interval in (("A", each.a), ("B", each.b))
        )
        yield f"  {each.name:<8} {sides}  {each.standing}".rstrip()
    if not difference.durations:
        yield "  none was measured in either"


def _listed(found: Sequence[Different], nothing: str) -> Iterator[str]:
    for one in found:
        yield f"  {one.place}"
        yield f"    A  {words.plain(one.a, _VALUE_LETTERS_MAX)}"
        yield f"    B  {words.plain(one.b, _VALUE_LETTERS_MAX)}"
    if not found:
        yield nothing


def _different(a: Mapping[str, str], b: Mapping[str, str]) -> Iterator[Different]:
    for place in [*a, *(place for place in b if place not in a)]:
        if a.get(place) != b.get(place):
            yield Different(place, a.get(place, _ABSENT), b.get(place, _ABSENT))


def _flat(manifest: Mapping[str, Any]) -> dict[str, str]:
    """Dotted place -> value as text."""
    found: dict[str, str] = {}

    def walk(value: object, place: str) -> None:
        if place in _OWN:
            return
        if isinstance(value, Mapping) and value:
            for key, inner in sorted(value.items()):
                walk(inner, f"{place}.{key}" if place else str(key))
        elif isinstance(value, list) and any(isinstance(item, Mapping) for item in value):
            for index, item in enumerate(value):
                walk(item, f"{place}.{index}")
        else:
            found[place] = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)

    walk(manifest, "")
    return found


def _answers(findings: Findings) -> dict[str, str]:
    """Check, and each of its rules -> verdict; a rule that is not PASS with its sentence: the reason may differ."""
    found = {"verdict": str(findings.verdict)}
    found["headline"] = "/".join(filter(None, (findings.headline.check, findings.headline.rule))) or "none"
    for check in findings.checks:
        found[check.id] = str(check.verdict)
        found.update({f"{check.id}/{rule.id}": _said(rule) for rule in check.rules})
    return found


def _said(rule: Rule) -> str:
    return str(rule.verdict) if rule.verdict == "PASS" else f"{rule.verdict}: {rule.says}"


def _durations(a: Findings, b: Findings) -> Iterator[Duration]:
    for name in [*a.durations_s, *(name for name in b.durations_s if name not in a.durations_s)]:
        first, second = a.durations_s.get(name), b.durations_s.get(name)
        standing = ""
        if first and second:
            standing = "overlap" if first[0] <= second[1] and second[0] <= first[1] else "apart"
        yield Duration(name, first, second, standing)
