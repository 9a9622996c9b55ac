"""What the makers' own tools say of what we render: envoy, promtool, amtool."""

from __future__ import annotations

import json
import random
import subprocess

import pytest
import yaml

from harness.drive.alerts.alertmanager import resolve

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
    """promtool finds the rules file through the configuration and all twenty rules in it."""
    done = run(found_binaries.promtool, "check", "config", str(rendered / "prometheus.yaml"))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "20 rules found" in done.stdout + done.stderr


def test_alertmanager_accepts_its_configuration(found_binaries, rendered):
    """amtool finds both receivers."""
    done = run(found_binaries.amtool, "check-config", str(rendered / "alertmanager.yaml"))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 receivers" in done.stdout


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
