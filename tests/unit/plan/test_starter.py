"""The first files for somebody's own service are valid files."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from harness.drive import faults
from harness.errors import UsageError
from harness.plan import experiment, kit, starter, suite, target

EXPERIMENTS = Path(__file__).parents[3] / "experiments"
SHIPPED = [(EXPERIMENTS / f"{name}.yaml").read_text() for name in ("canary-5xx", "healthy-release")]
KNOWN = {"stack": ["local"], "router": ["envoy"], "controller": ["stepper"], "alerts": ["prometheus"], "kit": []}
SERVICE = {
    "name": "notes",
    "start": ("serve", "--port", "{port}", "--release", "{version}"),
    "ready": "/health",
    "write": "POST /notes",
    "write_body": '{"id": "{op_id}"}',
    "read_back": "/notes/{op_id}",
    "read": "GET /notes",
    "stable": "1.0",
    "canary": "2",
}


def test_every_file_that_is_written_is_valid():
    """Kit, target, both experiments and the suite pass the checks of their own readers, and the versions stay texts."""
    found = starter.files(starter.Service(**SERVICE, version="/health release").checked(), *SHIPPED)
    loaded = {path: yaml.safe_load(text) for path, text in found.items()}
    made, problems = kit.parse(loaded["notes.kit.yaml"], "kit", {})
    assert ([], ("/health", "release")) == (problems.found, (made.version.path, made.version.field))
    where, problems = target.parse(loaded["targets/notes.yaml"], "target", {}, KNOWN)
    assert ([], "1.0", "2") == (problems.found, where.versions.stable, where.versions.canary)
    assert "../notes.kit.yaml" == where.kit
    drill, problems = experiment.parse(loaded["notes-5xx.yaml"], "notes-5xx.yaml", {}, faults.known())
    assert ([], "notes", 0.15) == (problems.found, drill.target, drill.expect.loss_rate_detectable_max)
    control, problems = experiment.parse(loaded["healthy-release.yaml"], "healthy-release.yaml", {}, faults.known())
    assert ([], "notes", "promoted") == (problems.found, control.target, control.expect.outcome)
    night, problems = suite.parse(loaded["suites/nightly.yaml"], "drill/suites/nightly.yaml", {}, [], 0)
    (trial,) = night.trials
    named = [Path(one).as_posix() for one in (trial.experiment, trial.control)]
    assert ([], ["drill/notes-5xx.yaml", "drill/healthy-release.yaml"]) == (problems.found, named)
    assert not any("$schema" in text for text in found.values())


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"name": "My Notes"}, "name 'My Notes': small letters"),
        ({"write": "/notes"}, "write '/notes': write it as METHOD /path"),
        ({"read": "get notes"}, "read 'get notes': write it as METHOD /path"),
        ({"start": ()}, "start: the command line of the service is missing"),
        ({"canary": "1.0"}, "stable and canary are both '1.0'"),
        ({"write_body": "[1]"}, r"write body '\[1\]': no JSON object"),
        ({"ready": "health"}, "ready: is 'health'"),
        ({"read_back": "/items"}, "read_back: reads all at once and has no `id`"),
        ({"version": "/health"}, "version '/health': /path field"),
    ],
)
def test_what_cannot_be_used_is_named(changed, says):
    """One thing is wrong, and it is said which and how it should be."""
    with pytest.raises(UsageError, match=says):
        starter.Service(**{**SERVICE, **changed}).checked()
