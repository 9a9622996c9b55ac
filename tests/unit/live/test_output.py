"""Which display is taken, and what `--help` costs."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from harness.cli.output import Output, takes_panel
from harness.errors import UsageError


@pytest.mark.parametrize(
    ("is_terminal", "encoding", "environment", "expected"),
    [
        (True, "utf-8", {"TERM": "xterm-256color"}, True),
        (True, "UTF-8", {"TERM": "screen", "NO_COLOR": "1", "CI": "false"}, True),
        (False, "utf-8", {"TERM": "xterm-256color"}, False),
        (True, "utf-8", {"TERM": "dumb"}, False),
        (True, "utf-8", {}, False),
        (True, "utf-8", {"TERM": "xterm", "CI": "true"}, False),
        (True, "iso8859-1", {"TERM": "xterm"}, False),
    ],
)
def test_panel_is_for_terminals_alone(is_terminal, encoding, environment, expected):
    """A panel needs a terminal that is not dumb, can show its characters, and is nobody's log."""
    assert expected is takes_panel(is_terminal, encoding, environment)


def test_plain_and_json_exclude_each_other():
    """Both at once are refused, with both names."""
    with pytest.raises(UsageError, match=r"--json and --plain"):
        Output.choose(as_json=True, plain=True, environment={})


@pytest.mark.slow
def test_help_imports_no_display():
    """`harness --help` reaches neither rich nor any command's module."""
    code = (
        "import sys; from harness.cli.main import run; code = run(['--help']);"
        "names = ('rich', 'pyarrow', 'psutil', 'harness.cli.watch', 'harness.cli.run', 'harness.drive');"
        "print(code, [name for name in names if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True)
    assert "0 []" == done.stdout.splitlines()[-1]
    assert "  watch " in done.stdout


@pytest.mark.slow
def test_reader_that_goes_away_ends_nothing():
    """Lines that nobody reads any more raise nothing, nor does what is written after them."""
    code = (
        "import click; from harness.cli.output import write_while_read;"
        "write_while_read('a'); write_while_read('b'); click.echo('verdict')"
    )
    reads, writes = os.pipe()
    os.close(reads)
    try:
        done = subprocess.run(
            [sys.executable, "-c", code], stdout=writes, stderr=subprocess.PIPE, timeout=30, check=False
        )
    finally:
        os.close(writes)
    assert (0, b"") == (done.returncode, done.stderr)
