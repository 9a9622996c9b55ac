"""report.html: one page that stands alone, for a reader who knows nothing of the harness yet.

The order is the reader's: verdict, who was hurt and cause, checks, what they do not say, chart, chain of events,
writes, what was run. The template
under page/ only places things; what they say is computed here and in the sibling modules. Everything from the
evidence goes through the template engine's escaping, and a content policy with the hashes of our own style and
script forbids whatever might still get through to load or run.

Size: details of a check, texts and lists are cut at stated lengths, so that a page stays below 950 kB whatever
the trial was; findings.json and the Parquet files have everything.

Not covered: pages that compare trials; they are a study's.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib import resources
from pathlib import PurePath
from typing import Any, Final

import jinja2
from markupsafe import Markup

from harness.clock import NS_PER_S
from harness.evidence.finding import Finding, Findings, Rule
from harness.evidence.format import Kind
from harness.evidence.run import Evidence
from harness.report import advice, chart, impact, ledger, seconds, sources, unsaid, waterfall, words
from harness.report.drawing import NARROW_PX, WIDE_PX
from harness.report.series import BINS_MAX

MEASURED_MAX: Final = 40  # measured values shown of one check
RULES_MAX: Final = 60
STEPS_MAX: Final = 12  # next steps shown of one check; no check has more rules
NAMES_MAX: Final = 5
NO_LIMIT: Final = "none"
PROBLEMS_MAX: Final = 20
SETTINGS_MAX: Final = 200
DESCRIPTION_LETTERS_MAX: Final = 800
COMMAND_LETTERS_MAX: Final = 1000


@dataclass(frozen=True, slots=True)
class CheckRow:
    """One check for the table: what it found, what to do about each red rule, and where the rows are."""

    finding: Finding
    words: words.CheckWords
    steps: Sequence[tuple[Rule, str]]
    measured: list[tuple[str, str]]
    source: sources.Source


@dataclass(frozen=True, slots=True)
class ChainRow:
    """One edge of the chain for the table."""

    place: int
    name: str
    label: str
    meaning: str
    known: bool
    when: str
    source: str
    bar: str = ""


@dataclass(frozen=True, slots=True)
class DurationRow:
    """One duration for the table, every cell as text."""

    name: str
    label: str
    between: str
    measured: str
    limit: str
    standing: str
    possible: str


def page(evidence: Evidence, findings: Findings) -> str:
    """The whole page."""
    drawing = chart.build(evidence, findings)
    book = ledger.build(evidence, findings, drawing.zero.t_ns)
    style, script = (Markup(asset(name)) for name in ("page.css", "page.js"))
    return _template().render(
        style=style,
        script=script,
        policy=policy(str(style), str(script)),
        words=words,
        evidence=evidence,
        **_spoken(evidence, findings),
        findings=findings,
        run_name=PurePath(evidence.run_dir).name,
        verdict=findings.verdict,
        sentence=words.verdict_sentence(findings).partition(": ")[2],
        tally=words.tally(findings),
        expected=words.expected(evidence.manifest),
        banners=[*_banners(evidence), *_foreign(findings)],
        hurt=impact.impact(evidence, book.gone).sentence,
        headline_check=words.headline_check(findings),
        next_step=_next_step(findings),
        checks=[_check_row(check, evidence) for check in findings.checks],
        rules_max=RULES_MAX,
        unsaid=unsaid.unsaid(evidence, findings),
        chart=drawing,
        wide=chart.draw(drawing, WIDE_PX, "wide"),
        narrow=chart.draw(drawing, NARROW_PX, "narrow"),
        seconds=list(seconds.rows(drawing)),
        heads=seconds.HEADS,
        bins_max=BINS_MAX,
        **_waterfall(evidence, findings, drawing),
        chain=_with_bars(chain_rows(evidence, findings, drawing.zero.t_ns), drawing.marks),
        chain_known=bool(drawing.marks),
        chain_unknown=_unknown_chain(findings),
        durations=duration_rows(evidence, findings),
        ledger=book,
        facts=_facts(evidence),
        groups=_groups(evidence.manifest),
        settings=_settings(evidence.manifest),
        problems=[words.plain(problem) for problem in evidence.problems[:PROBLEMS_MAX]],
        problems_more=max(len(evidence.problems) - PROBLEMS_MAX, 0),
    )


def _spoken(evidence: Evidence, findings: Findings) -> dict[str, Any]:
    """What the head of the page says of the manifest; a manifest may lack any of it."""
    manifest = evidence.manifest
    experiment, versions = manifest.get("experiment", {}), manifest.get("versions", {})
    return {
        "title": words.plain(experiment.get("title") or findings.experiment),
        "description": words.plain(experiment.get("document", {}).get("description", ""), DESCRIPTION_LETTERS_MAX),
        "versions": {
            track: f" ({words.plain(versions[track])})" if track in versions else "" for track in ("stable", "canary")
        },
        "fault": manifest.get("fault"),
        "command": words.plain(manifest.get("command", ""), COMMAND_LETTERS_MAX),
    }


@cache
def asset(name: str) -> str:
    """A file of page/."""
    return resources.files("harness.report").joinpath("page", name).read_text(encoding="utf-8")


@cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.from_string(asset("page.html"))


def policy(style: str, script: str = "") -> str:
    """A content policy under which nothing loads and only our own style and script count, or no script at all."""
    hashes = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in (style, script)]
    script_source = f"'sha256-{hashes[1]}'" if script else "'none'"
    return f"default-src 'none'; style-src 'sha256-{hashes[0]}'; script-src {script_source}; base-uri 'none'"


def _banners(evidence: Evidence) -> Iterator[tuple[str, str]]:
    """(heading, text) of what a reader must know before the verdict."""
    plant = evidence.manifest.get("plant", "")
    if plant:
        yield (
            f"Planted defect: {words.plain(plant)}",
            "A defect was put in on purpose, to see whether the harness finds it. "
            "The verdict tests the harness and says nothing about the release.",
        )
    if not evidence.complete:
        why = [words.plain(event.data.get("why", "")) for event in evidence.of(Kind.INTERRUPTED, Kind.GUARD_FINISHING)]
        said = f" Recorded reason: {why[0]}." if why else ""
        yield "The trial was cut short", f"Its evidence ends early, so it cannot pass.{said}"
    errors = evidence.of(Kind.ERROR)
    if errors:
        first = errors[0].data
        what = f"{words.plain(first.get('where', ''))}: {words.plain(first.get('message', ''))}"
        yield "A part of the harness failed", f"{len(errors)} recorded; the first: {what}"


def _foreign(findings: Findings) -> Iterator[tuple[str, str]]:
    """What there is to know of findings that another version of the judge made."""
    strange = [
        f"{words.plain(check.id, 40)}/{words.plain(rule.id, 40)}"
        for check in findings.checks
        for rule in check.rules
        if not advice.is_known(check.id, rule.id)
    ]
    spoken = {*(check.id for check in findings.checks), *findings.not_asked}
    absent = [name for name in advice.STEPS if name not in spoken]
    parts = [f"It names rules that this version does not know: {_some(strange)}."] if strange else []
    parts += [f"It has no answer to checks that this version asks: {_some(absent)}."] if absent else []
    if parts:
        yield (
            "The findings were made by another version of the judge",
            f"{' '.join(parts)} To have judge and page of one version, run harness judge on this directory again.",
        )


def _some(names: Sequence[str]) -> str:
    more = len(names) - NAMES_MAX
    return f"{', '.join(names[:NAMES_MAX])}{f' and {more} more' if more > 0 else ''}"


def _next_step(findings: Findings) -> str:
    """What to do about the headline; "" where there is nothing to do."""
    rule = findings.headline.rule
    return advice.next_step(words.headline_check(findings), rule) if rule else ""


def _check_row(check: Finding, evidence: Evidence) -> CheckRow:
    return CheckRow(
        finding=check,
        words=words.check_words(check.id),
        steps=advice.of_check(check)[:STEPS_MAX],
        measured=_measured(check),
        source=sources.source(check, evidence),
    )


def _waterfall(evidence: Evidence, findings: Findings, drawing: chart.Chart) -> dict[str, Any]:
    rows = waterfall.bars(findings, evidence.manifest.get("expect", {}), drawing.zero.t_ns)
    return {
        "fall_wide": waterfall.draw(rows, drawing.marks, WIDE_PX, "fall-wide"),
        "fall_narrow": waterfall.draw(rows, drawing.marks, NARROW_PX, "fall-narrow"),
        "chance_known": any(row.best_s is not None for row in rows),
    }


def _measured(check: Finding) -> list[tuple[str, str]]:
    items = list(check.measured.items())
    shown = [(words.plain(name, 80), words.measured_value(name, value)) for name, value in items[:MEASURED_MAX]]
    rest = len(items) - MEASURED_MAX
    return [*shown, ("more", f"{rest} more in findings.json")] if rest > 0 else shown


def chain_rows(evidence: Evidence, findings: Findings, zero_ns: int) -> Iterator[ChainRow]:
    """The chain in the judge's order, with seconds after zero or the reason why an edge is unknown."""
    broken = words.broken(evidence.manifest.get("fault"))
    for place, (name, instant) in enumerate(findings.chain.items(), 1):
        said = words.EDGES.get(name, words.EdgeWords(name, ""))
        yield ChainRow(
            place=place,
            name=name,
            label=words.plain(said.label),
            meaning=said.meaning.format(broken=broken),
            known=instant.known,
            when=words.relative(instant, zero_ns),
            source=words.plain(instant.source),
        )


def _with_bars(rows: Iterator[ChainRow], marks: Sequence[chart.Mark]) -> list[ChainRow]:
    """Each known edge with its bar, on one scale from the first to the last known edge."""
    first_s = min((mark.from_s for mark in marks), default=0.0)
    last_s = max((mark.to_s for mark in marks), default=0.0)
    bars = {mark.place: chart.bar(mark, first_s, last_s) for mark in marks}
    return [replace(row, bar=bars.get(row.place, "")) for row in rows]


def _unknown_chain(findings: Findings) -> str:
    """Why no edge is known, each reason once."""
    reasons = dict.fromkeys(words.plain(instant.unknown) for instant in findings.chain.values() if not instant.known)
    return f"No event of the chain is known: {'; '.join(reasons) or 'none was looked for'}."


def duration_rows(evidence: Evidence, findings: Findings) -> list[DurationRow]:
    """Every duration beside its limit; none at all where nothing was measured and nothing limited."""
    expect = evidence.manifest.get("expect", {})
    names = [*words.DURATIONS, *(name for name in findings.durations_s if name not in words.DURATIONS)]
    rows = [_duration_row(name, findings, expect) for name in names]
    shown = bool(findings.durations_s) or any(row.limit != NO_LIMIT for row in rows)
    return rows if shown else []


def _duration_row(name: str, findings: Findings, expect: Mapping[str, Any]) -> DurationRow:
    said = words.DURATIONS.get(name, words.DurationWords(name, "", "", ""))
    measured, bounds = findings.durations_s.get(name), findings.bounds_s.get(name)
    limit_s = words.limit_s(name, expect)
    return DurationRow(
        name=name,
        label=words.plain(said.label),
        between=said.between,
        measured=words.seconds(*measured) if measured else "not measured",
        limit=f"{words.number(limit_s)} s" if limit_s is not None else NO_LIMIT,
        standing=words.limit_word(measured, limit_s) if measured and limit_s is not None else "",
        possible=words.seconds(*bounds) if bounds else "",
    )


def _facts(evidence: Evidence) -> list[tuple[str, str]]:
    """What was run, in short: label and value."""
    manifest = evidence.manifest
    load, experiment, target = (manifest.get(name, {}) for name in ("load", "experiment", "target"))
    rollout, fault = manifest.get("rollout", {}), manifest.get("fault")
    events_ns = [event.t_ns for event in evidence.events]
    lasted = f"{(events_ns[-1] - events_ns[0]) / NS_PER_S:.0f} s" if events_ns else "not recorded"
    steps = ", ".join(f"{step} %" for step in rollout.get("steps", []))
    return [
        ("Run", f"{words.plain(manifest.get('run_id', ''))}, opened {words.plain(manifest.get('opened_utc', ''))}"),
        ("Lasted", lasted),
        ("Experiment", _file_fact(experiment, "title")),
        ("Target", _file_fact(target, "name")),
        ("Versions", _versions(manifest)),
        ("Rollout", f"{steps}, each held {rollout.get('step_s', '?')} s" if steps else "the controller's own steps"),
        ("Fault", _fault_fact(fault, manifest.get("fault_weight"))),
        ("Load", words.load_fact(load)),
        ("Left out of the load", ", ".join(words.plain(item) for item in load.get("left_out", [])) or "nothing"),
        ("Harness", f"version {words.plain(manifest.get('harness_version', ''))}"),
    ]


def _file_fact(part: Mapping[str, Any], name: str) -> str:
    return (
        f"{words.plain(part.get(name, ''))} ({words.plain(part.get('path', ''))}, "
        f"sha256 {words.plain(part.get('sha256', ''))[:12]})"
    )


def _versions(manifest: Mapping[str, Any]) -> str:
    versions = manifest.get("versions", {})
    return f"stable {words.plain(versions.get('stable', '?'))}, canary {words.plain(versions.get('canary', '?'))}"


def _fault_fact(fault: Mapping[str, Any] | None, weight: object) -> str:
    if not fault:
        return "none: nothing was broken"
    share = f"{words.number(100 * float(fault['share']))} % of the answers of {words.broken(fault)}"
    extra = "".join(f", {name} {words.plain(value)}" for name, value in sorted((fault.get("arguments") or {}).items()))
    return (
        f"{words.plain(fault['kind'])} on {share}{extra}, at the {weight} % step, "
        f"ends by itself after {words.number(float(fault['deadline_s']))} s"
    )


def _groups(manifest: Mapping[str, Any]) -> list[tuple[str, list[tuple[str, str]]]]:
    """Lists of names and values that are shown as they stand in the manifest."""
    wanted = (
        ("Components", "components"),
        ("Host", "host"),
        ("Timing of scrapes and rules", "timing"),
        ("Durability of the store", "durability"),
        ("Response headers", "headers"),
    )
    return [(title, _pairs(manifest.get(key, {}))) for title, key in wanted if manifest.get(key)]


def _pairs(values: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [(words.plain(name), _flat(value)) for name, value in sorted(values.items())[:SETTINGS_MAX]]


def _flat(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value, sort_keys=True, ensure_ascii=False)
    return words.plain(text)


def _settings(manifest: Mapping[str, Any]) -> Sequence[tuple[str, str, str]]:
    settings = sorted(manifest.get("settings", {}).items())[:SETTINGS_MAX]
    return [
        (words.plain(name), _flat(entry.get("value")), words.plain(entry.get("origin", ""))) for name, entry in settings
    ]
