"""Target files: kinds are checked against what exists."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from harness.plan import target
from harness.plan.validate import yaml_lines

TEXT = (Path(__file__).parents[3] / "experiments" / "targets" / "local.yaml").read_text()
KNOWN = {
    "stack": ["local"],
    "router": ["envoy"],
    "controller": ["stepper"],
    "alerts": ["prometheus"],
    "kit": ["porttrack"],
}


def parse(text: str):
    return target.parse(yaml.safe_load(text), "local.yaml", yaml_lines(text), KNOWN)


def test_shipped_target_is_read():
    """The shipped target is valid."""
    found, problems = parse(TEXT)
    assert [] == problems.found
    assert found is not None
    assert ("1.0", "1.1", 2) == (found.versions.stable, found.versions.canary, found.stack.stable_instances)


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("kind: envoy", "kind: envoi", "local.yaml:5: router.kind: is 'envoi'; known: envoy; did you mean 'envoy'?"),
        (
            "kit: porttrack",
            "kit: porttrak",
            "local.yaml:8: kit: is 'porttrak' and no kit file (*.yaml); known: porttrack; did you mean 'porttrack'?",
        ),
        (
            'canary: "1.1"',
            'canary: "1.0"',
            "local.yaml:9: versions: stable and canary are both '1.0': they cannot be told apart",
        ),
        (
            "not_asked: []",
            "not_asked: [data_los]",
            "local.yaml:13: not_asked: 'data_los' is no check; known: alert, baseline, cleanup, data_loss, fault, "
            "generator, recovery, requests, rollback, split; did you mean 'data_loss'?",
        ),
    ],
)
def test_wrong_kind_is_named_with_the_nearest(old, new, line):
    """An unknown kind comes with its line, the known ones and the nearest spelling."""
    assert old in TEXT
    found, problems = parse(TEXT.replace(old, new))
    assert found is None
    assert [line] == problems.found
