"""What the makers' own tools say of what we render: envoy, promtool, amtool."""

from __future__ import annotations

import json
import random
import subprocess
from dataclasses import dataclass

import pytest
import yaml

from harness.drive.alerts.alertmanager import resolve
from harness.drive.stack import rules

pytestmark = pytest.mark.integration


def run(*argv):
    return subprocess.run(argv, timeout=30, capture_output=True, text=True, check=False)


@pytest.fixture(name="rendered")
def _rendered(spec_in, tmp_path):
    """The rendered files of a stack, on disk."""
    spec = spec_in(tmp_path, range(20_000, 20_013))
    for name, text in spec.files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path / "config"


def test_envoy_accepts_its_configuration(found_binaries, rendered):
    """`--mode validate` passes, without a warning of a deprecated field."""
    config = str(rendered / "envoy.yaml")
    done = run(found_binaries.envoy, "--mode", "validate", "-c", config, "--disable-hot-restart", "-l", "warning")
    assert (0, f"configuration '{config}' OK") == (done.returncode, done.stdout.strip())
    assert "deprecated" not in done.stderr


def test_prometheus_accepts_its_configuration_and_rules(found_binaries, rendered):
    """promtool finds the rules file through the configuration and all seven rules in it."""
    done = run(found_binaries.promtool, "check", "config", str(rendered / "prometheus.yaml"))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "7 rules found" in done.stdout + done.stderr


def test_alertmanager_accepts_its_configuration(found_binaries, rendered):
    """amtool finds the one receiver."""
    done = run(found_binaries.amtool, "check-config", str(rendered / "alertmanager.yaml"))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 receivers" in done.stdout


# -- rules ----------------------------------------------------------------------------------------------------------

STEPS = 60
CANARY = ("CanaryErrorRatioHigh", "canary", "1.1", "rollback")
F = (CANARY,)
SERVICE = ("ServiceErrorRatioHigh", "stable", "1.0", "hold")


@dataclass(frozen=True)
class Counts:
    """Requests a scrape interval of one track: answered well and with 503; None: the track has no series."""

    well: int
    errors: int


@dataclass(frozen=True)
class Case:
    """Steady traffic on both tracks and the alerts that fire from it, in either timing."""

    says: str
    canary: Counts | None
    stable: Counts | None
    fires: tuple[tuple[str, str, str, str], ...]


STEADY = (
    Case("a broken canary beside a healthy stable", Counts(70, 30), Counts(300, 0), (CANARY,)),
    Case("both healthy", Counts(100, 0), Counts(300, 0), ()),
    # Each clause on both sides. Ratio: 5 % is not over 5 %.
    Case("ratio just over", Counts(939, 61), Counts(300, 0), (CANARY,)),
    Case("ratio exactly at the threshold", Counts(95, 5), Counts(300, 0), ()),
    # Relative to stable: 10 % against 3 x 3 % and 3 x 4 %.
    Case("just over three times stable", Counts(90, 10), Counts(97, 3), (CANARY,)),
    Case("just under three times stable", Counts(90, 10), Counts(96, 4), ()),
    Case("the same fault on both", Counts(70, 30), Counts(70, 30), (SERVICE,)),
    # Stable without a ratio counts as 0.
    Case("stable has no series", Counts(70, 30), None, (CANARY,)),
    Case("stable has no traffic", Counts(70, 30), Counts(0, 0), (CANARY,)),
    Case("the canary has no traffic", Counts(0, 0), Counts(300, 0), ()),
    Case("the canary has no series", None, Counts(300, 0), ()),
    Case("stable alone is broken", Counts(100, 0), Counts(90, 10), (SERVICE,)),
)


def series(track, version, code, values):
    labels = f'version="{version}",route="/work",method="GET",code="{code}",job="porttrack",track="{track}"'
    return {"series": f"http_requests_total{{{labels}}}", "values": values}


def track_series(track, version, counts):
    if counts is None:
        return []
    return [
        series(track, version, 200, f"0+{counts.well}x{STEPS}"),
        series(track, version, 503, f"0+{counts.errors}x{STEPS}"),
    ]


def alert_samples(state, alerts):
    return [
        {
            "labels": f'ALERTS{{alertname="{name}",alertstate="{state}",track="{track}",version="{version}",'
            f'action="{action}",severity="critical"}}',
            "value": 1,
        }
        for name, track, version, action in alerts
    ]


def promtool(found_binaries, folder, timing, input_series, expected):
    """Run `promtool test rules`; `expected`: step -> (state, alerts)."""
    (folder / "rules.yaml").write_text(rules.render(timing))
    document = {
        "rule_files": ["rules.yaml"],
        "evaluation_interval": f"{timing.evaluation_s}s",
        "tests": [
            {
                "interval": f"{timing.scrape_s}s",
                "input_series": input_series,
                "promql_expr_test": [
                    {
                        "expr": f'ALERTS{{alertstate="{state}"}}',
                        "eval_time": f"{step * timing.scrape_s}s",
                        "exp_samples": alert_samples(state, alerts),
                    }
                    for step, state, alerts in expected
                ],
            }
        ],
    }
    (folder / "test.yaml").write_text(yaml.safe_dump(document))
    return run(found_binaries.promtool, "test", "rules", str(folder / "test.yaml"))


@pytest.mark.parametrize("timing", rules.TIMINGS.values(), ids=lambda timing: timing.name)
@pytest.mark.parametrize("case", STEADY, ids=lambda case: case.says)
def test_rules_fire_for_steady_traffic_as_they_should(found_binaries, tmp_path, timing, case):
    """After thirty scrapes of the same traffic exactly these alerts fire, with these labels."""
    given = [*track_series("canary", "1.1", case.canary), *track_series("stable", "1.0", case.stable)]
    done = promtool(found_binaries, tmp_path, timing, given, [(30, "firing", case.fires)])
    assert done.returncode == 0, done.stdout + done.stderr


def errors_at(*steps):
    """A counter that grows by one at each of these steps."""
    return " ".join(str(sum(step <= now for step in steps)) for now in range(STEPS))


@pytest.mark.parametrize(
    ("says", "well", "steps", "expected"),
    [
        # Five requests a second: 2 errors in the window are 7 %, 3 are 11 %.
        ("three errors are enough", 5, (21, 22, 23), [(22, "pending", ()), (23, "pending", F), (24, "firing", F)]),
        ("two errors are not", 5, (21, 22), [(22, "pending", ()), (23, "pending", ()), (24, "firing", ())]),
        # Three errors of 58 requests are 5.2 %, of 63 they are 4.8 %.
        ("three of 58", 11, (21, 22, 23), [(24, "firing", F)]),
        ("three of 63", 12, (21, 22, 23), [(23, "pending", ()), (24, "firing", ())]),
        # In one window for one evaluation only: pending, and gone before `for` has passed.
        ("gone after one evaluation", 5, (21, 23, 25), [(25, "pending", F), (26, "firing", ()), (26, "pending", ())]),
        ("there for two evaluations", 5, (21, 23, 24), [(24, "pending", F), (25, "firing", F)]),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_few_errors_fire_or_just_do_not(found_binaries, tmp_path, says, well, steps, expected):
    """Drill timing counts single errors: each side of the minimum count, of the ratio and of `for`."""
    given = [
        series("canary", "1.1", 200, f"0+{well}x{STEPS}"),
        series("canary", "1.1", 503, errors_at(*steps)),
        *track_series("stable", "1.0", Counts(30, 0)),
    ]
    done = promtool(found_binaries, tmp_path, rules.DRILL, given, expected)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_wrong_expectation_makes_promtool_fail(found_binaries, tmp_path):
    """The tests above can go red: an alert that is expected and does not fire fails the run."""
    given = track_series("canary", "1.1", Counts(100, 0))
    done = promtool(found_binaries, tmp_path, rules.DRILL, given, [(30, "firing", (CANARY,))])
    assert done.returncode == 1


# -- routes ---------------------------------------------------------------------------------------------------------

MATCHERS = ('track="canary"', "track!=canary", 'severity=~"crit.*|page"', 'severity!~"crit"', 'team=""', "track=~can")


def random_route(dice, depth):
    """A route with some of every feature that the walk knows."""
    route = {"receiver": dice.choice(("a", "b", "c"))} if dice.random() < 0.8 else {}
    if dice.random() < 0.5:
        route["matchers"] = [dice.choice(MATCHERS)]
    elif dice.random() < 0.5:
        route["match"] = {"track": dice.choice(("canary", "stable"))}
    else:
        route["match_re"] = {"severity": dice.choice(("crit.*", "crit", "page"))}
    if dice.random() < 0.5:
        route["continue"] = True
    if depth:
        route["routes"] = [random_route(dice, depth - 1) for _ in range(dice.randrange(3))]
    return route


@pytest.mark.parametrize("seed", range(30))
def test_receivers_are_resolved_as_amtool_resolves_them(found_binaries, tmp_path, seed):
    """On random route trees the walk and `amtool config routes test` name the same receivers."""
    dice = random.Random(seed)
    routes = [random_route(dice, 2) for _ in range(1 + dice.randrange(3))]
    names = ("root", "a", "b", "c")
    document = {
        "route": {"receiver": "root", "routes": routes},
        "receivers": [{"name": name, "webhook_configs": [{"url": f"http://127.0.0.1/{name}"}]} for name in names],
    }
    (tmp_path / "am.yaml").write_text(yaml.safe_dump(document))
    labels = {"alertname": "A", "track": "canary", "severity": "critical"}
    pairs = [f"{name}={value}" for name, value in labels.items()]
    done = run(found_binaries.amtool, "config", "routes", "test", f"--config.file={tmp_path / 'am.yaml'}", *pairs)
    assert done.returncode == 0, done.stderr
    by_amtool = done.stdout.strip().split(",")
    assert sorted(set(by_amtool)) == sorted({who for who, _ in resolve(document, labels)}), json.dumps(routes)
