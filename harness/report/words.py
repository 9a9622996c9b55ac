"""Every word a reader meets, in one place, so that terminal, page and CI summary say the same.

Numbers carry their unit, a check is first named by the question it answers, and an edge of the chain by
what happened there. `verdict_sentence` and `checks_table` are also the command line's.

Text from evidence may hold anything, terminal escapes too: `plain` makes one printable line of it.

Not covered: other languages than English.
"""

from __future__ import annotations

import math
import re
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from harness.clock import NS_PER_S
from harness.evidence.finding import Finding, Findings, Instant, Verdict, merge

TABLE_COLUMNS_MAX: Final = 110
LIST_SHOWN_MAX: Final = 12  # values of one measured list that are printed; findings.json has all

_ANSI: Final = {Verdict.PASS: "\x1b[1;32m", Verdict.INCONCLUSIVE: "\x1b[1;33m", Verdict.FAIL: "\x1b[1;31m"}
_ANSI_END: Final = "\x1b[0m"

VERDICTS: Final = {
    Verdict.PASS: "Everything that was asked is proven by recorded evidence.",
    Verdict.INCONCLUSIVE: "The evidence proves it neither way. Treat it as not passed: mend the cause and repeat it.",
    Verdict.FAIL: "The evidence proves that something did not do what it must.",
}
SYMBOLS: Final = {Verdict.PASS: "✓", Verdict.INCONCLUSIVE: "?", Verdict.FAIL: "✗"}


@dataclass(frozen=True, slots=True)
class CheckWords:
    """One check: its topic, the question it answers, what its FAIL means, what its INCONCLUSIVE leaves open."""

    topic: str
    question: str
    failed: str
    open: str


SELF_CHECK: Final = "self_check"
CHECKS: Final[Mapping[str, CheckWords]] = {
    "evidence": CheckWords(
        "the evidence itself",
        "Is the recorded evidence whole?",
        "the recorded evidence contradicts itself",
        "the recorded evidence is not whole",
    ),
    "generator": CheckWords(
        "the load itself",
        "Was the load real: sent as planned and on time?",
        "the load was not sent as planned",
        "it is not certain that the load was sent as planned",
    ),
    "baseline": CheckWords(
        "the service before the fault",
        "Was the service well before the fault?",
        "the service was not well even before the fault",
        "it is not certain that the service was well before the fault",
    ),
    "fault": CheckWords(
        "the fault's reach",
        "Did the fault reach the canary, as strong as planned, and nothing else?",
        "the fault did not do what the experiment says",
        "it is not certain that the fault reached the canary as planned",
    ),
    "split": CheckWords(
        "measured share against weight",
        "Did the traffic follow the configured weight?",
        "the traffic did not follow the configured weight",
        "it is not certain that the traffic followed the configured weight",
    ),
    "alert": CheckWords(
        "the alerts",
        "Did the right alerts fire in time, and no wrong one?",
        "the alerts did not do what they must",
        "it is not certain that the alerts did what they must",
    ),
    "rollback": CheckWords(
        "how the rollout ended",
        "Did the rollout end as it must, in time and for the right reason?",
        "the rollout did not end as it must",
        "it is not certain that the rollout ended as it must",
    ),
    "requests": CheckWords(
        "lost and slowed requests",
        "Which requests were lost or slowed, and is every one accounted for?",
        "requests were lost that must not be lost",
        "it is not certain which requests were lost",
    ),
    "data_loss": CheckWords(
        "stored data",
        "Is every acknowledged write there, once and unchanged?",
        "the stored data is not what the service had acknowledged",
        "it is not certain that every acknowledged write is still there",
    ),
    "recovery": CheckWords(
        "the service afterwards",
        "Did the service get well again, and stay well?",
        "the service did not get well again",
        "it is not certain that the service got well again",
    ),
    "cleanup": CheckWords(
        "what was left behind",
        "Is everything as it was before the trial?",
        "the trial left something behind",
        "it is not certain that nothing was left behind",
    ),
    SELF_CHECK: CheckWords(
        "the judgement itself",
        "Does this judgement go red when its evidence is spoilt?",
        "the judgement did not see spoilt evidence",
        "the judgement did not see spoilt evidence, so its PASS proves nothing",
    ),
}


@dataclass(frozen=True, slots=True)
class EdgeWords:
    """One edge of the chain: a short label for the drawing, and what happened there, to `{broken}` where it says so."""

    label: str
    meaning: str


EDGES: Final[Mapping[str, EdgeWords]] = {
    "fault_on": EdgeWords("fault on", "The fault was switched on in {broken}."),
    "first_faulted_response": EdgeWords("first bad answer", "A client got the first answer spoiled by the fault."),
    "alert_pending": EdgeWords("alert pending", "Prometheus saw the alert's condition, and waited to be sure."),
    "alert_firing": EdgeWords("alert fires", "The alert was raised."),
    "notified": EdgeWords("notified", "Alertmanager told its receivers."),
    "decided": EdgeWords("decided", "The rollout controller decided to roll back, or to go no further."),
    "weight_zero_status": EdgeWords("0 % in status", "The controller's own status said 0 % for the canary."),
    "weight_zero_route": EdgeWords("0 % in router", "The router's live configuration said 0 % for the canary."),
    "shifted": EdgeWords("last request", "The last request was sent to the canary."),
    "drained": EdgeWords("last answer", "The canary answered its last request."),
    "team_notified": EdgeWords("team told", "The team was told version, reason and outcome."),
    "clean": EdgeWords("well again", "The first of ten good seconds in a row began."),
}


@dataclass(frozen=True, slots=True)
class DurationWords:
    """One duration: its label, between which instants, the key of `expect` that limits it ("" for none), and the edge
    of the chain that it begins with."""

    label: str
    between: str
    limit: str
    first: str


DURATIONS: Final[Mapping[str, DurationWords]] = {
    "detect": DurationWords("Detect", "first bad answer → alert fires", "detect_s_max", "first_faulted_response"),
    "react": DurationWords("React", "alert fires → rollout controller decides", "", "alert_firing"),
    "shift": DurationWords(
        "Shift", "first bad answer → last request sent to the canary", "shifted_s_max", "first_faulted_response"
    ),
    "drain": DurationWords("Drain", "last request to the canary → its last answer", "drained_s_max", "shifted"),
    "recover": DurationWords("Recover", "first bad answer → service well again", "", "first_faulted_response"),
}

_LIMITS: Final = ("detect_s_max", "shifted_s_max", "drained_s_max")

# What a measured name may end in after its unit, then unit -> (text, factor). Shares are shown in percent: that is how
# experiments speak of them.
_QUALIFIERS: Final = re.compile(r"(_(max|min|lo|hi|detectable))+$")
_UNITS: Final[Mapping[str, tuple[str, float]]] = {
    "ns": (" s", 1 / NS_PER_S),
    "ms": (" ms", 1.0),
    "s": (" s", 1.0),
    "rps": (" requests/s", 1.0),
    "percent": (" %", 1.0),
    "points": (" points", 1.0),
    "share": (" %", 100.0),
    "ratio": (" %", 100.0),
    "rate": (" %", 100.0),
}


def plain(text: object, length_max: int = 400) -> str:
    """One printable line of any text: white space folded, control characters as `\\xNN`, cut with an ellipsis."""
    line = " ".join(str(text).split())
    shown = "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in line)
    return shown if len(shown) <= length_max else shown[: length_max - 1] + "…"


def number(value: float) -> str:
    """A number for a reader: thousands with a comma, at most three digits that matter after the point."""
    if math.isfinite(value) and value == int(value):
        return f"{int(value):,}"
    return f"{value:,.2f}" if abs(value) >= 1 else f"{value:.3g}"


def seconds(low_s: float, high_s: float, digits: int = 2) -> str:
    """`3.21 s`, or `3.21 to 3.34 s` where the interval shows at that many decimals."""
    # The sum turns the -0.0 that rounding may leave into 0.0.
    low, high = (f"{round(value, digits) + 0.0:.{digits}f}" for value in (low_s, high_s))
    return f"{low} s" if low == high else f"{low} to {high} s"


def measured_value(name: str, value: Any) -> str:
    """A measured value with the unit that its name ends in."""
    if isinstance(value, list | tuple):
        shown = ", ".join(measured_value(name, item) for item in value[:LIST_SHOWN_MAX])
        rest = len(value) - LIST_SHOWN_MAX
        return f"{shown} and {rest} more" if rest > 0 else shown or "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None:
        return "not known"
    if not isinstance(value, int | float):
        return plain(value)
    unit, factor = _UNITS.get(_QUALIFIERS.sub("", name).rpartition("_")[2], ("", 1.0))
    return f"{number(value * factor)}{unit}"


def anchor(check: str) -> str:
    """The fragment of a check's row on the page."""
    return "check-" + "".join(char if char.isalnum() else "-" for char in check)


def check_words(check: str) -> CheckWords:
    """The words of a check; of one this version does not know, made from its name."""
    fallback = CheckWords("", "", f"the check {plain(check)} does not hold", f"the check {plain(check)} has no answer")
    return CHECKS.get(check, fallback)


def not_asked(findings: Findings) -> str:
    """What the verdict says nothing about: what target or experiment leave out, and what the judge has no check for."""
    answered = {check.id for check in findings.checks}
    spoken = {*answered, *findings.not_asked, SELF_CHECK}  # the self-check tries a PASS, it asks nothing of the trial
    absent = [name for name in CHECKS if name not in spoken]
    parts = []
    if findings.not_asked:
        parts.append(f"Left out by the experiment or its target: {_named(findings.not_asked)}.")
    if absent:
        parts.append(f"Not judged on its own here: {_named(absent)}.")
    if not parts:
        return "Nothing was left out: every check was asked."
    return f"{' '.join(parts)} The verdict says nothing about {'it' if _is_one(findings, absent) else 'them'}."


def _is_one(findings: Findings, absent: Sequence[str]) -> bool:
    return len(findings.not_asked) + len(absent) == 1


def _named(checks: Sequence[str]) -> str:
    return ", ".join(f"{plain(check)} ({CHECKS[check].topic})" if check in CHECKS else plain(check) for check in checks)


def self_check(findings: Findings) -> str:
    """How a PASS was tried on changed copies of its own evidence; "" where there was no PASS to try."""
    tried = findings.self_check
    if tried is None:
        return ""
    return (
        f"Self-check: the evidence was spoilt on purpose in {tried.mutations_count} ways, one at a time, "
        f"and the judgement went red {tried.caught_count} of {tried.mutations_count} times."
    )


def tally(findings: Findings) -> str:
    """How many checks gave which answer, the red ones by name."""
    count = len(findings.checks)
    parts = []
    for verdict in sorted(Verdict, key=lambda each: each.rank):
        names = [plain(check.id, 40) for check in findings.checks if check.verdict is verdict]
        if names:
            said = "" if verdict is Verdict.PASS else f" ({', '.join(names)})"
            parts.append(f"{len(names)} {verdict}{said}")
    if not parts:
        return "No check has an answer."
    told = f"Of {count} check{'' if count == 1 else 's'}: {', '.join(parts)}."
    return f"{told} {self_check(findings)}".rstrip()


def expected(manifest: Mapping[str, Any]) -> str:
    """What the experiment expects, as one sentence; its limits count from the first bad answer."""
    expect = manifest.get("expect", {})
    required = ", ".join(plain(name) for name in expect.get("alerts_required", []))
    forbidden = ", ".join(plain(name) for name in expect.get("alerts_forbidden", []))
    parts = []
    if expect.get("outcome") == "rolled_back":
        detect, shifted, drained = (measured_value("_s", expect.get(name)) for name in _LIMITS)
        parts.append(f"the alert {required} fires within {detect} of the first bad answer")
        parts.append(f"the canary gets its last request within {shifted} of it")
        parts.append(f"answers it at most {drained} later")
    elif expect.get("outcome"):
        parts.append(f"the rollout ends {plain(expect['outcome']).replace('_', ' ')}")
        within = measured_value("_s", expect.get("detect_s_max"))
        parts += [f"the alert {required} fires within {within} of the first bad answer"] if required else []
    parts += [f"the alert {forbidden} stays silent"] if forbidden else []
    if "write_lost_count_max" in expect:
        count = expect["write_lost_count_max"]
        parts.append(
            "no acknowledged write is lost" if count == 0 else f"at most {count:,} acknowledged writes are lost"
        )
    return f"{_join(parts)}." if parts else "not recorded."


def limit_s(name: str, expect: Mapping[str, Any]) -> float | None:
    """The limit that the judge held a duration to: detection where an alert is required, the others in a rollback."""
    said = DURATIONS.get(name)
    asked = bool(expect.get("alerts_required")) if name == "detect" else expect.get("outcome") == "rolled_back"
    found = expect.get(said.limit) if said is not None and asked else None
    return float(found) if found is not None else None


def broken(fault: Mapping[str, Any] | None) -> str:
    """Which versions the fault was planned for; a manifest without `tracks` is of a fault in the canary."""
    tracks = (fault or {}).get("tracks") or ["canary"]
    return " and ".join("the canary" if track == "canary" else plain(track) for track in tracks)


def load_fact(load: Mapping[str, Any]) -> str:
    """The load in one line: profile, rate, seed and the mix."""
    if not load:
        return "not recorded"
    mix = ", ".join(
        f"{plain(kind['name'])} {number(100 * float(kind['share']))} %{' (writes)' if kind.get('writes') else ''}"
        for kind in load.get("kinds", [])
    )
    rate = number(float(load.get("rate_rps", 0)))
    head = f"profile {plain(load.get('profile', ''))}, {rate} requests/s, seed {plain(load.get('seed', ''))}"
    return f"{head}; mix: {mix}" if mix else head


def rolled_back(findings: Findings) -> bool:
    """Whether the chain shows a rollback; a decision alone may be one to hold."""
    return _known(findings, "weight_zero_route")


def verdict_sentence(findings: Findings) -> str:
    """The verdict as one plain sentence with its numbers, starting with the verdict word."""
    if findings.verdict is Verdict.PASS:
        return f"PASS: {_join(_pass_clauses(findings))}."
    words = check_words(headline_check(findings))
    if findings.verdict is Verdict.FAIL:
        return f"FAIL: {words.failed}."
    return f"INCONCLUSIVE: the trial proves neither success nor failure, because {words.open}."


def headline_check(findings: Findings) -> str:
    """The headline's check, or the first of the worst where a judge named none."""
    if findings.headline.check:
        return findings.headline.check
    worst = merge(check.verdict for check in findings.checks)
    return next((check.id for check in findings.checks if check.verdict is worst), "evidence")


def _known(findings: Findings, name: str) -> bool:
    instant = findings.chain.get(name)
    return instant is not None and instant.known


def _pass_clauses(findings: Findings) -> list[str]:
    """What a PASS has proven, only of checks that were asked."""
    passed = {check.id for check in findings.checks if check.verdict is Verdict.PASS}
    back = rolled_back(findings)
    clauses = []
    if "alert" in passed and _known(findings, "alert_firing"):
        clauses.append(
            _with_time("the alert fired", "{} after the first bad answer", findings.durations_s.get("detect"))
        )
    elif "alert" in passed:
        clauses.append("no canary alert fired")
    if "rollback" in passed and back:
        clauses.append(
            f"the canary got its last request {seconds(*shift)} after it"
            if (shift := findings.durations_s.get("shift"))
            else "all traffic is back on the stable version"
        )
    elif "rollback" in passed:
        clauses.append("the rollout ended as expected")
    if "data_loss" in passed:
        clauses.append("every acknowledged write is still there")
    return clauses or ["every check that was asked holds"]


def _with_time(clause: str, pattern: str, interval: tuple[float, float] | None) -> str:
    return f"{clause} {pattern.format(seconds(*interval))}" if interval else clause


def _join(clauses: Sequence[str]) -> str:
    if len(clauses) < 2:
        return "".join(clauses)
    return f"{', '.join(clauses[:-1])}, and {clauses[-1]}"


def relative(instant: Instant | None, zero_ns: int) -> str:
    """An edge in seconds after the zero, or why it is unknown."""
    if instant is None:
        return "not recorded"
    if not instant.known:
        return plain(instant.unknown)
    return seconds((instant.lo_ns - zero_ns) / NS_PER_S, (instant.hi_ns - zero_ns) / NS_PER_S)


def limit_word(interval: tuple[float, float], limit_s: float) -> str:
    """Where an interval stands to its limit: only a whole interval is inside or over."""
    low, high = interval
    if high <= limit_s:
        return "within the limit"
    return "over the limit" if low > limit_s else "not decided: the limit lies inside the interval"


def checks_table(findings: Findings, colour: bool = False) -> str:
    """The judgement as aligned plain text, at most 110 columns: sentence, cause, what was not asked, then the checks.

    `colour` puts ANSI colours around the verdict words; their width is not counted.
    """
    first, *more = _wrapped(verdict_sentence(findings), "", "  ")
    lines = [_coloured(first, findings.verdict, colour), *more]
    if findings.headline.says:
        headline = findings.headline
        lines += _wrapped(plain(f"cause: {headline.check} / {headline.rule}: {headline.says}"), "", "  ")
    lines += [*_wrapped(not_asked(findings), "", "  "), ""]
    name_width = max((len(plain(check.id)) for check in findings.checks), default=0)
    for check in findings.checks:
        lines += _check_lines(check, name_width, colour)
    if self_check(findings):
        lines += ["", *_wrapped(self_check(findings), "", "  ")]
    return "\n".join(lines) + "\n"


def _wrapped(text: str, first: str, rest: str) -> list[str]:
    return textwrap.wrap(text, TABLE_COLUMNS_MAX, initial_indent=first, subsequent_indent=rest)


def _check_lines(check: Finding, name_width: int, colour: bool) -> list[str]:
    head = f"{plain(check.id):<{name_width}}  {check.verdict:<12}  "
    first, *more = _wrapped(plain(check.summary) or "-", head, " " * len(head))
    return [_coloured(first, check.verdict, colour), *more]


def _coloured(line: str, verdict: Verdict, colour: bool) -> str:
    return line.replace(verdict, f"{_ANSI[verdict]}{verdict}{_ANSI_END}", 1) if colour else line
