"""What a verdict does not say: how little it could have seen, which timing and causes it leaves open, what is left out.

Every number is one that the judge measured, or a bound computed from a count that it measured. A *zero of n* excludes,
with 95 %, any rate that would have shown at least once in n: 1 - 0.05^(1/n).

Not covered: what no trial of the harness can see at all; docs/design.md has that list.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from harness.evidence.finding import Finding, Findings, Verdict
from harness.evidence.run import Evidence
from harness.report import words

GROUND = ("evidence", "generator", "baseline", "fault")


def unsaid(evidence: Evidence, findings: Findings) -> list[tuple[str, list[str]]]:
    """(topic, sentences) in the order of the page; a topic without a sentence is left out."""
    checks = {check.id: check for check in findings.checks}
    topics = (
        ("The smallest loss that it could have seen", _losses(evidence.manifest, checks)),
        ("The smallest share that it could have seen", _shares(checks)),
        ("Timing", _timing(evidence.manifest, findings)),
        ("Causes", _causes(evidence.manifest, findings)),
        ("What was not asked", _not_asked(findings)),
        ("What the load left out", _load(evidence.manifest)),
    )
    found = [(topic, [words.plain(sentence) for sentence in sentences]) for topic, sentences in topics]
    return [(topic, sentences) for topic, sentences in found if sentences]


def rate_detectable(count: int) -> float:
    """The rate that would have shown at least once in `count` with 95 %; 1 for none."""
    return 1.0 if count <= 0 else -math.expm1(math.log(0.05) / count)


def _percent(share: float) -> str:
    return f"{words.number(100 * share)} %"


def _number(check: Finding | None, name: str) -> float | None:
    value = check.measured.get(name) if check else None
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _holds(check: Finding | None, rule: str) -> bool:
    return check is not None and any(each.id == rule and each.verdict is Verdict.PASS for each in check.rules)


def _losses(manifest: Mapping[str, Any], checks: Mapping[str, Finding]) -> Iterator[str]:
    check = checks.get("data_loss")
    rate, count = _number(check, "loss_rate_detectable"), _number(check, "acked_canary_count")
    lost = sum(_number(check, f"{term}_count") or 0 for term in ("vanished", "unreadable", "mutated"))
    if rate is None:
        yield "Nothing is known of lost writes: the check data_loss has no number for it."
    elif lost:
        yield f"Lost writes were found: {words.number(lost)}. How many another trial would lose is not known from it."
    elif rate >= 1:
        yield "The canary acknowledged no write, so a loss of any size could have gone unseen."
    else:
        of = f"of the canary's {count:,.0f} acknowledged writes" if count is not None else "of the canary's writes"
        yield f"A loss of less than {_percent(rate)} {of} could have gone unseen; a larger one shows with 95 %."
    stable = _number(checks.get("requests"), "stable_answers_count")
    if stable and _holds(checks.get("requests"), "lost_on_stable"):
        share = _percent(rate_detectable(int(stable)))
        yield (
            f"Of stable's {stable:,.0f} answers none was lost without the fault's mark; a share of less than {share} "
            "could have gone unseen."
        )
    if not manifest.get("kit", {}).get("has_store", True):
        yield (
            "The store itself was not read: writes were looked for through two instances of stable, so one that it "
            "keeps and no instance gives, or that only it would show changed, is not seen. Order is not known."
        )
        yield "Metrics and rules were the drill's own, so nothing is proven of the alerts that this service has."
    if check is not None:
        yield (
            "Writes were looked for once, at the end: reads that were stale in between, and updates that overwrote "
            "each other, were not."
        )


def _shares(checks: Mapping[str, Finding]) -> Iterator[str]:
    split, rollback = checks.get("split"), checks.get("rollback")
    steps = split.measured.get("steps", []) if split else []
    points = split.measured.get("shift_detectable_points", []) if split else []
    for step, each in list(zip(steps, points, strict=False))[: words.LIST_SHOWN_MAX]:
        wrong = words.number(float(each))
        yield f"At the weight {step}, a share that is wrong by less than {wrong} points could have gone unseen."
    watched = _number(rollback, "watched_count")
    if watched and _holds(rollback, "traffic"):
        share = _percent(rate_detectable(int(watched)))
        yield (
            f"None of {watched:,.0f} requests after the last weight went to the wrong version; less than {share} of "
            "the traffic could still have gone there unseen."
        )


def _timing(manifest: Mapping[str, Any], findings: Findings) -> Iterator[str]:
    timing = manifest.get("timing", {})
    if timing.get("name"):
        often = [
            f"{said} every {words.number(float(timing[key]))} s"
            for key, said in (("scrape_s", "scraped"), ("evaluation_s", "evaluated"))
            if key in timing
        ]
        window = f", over a window of {words.number(float(timing['window_s']))} s" if "window_s" in timing else ""
        yield f"The rules ran in {timing['name']} timing: {', '.join(often) or 'intervals not recorded'}{window}."
    if timing.get("name") == "drill":
        yield (
            "In production timing the same rules look less often and over longer windows, so they fire later; how much "
            "later this trial does not prove."
        )
    if "detect" in findings.durations_s:
        yield "Each duration is that of one trial. Repeat it with other seeds before you promise a time."
    for name in findings.durations_s:
        if name not in findings.bounds_s and name == "detect":
            yield "How soon or late chance alone lets this alert fire was not computed for this rule and fault."


def _causes(manifest: Mapping[str, Any], findings: Findings) -> Iterator[str]:
    red = [check.id for check in findings.checks if check.verdict is not Verdict.PASS]
    headline = words.headline_check(findings)
    others = [name for name in red if name != headline]
    if findings.verdict is not Verdict.PASS and others:
        yield (
            f"The headline is the first of what is red, not all of it: {', '.join(others)} may follow from it or "
            "have a cause of their own."
        )
    shaky = [name for name in red if name in GROUND]
    if shaky:
        yield (
            f"Load, machine or harness are not excluded as the cause, because {', '.join(shaky)} "
            f"{'is' if len(shaky) == 1 else 'are'} not PASS."
        )
    fault = manifest.get("fault")
    if fault:
        share, weight = _percent(float(fault["share"])), manifest.get("fault_weight")
        yield (
            f"One fault was tried: {fault['kind']} on {share} of the answers, at the {weight} % step. Weaker, slower "
            "or other faults may go unseen by the same rules."
        )
    elif findings.verdict is Verdict.PASS:
        yield "Nothing was broken here, so whether an alert would fire and a rollback would work is not proven."
    host = manifest.get("host", {})
    if host.get("cpu_count"):
        yield (
            f"Load, service and monitoring shared one machine with {host['cpu_count']} CPUs: latencies and drain times "
            "are this machine's."
        )
    tried = findings.self_check
    if tried is not None and tried.skipped:
        named = ", ".join(tried.skipped[: words.LIST_SHOWN_MAX])
        more = len(tried.skipped) - words.LIST_SHOWN_MAX
        yield f"The self-check could not try {named}{f' and {more} more' if more > 0 else ''} on this evidence."


def _not_asked(findings: Findings) -> Iterator[str]:
    yield words.not_asked(findings)


def _load(manifest: Mapping[str, Any]) -> Iterator[str]:
    load = manifest.get("load", {})
    left = load.get("left_out", [])
    yield f"Declared as left out: {', '.join(map(str, left))}." if left else "Nothing is declared as left out."
    if load.get("profile"):
        yield (
            f"One profile at one rate: {load['profile']}, {words.number(float(load.get('rate_rps', 0)))} requests/s by "
            f"{load.get('users', 'an unknown number of')} users, seed {load.get('seed', 'not recorded')}."
        )
