"""Alert and recording rules of PortTrack, both timings rendered from one source.

The rendered files are committed under charts/porttrack/rules, where the Helm chart picks one by
`.Files.Get`; the local stack runs the same text, and a test renders them again and compares. So the rules
that a drill proves are the rules that are shipped.

    python -m harness.drive.stack.rules --write     writes both files

What the canary rule says, clause by clause: the canary's error ratio over the window is above 5 %, AND the
window holds at least 3 errors (below that a ratio is noise: 2 errors of 30 requests are already 7 %), AND
the ratio is above 3 times stable's (a fault in what both share is not the canary's). Stable without
traffic has no ratio (absent, or 0/0); it counts as 0 there, so a canary at 100 % is still judged.

Why `> 2.5` means 3: `increase` extrapolates to the edges of the window, so with five samples in it 2
errors read 2 x 5/4 = 2.5 and 3 read at least 3. Why five scrapes a window: four gave 1 to 5 % false alarms
a step, ten answered a second later (fault to webhook p95 with five: 3.6 s at 30 canary requests/s, 4.7 at 6).

Recording and alert rules stand in ONE group: a group is evaluated in order within one instant, while two
groups have phases of their own (+0.55 s measured).

`track` comes from the scrape configuration, `version` from the service's own metric. ServiceErrorRatioHigh
watches stable, not the sum: a sum would also fire for a broken canary that has enough traffic.

Not covered here: latency rules, canary down or absent.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import click
import yaml

from harness.plan.validate import nearest


@dataclass(frozen=True, slots=True)
class Timing:
    """How fast a Prometheus and its Alertmanager look. `window_s` is five scrapes."""

    name: str
    scrape_s: int
    evaluation_s: int
    window_s: int
    for_s: int
    group_wait_s: int
    group_interval_s: int


DRILL: Final = Timing(name="drill", scrape_s=1, evaluation_s=1, window_s=5, for_s=1, group_wait_s=0, group_interval_s=1)
# group_interval 60 s: Alertmanager's default of five minutes would delay "resolved" by as much.
PRODUCTION: Final = Timing(
    name="production", scrape_s=15, evaluation_s=15, window_s=75, for_s=60, group_wait_s=10, group_interval_s=60
)
TIMINGS: Final = {timing.name: timing for timing in (DRILL, PRODUCTION)}

ERROR_RATIO_MAX: Final = 0.05
ERROR_COUNT_OVER: Final = 2.5
TIMES_STABLE: Final = 3
REQUESTS: Final = "http_requests_total"
ERRORS: Final = 'http_requests_total{code=~"5.."}'


def timing_of(name: str) -> Timing:
    """The timing called `name`. KeyError with the known ones; the plan has checked the name before."""
    if name not in TIMINGS:
        raise KeyError(f"timing {name!r}; {nearest(name, TIMINGS)}")
    return TIMINGS[name]


def render(timing: Timing) -> str:
    """The rules file as YAML text, the same bytes for the same timing."""
    group = {
        "name": "porttrack-canary",
        "interval": f"{timing.evaluation_s}s",
        "rules": [*_recordings(timing), _canary_error_ratio_high(timing), _service_error_ratio_high(timing)],
    }
    body = yaml.dump({"groups": [group]}, sort_keys=False, width=110, Dumper=_Dumper)
    return f"{_HEADER.format(timing=timing.name)}{body}"


_HEADER: Final = (
    "# Rendered by `make rules` for {timing} timing; edit harness/drive/stack/rules.py, not this file.\n"
    "# `track` must come from the scrape configuration: canary or stable.\n"
)


class _Dumper(yaml.SafeDumper):
    """Writes texts of several lines as blocks, which is how a person reads PromQL."""


def _as_block(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _as_block)


def _series(timing: Timing) -> dict[str, str]:
    """Names of the recorded series, by the convention level:metric:operation."""
    window = f"{timing.window_s}s"
    return {
        "requests": f"track_version:http_requests:rate{window}",
        "errors": f"track_version:http_requests_5xx:rate{window}",
        "error_count": f"track_version:http_requests_5xx:increase{window}",
        "ratio": f"track_version:http_requests_5xx:ratio_rate{window}",
        "stable_ratio": f"stable:http_requests_5xx:ratio_rate{window}",
    }


def _recordings(timing: Timing) -> list[dict[str, object]]:
    names = _series(timing)
    window = f"{timing.window_s}s"
    expressions = {
        "requests": f"sum by (track, version) (rate({REQUESTS}[{window}]))",
        "errors": f"sum by (track, version) (rate({ERRORS}[{window}]))",
        "error_count": f"sum by (track, version) (increase({ERRORS}[{window}]))",
        "ratio": f"{names['errors']} / {names['requests']}",
        # `>= 0` drops the NaN of 0/0, `or vector(0)` stands in for a stable without traffic or series.
        "stable_ratio": (
            f'(sum({names["errors"]}{{track="stable"}}) / sum({names["requests"]}{{track="stable"}}) >= 0)\n'
            "or vector(0)\n"
        ),
    }
    return [{"record": names[key], "expr": expression} for key, expression in expressions.items()]


def _canary_error_ratio_high(timing: Timing) -> dict[str, object]:
    names = _series(timing)
    canary = '{track="canary"}'
    return {
        "alert": "CanaryErrorRatioHigh",
        "expr": (
            f"{names['ratio']}{canary} > {ERROR_RATIO_MAX}\n"
            f"and {names['error_count']}{canary} > {ERROR_COUNT_OVER}\n"
            f"and {names['ratio']}{canary} > {TIMES_STABLE} * scalar({names['stable_ratio']})\n"
        ),
        "for": f"{timing.for_s}s",
        "labels": {"action": "rollback", "severity": "critical"},
        "annotations": {
            "summary": "Canary version {{ $labels.version }} answers {{ $value | humanizePercentage }} with 5xx",
            "description": f"Over 5 % and 3 errors in {timing.window_s} s, over 3 times stable's ratio: roll it back.",
        },
    }


def _service_error_ratio_high(timing: Timing) -> dict[str, object]:
    names = _series(timing)
    stable = '{track="stable"}'
    return {
        "alert": "ServiceErrorRatioHigh",
        "expr": (
            f"{names['ratio']}{stable} > {ERROR_RATIO_MAX}\nand {names['error_count']}{stable} > {ERROR_COUNT_OVER}\n"
        ),
        "for": f"{timing.for_s}s",
        "labels": {"action": "hold", "severity": "critical"},
        "annotations": {
            "summary": "Stable version {{ $labels.version }} answers {{ $value | humanizePercentage }} with 5xx",
            "description": f"Over 5 % and 3 errors in {timing.window_s} s on stable: a rollback would not help, hold.",
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
