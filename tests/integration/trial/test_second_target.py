"""Another service on the same parts: its kit is all that the harness is told of it.

The package lies in `second_target/site` and is installed nowhere: it is found on PYTHONPATH, as a kit of one's own
would be tried.
"""

from __future__ import annotations

from pathlib import Path

import pytest

HERE = Path(__file__).parent / "second_target"
TARGET = str(HERE / "notes.yaml")

pytestmark = pytest.mark.integration


@pytest.fixture(autouse=True)
def _on_the_path(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(HERE / "site"))


def test_the_same_experiment_passes(experiment, start):
    """A dict for a store, three instances, the shipped canary-5xx: PASS in every check."""
    trial = start(experiment(), "--target", TARGET)
    assert 0 == trial.code(), trial.output
    assert {"verdict": "PASS", "headline": ("", ""), "red": []} == trial.judged()
    assert "store" in trial.pids()
    assert "postgres" not in trial.pids()


def test_a_note_that_the_canary_did_not_keep_is_found(experiment, start, monkeypatch):
    """The canary acknowledges three notes in ten without keeping them: witnesses against it, as for any service."""
    monkeypatch.setenv("NOTES_CANARY_LOSES", "0.3")
    trial = start(experiment(), "--target", TARGET)
    assert 1 == trial.code(), trial.output
    assert {"verdict": "FAIL", "headline": ("data_loss", "vanished"), "red": ["data_loss"]} == trial.judged()


def test_a_kit_that_nobody_installed_is_refused(experiment, start, monkeypatch):
    """Off the path the name is unknown, and what is known is listed."""
    monkeypatch.delenv("PYTHONPATH")
    trial = start(experiment(), "--target", TARGET)
    assert 64 == trial.code(), trial.output
    assert "kit: is 'notes' and no kit file (*.yaml); known: porttrack" in trial.output
