"""Alert and recording rules of PortTrack, both timings rendered from one source.

The rendered files are committed under charts/porttrack/rules, where the Helm chart picks one by
`.Files.Get`; the local stack runs the same text, and a test renders them again and compares. So the rules
that a drill proves are the rules that are shipped.

    python -m harness.drive.stack.rules --write     writes both files

    CanaryErrorRatioHigh     over 5 % of the canary's answers are 5xx            action: rollback
    CanaryLatencyHigh        over 25 % of them took more than 0.25 s                      rollback
    CanaryDown               no metrics of the canary, while the router sends it work     rollback
    CanaryCpuSaturated       over 0.85 of a core                                          rollback
    CanaryMemorySaturated    over 256 MiB resident, and growing                           rollback
    ServiceErrorRatioHigh    over 5 % of STABLE's answers are 5xx                         hold
    Watchdog                 always: the way from a rule to a receiver is open            none

The share rules have three clauses: the share over the window, AND a least count (2 errors of 30 requests are
already 7 %), AND over 3 times stable's share (a fault in what both have is not the canary's). Stable
without traffic has no share (absent, or 0/0); it counts as 0 there, so a canary at 100 % is still judged.

Counts. `increase` stretches what lies between the first and last sample of the window to its edges, by
5/4 when five scrapes lie in it and less for a counter that was 0 before. So 3 errors never read less than
3.0, and 2 read 2.5 at most on time, 2.503 when a scrape is 5 ms late, 2.9 only when one is 0.55 s late (the
tests show these by promtool). The guard `> 2.5` that stood here meant 2 errors on a busy machine, and 2 give
0.12 % false alarms a step of 15 s where 3 give 0.001 % (6 canary requests/s, 0.1 % background errors). Hence
`> 2.9`. Of slow answers 4 read 5.0 and 5 read 6.25: `> 5.6`, half-way, since no limit parts them whatever a
scrape does.

Five scrapes a window: four gave 1 to 5 % false alarms a step, ten answered a second later. Fault to webhook: p95
3.6 s at 30 canary requests/s (measured), 5.7 s at 6 (played, harness.evidence.bounds). Slow is counted and not
read from a quantile: a p95 of the few requests in a window is over 0.25 s as soon as one in twenty is, by
chance in 0.6 % of windows.

Recording and alert rules stand in ONE group: a group is evaluated in order within one instant, while two
groups have phases of their own (+0.55 s measured).

`track` comes from the scrape configuration, `version` from the service's own metric. What has no version
(a process's CPU) or none any more (a canary that is down) takes it from a series that keeps what was seen
last. ServiceErrorRatioHigh watches stable, not the sum: a sum would also fire for a broken canary that has
enough traffic. `router_requests_total{track}` is what the router sent to a track, whatever became of it;
each router's scrape renames its own counter to that (stack.prometheus_config).

Not covered: requests that never end (they are in no histogram), one instance of several that is down, a canary
that is down together with stable (then the host or Prometheus is ill, and no version of it).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import click
import yaml

from harness.plan.validate import nearest


@dataclass(frozen=True, slots=True)
class ShareRule:
    """A rule on a share of the canary's answers, in the words of harness.evidence.bounds.

    `share_over`: fires above it. `count_min`: so many in the window at least. `times_stable`: and above so many times
    stable's share. `increase_over` is how `count_min` is written, see the module's docstring. `was_nought`: what is
    counted was 0 before a fault, which `increase` minds; slow answers are a difference of two counters that were not.
    """

    share_over: float
    count_min: int
    times_stable: int
    increase_over: float
    was_nought: bool


ERRORS: Final = ShareRule(share_over=0.05, count_min=3, times_stable=3, increase_over=2.9, was_nought=True)
SLOW: Final = ShareRule(share_over=0.25, count_min=5, times_stable=3, increase_over=5.6, was_nought=False)
SHARE_RULES: Final[Mapping[str, ShareRule]] = {"CanaryErrorRatioHigh": ERRORS, "CanaryLatencyHigh": SLOW}


@dataclass(frozen=True, slots=True)
class Timing:
    """How fast a Prometheus and its Alertmanager look. `window_s` is five scrapes.

    `down_for_s` is the whole window, so that a canary which was drained and then stopped is no longer sent anything,
    in the window's view, before it counts as down.
    """

    name: str
    scrape_s: int
    evaluation_s: int
    window_s: int
    for_s: int
    down_for_s: int
    group_wait_s: int
    group_interval_s: int
    watchdog_repeat_s: int
    share_rules: Mapping[str, ShareRule] = field(default_factory=lambda: SHARE_RULES)


DRILL: Final = Timing(
    name="drill",
    scrape_s=1,
    evaluation_s=1,
    window_s=5,
    for_s=1,
    down_for_s=5,
    group_wait_s=0,
    group_interval_s=1,
    watchdog_repeat_s=10,
)
# group_interval 60 s: Alertmanager's default of five minutes would delay "resolved" by as much.
PRODUCTION: Final = Timing(
    name="production",
    scrape_s=15,
    evaluation_s=15,
    window_s=75,
    for_s=60,
    down_for_s=75,
    group_wait_s=10,
    group_interval_s=60,
    watchdog_repeat_s=300,
)
TIMINGS: Final = {timing.name: timing for timing in (DRILL, PRODUCTION)}

SLOW_S: Final = 0.25  # a bucket's edge of the service's histogram
# PortTrack is one process with one event loop, and one core is all that it can use.
CPU_CORES_OVER: Final = 0.85
CPU_TIMES_STABLE: Final = 2
MEMORY_MIB_OVER: Final = 256  # six times what an instance holds at rest (39 MiB measured)
# A leak, not a cache that is full: so much more within one window. Memory at rest moves by pages, not by megabytes.
MEMORY_GROWTH_MIB_OVER: Final = 1
_MIB: Final = 1 << 20
# Prometheus learns where Alertmanager is 5 s after its start; what fires before that is dropped and sent again only a
# minute later (measured: no Watchdog within 40 s of the start).
WATCHDOG_FOR_S: Final = 10


def timing_of(name: str) -> Timing:
    """The timing called `name`. KeyError with the known ones; the plan has checked the name before."""
    if name not in TIMINGS:
        raise KeyError(f"timing {name!r}; {nearest(name, TIMINGS)}")
    return TIMINGS[name]


def render(timing: Timing) -> str:
    """The rules file as YAML text, the same bytes for the same timing."""
    names = _Names.of(timing)
    recordings = (*_error_recordings(names), *_slow_recordings(names), *_other_recordings(names))
    group = {
        "name": "canary",
        "interval": f"{timing.evaluation_s}s",
        "rules": [*recordings, *_alerts(timing, names)],
    }
    body = yaml.dump({"groups": [group]}, sort_keys=False, width=110, Dumper=_Dumper)
    return f"{_HEADER.format(timing=timing.name)}{body}"


def alert_names(timing: Timing) -> tuple[str, ...]:
    """The alerts of the rules file, in its order."""
    return tuple(rule["alert"] for rule in _alerts(timing, _Names.of(timing)))


def _alerts(timing: Timing, names: _Names) -> list[dict[str, Any]]:
    return [
        _canary_error_ratio_high(timing, names),
        _canary_latency_high(timing, names),
        _canary_down(timing, names),
        _canary_cpu_saturated(timing, names),
        _canary_memory_saturated(timing, names),
        _service_error_ratio_high(timing, names),
        _watchdog(),
    ]


_HEADER: Final = (
    "# Rendered by `make rules` for {timing} timing; edit harness/drive/stack/rules.py, not this file.\n"
    "# Labels and names from the scrape configuration: `track`, canary or stable, on every target of the service, and\n"
    "# router_requests_total{{track}}, the requests that the router sent to each, answered or not.\n"
)


class _Dumper(yaml.SafeDumper):
    """Writes texts of several lines as blocks, which is how a person reads PromQL."""


def _as_block(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _as_block)


# -- recorded series --------------------------------------------------------------------------------------------------

_REQUESTS: Final = "http_requests_total"
_5XX: Final = 'http_requests_total{code=~"5.."}'
_ANSWERED: Final = "http_request_duration_seconds_count"
_BUCKETS: Final = "http_request_duration_seconds_bucket"
_FAST: Final = f'{_BUCKETS}{{le="{SLOW_S}"}}'
_STABLE: Final = '{track="stable"}'
_CANARY: Final = '{track="canary"}'
_LEVEL: Final = "track_version"
_BY: Final = "sum by (track, version)"


@dataclass(frozen=True, slots=True)
class _Names:
    """Names of the recorded series, by the convention level:metric:operation."""

    window: str
    requests: str
    errors: str
    error_count: str
    error_ratio: str
    stable_error_ratio: str
    slow_count: str
    slow_ratio: str
    stable_slow_ratio: str
    routed: str
    stable_cpu: str
    version: str = f"{_LEVEL}:http_requests:last_seen"

    @classmethod
    def of(cls, timing: Timing) -> _Names:
        window = f"{timing.window_s}s"
        return cls(
            window=window,
            requests=f"{_LEVEL}:http_requests:rate{window}",
            errors=f"{_LEVEL}:http_requests_5xx:rate{window}",
            error_count=f"{_LEVEL}:http_requests_5xx:increase{window}",
            error_ratio=f"{_LEVEL}:http_requests_5xx:ratio_rate{window}",
            stable_error_ratio=f"stable:http_requests_5xx:ratio_rate{window}",
            slow_count=f"{_LEVEL}:http_requests_slow:increase{window}",
            slow_ratio=f"{_LEVEL}:http_requests_slow:ratio_rate{window}",
            stable_slow_ratio=f"stable:http_requests_slow:ratio_rate{window}",
            routed=f"track:router_requests:increase{window}",
            stable_cpu=f"stable:process_cpu_seconds:max_rate{window}",
        )


def _record(name: str, expression: str) -> dict[str, Any]:
    return {"record": name, "expr": expression}


def _or_nought(expression: str) -> str:
    """`>= 0` drops the NaN of 0/0, `or vector(0)` stands in for a stable without traffic or series."""
    return f"({expression} >= 0)\nor vector(0)\n"


def _error_recordings(names: _Names) -> list[dict[str, Any]]:
    window = names.window
    stable = f"sum({names.errors}{_STABLE})\n/ sum({names.requests}{_STABLE})"
    return [
        _record(names.requests, f"{_BY} (rate({_REQUESTS}[{window}]))"),
        _record(names.errors, f"{_BY} (rate({_5XX}[{window}]))"),
        _record(names.error_count, f"{_BY} (increase({_5XX}[{window}]))"),
        _record(names.error_ratio, f"{names.errors} / {names.requests}"),
        _record(names.stable_error_ratio, _or_nought(stable)),
    ]


def _slow_recordings(names: _Names) -> list[dict[str, Any]]:
    """Counts and shares of answers over SLOW_S; the quantiles are for people, no rule reads them."""
    window = names.window
    fast_of_stable = _FAST.replace("}", ',track="stable"}')
    of_stable = f"1 - sum(rate({fast_of_stable}[{window}]))\n/ sum(rate({_ANSWERED}{_STABLE}[{window}]))"
    slow_count = f"{_BY} (increase({_ANSWERED}[{window}]))\n- {_BY} (increase({_FAST}[{window}]))\n"
    slow_ratio = f"1 - {_BY} (rate({_FAST}[{window}]))\n/ {_BY} (rate({_ANSWERED}[{window}]))\n"
    return [
        _record(names.slow_count, slow_count),
        _record(names.slow_ratio, slow_ratio),
        _record(names.stable_slow_ratio, _or_nought(of_stable)),
        _quantile(95, window),
        _quantile(99, window),
    ]


def _quantile(percent: int, window: str) -> dict[str, Any]:
    buckets = f"sum by (track, version, le) (rate({_BUCKETS}[{window}]))"
    return _record(
        f"{_LEVEL}:http_request_duration_seconds:p{percent}_rate{window}", f"histogram_quantile(0.{percent}, {buckets})"
    )


def _other_recordings(names: _Names) -> list[dict[str, Any]]:
    """The version that the canary last showed, what the router sent it, and stable's CPU."""
    window = names.window
    # The second line reads this rule's own last sample, so the version outlives the series it came from; the third
    # gives one to a canary that never came up.
    version = (
        f"group by (track, version) ({_REQUESTS}{_CANARY})\n"
        f"or on (track) {names.version}\n"
        'or on (track) label_replace(label_replace(vector(1), "track", "canary", "", ""), '
        '"version", "unknown", "", "")\n'
    )
    cpu = f"max(rate(process_cpu_seconds_total{_STABLE}[{window}])) or vector(0)"
    return [
        _record(names.version, version),
        _record(names.routed, f"sum by (track) (increase(router_requests_total[{window}]))"),
        _record(names.stable_cpu, cpu),
    ]


# -- alerts -----------------------------------------------------------------------------------------------------------


def _alert(name: str, expression: str, for_s: int, action: str, summary: str, description: str) -> dict[str, Any]:
    return {
        "alert": name,
        "expr": expression,
        "for": f"{for_s}s",
        "labels": {"action": action, "severity": "critical"},
        "annotations": {"summary": summary, "description": description},
    }


def _share_clauses(rule: ShareRule, ratio: str, count: str, stable_ratio: str) -> str:
    return (
        f"{ratio}{_CANARY} > {rule.share_over}\n"
        f"and {count}{_CANARY} > {rule.increase_over}\n"
        f"and {ratio}{_CANARY} > {rule.times_stable} * scalar({stable_ratio})\n"
    )


def _canary_error_ratio_high(timing: Timing, names: _Names) -> dict[str, Any]:
    return _alert(
        "CanaryErrorRatioHigh",
        _share_clauses(ERRORS, names.error_ratio, names.error_count, names.stable_error_ratio),
        timing.for_s,
        "rollback",
        "Canary version {{ $labels.version }} answers {{ $value | humanizePercentage }} with 5xx",
        f"Over 5 % and 3 errors in {timing.window_s} s, over 3 times stable's ratio: roll it back.",
    )


def _canary_latency_high(timing: Timing, names: _Names) -> dict[str, Any]:
    return _alert(
        "CanaryLatencyHigh",
        _share_clauses(SLOW, names.slow_ratio, names.slow_count, names.stable_slow_ratio),
        timing.for_s,
        "rollback",
        f"Canary version {{{{ $labels.version }}}} needs over {SLOW_S} s for {{{{ $value | humanizePercentage }}}}",
        f"Over 25 % and 5 slow answers in {timing.window_s} s, over 3 times stable's share: roll it back.",
    )


def _canary_down(timing: Timing, names: _Names) -> dict[str, Any]:
    """A failed scrape makes a target's series stale at once; so one clause sees an instance that is dead, one that
    hangs, one that is gone from discovery, and one whose page has lost its metrics.

    The requests are the router's count: the canary's own is what is missing. Envoy's upstream_rq_total leaves out a
    request whose connection was refused (7 of 7, measured), upstream_rq_completed has it.
    """
    return _alert(
        "CanaryDown",
        (
            f"{names.version}{_CANARY}\n"
            f"unless on (track) {_REQUESTS}{_CANARY}\n"
            f"and on (track) {names.routed} > 0\n"
            f"unless on () max(up{_STABLE}) == 0\n"
        ),
        timing.down_for_s,
        "rollback",
        "Canary version {{ $labels.version }} shows no metrics, and the router sends it requests",
        f"For {timing.down_for_s} s, while stable is up: roll it back.",
    )


def _canary_cpu_saturated(timing: Timing, names: _Names) -> dict[str, Any]:
    cpu = f"max by (track) (rate(process_cpu_seconds_total{_CANARY}[{names.window}]))"
    return _alert(
        "CanaryCpuSaturated",
        (
            f"({cpu} > {CPU_CORES_OVER}\n"
            f"and {cpu} > {CPU_TIMES_STABLE} * scalar({names.stable_cpu}))\n"
            f"* on (track) group_right () {names.version}\n"
        ),
        timing.for_s,
        "rollback",
        "Canary version {{ $labels.version }} uses {{ $value | humanize }} of a core",
        f"Over {CPU_CORES_OVER} of the one core it can use, over twice what any of stable's needs: roll it back.",
    )


def _canary_memory_saturated(timing: Timing, names: _Names) -> dict[str, Any]:
    resident = f"process_resident_memory_bytes{_CANARY}"
    grown = f"delta({resident}[{names.window}]) > {MEMORY_GROWTH_MIB_OVER * _MIB}"
    return _alert(
        "CanaryMemorySaturated",
        (
            f"max by (track) ({resident} > {MEMORY_MIB_OVER * _MIB} and {grown})\n"
            f"* on (track) group_right () {names.version}\n"
        ),
        timing.for_s,
        "rollback",
        "Canary version {{ $labels.version }} holds {{ $value | humanize1024 }}B and takes more",
        f"Over {MEMORY_MIB_OVER} MiB and {MEMORY_GROWTH_MIB_OVER} MiB more in {timing.window_s} s: roll it back.",
    )


def _service_error_ratio_high(timing: Timing, names: _Names) -> dict[str, Any]:
    return _alert(
        "ServiceErrorRatioHigh",
        (
            f"{names.error_ratio}{_STABLE} > {ERRORS.share_over}\n"
            f"and {names.error_count}{_STABLE} > {ERRORS.increase_over}\n"
        ),
        timing.for_s,
        "hold",
        "Stable version {{ $labels.version }} answers {{ $value | humanizePercentage }} with 5xx",
        f"Over 5 % and 3 errors in {timing.window_s} s on stable: a rollback would not help, hold.",
    )


def _watchdog() -> dict[str, Any]:
    return {
        "alert": "Watchdog",
        "expr": "vector(1)",
        "for": f"{WATCHDOG_FOR_S}s",
        "labels": {"action": "none", "severity": "none"},
        "annotations": {
            "summary": "Rules are evaluated and notifications arrive",
            "description": "Fires always. Who no longer hears of it would not hear of the others.",
        },
    }


@click.command(help="Print the rules of one timing, or write both files.")
@click.option("--timing", type=click.Choice(sorted(TIMINGS)), default=DRILL.name, show_default=True)
@click.option("--write", is_flag=True, help="Write a file for every timing instead of printing one.")
@click.option(
    "--dir",
    "folder",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    default=Path("charts/porttrack/rules"),
)
def _main(timing: str, write: bool, folder: Path) -> None:
    if not write:
        click.echo(render(timing_of(timing)), nl=False)
        return
    for each in TIMINGS.values():
        (folder / f"{each.name}.yaml").write_text(render(each), encoding="utf-8")


if __name__ == "__main__":
    _main()
