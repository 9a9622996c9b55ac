"""Which file the control takes for the experiment: the one that `chaos run` takes."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.chaos import control

# Chaos Toolkit's command and its plugins import and ask by names that are on their way out.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.mark.parametrize(
    "arguments",
    [
        ["drill.yaml"],
        ["drill.yaml", "--journal-path", "journal.json"],
        ["--var-file", "vars.yaml", "--rollback-strategy", "always", "drill.yaml"],
        ["drill.yaml", "--var-file", "vars.yaml"],
    ],
)
def test_other_files_on_the_command_line_are_not_taken(monkeypatch, tmp_path, arguments):
    """Journals and variables are files of the same endings, and exist as well."""
    monkeypatch.chdir(tmp_path)
    for name in ("drill.yaml", "journal.json", "vars.yaml"):
        Path(name).write_text("{}")
    monkeypatch.setattr("sys.argv", ["chaos", "--no-version-check", "run", *arguments])
    assert Path("drill.yaml") == control._experiment_path()
