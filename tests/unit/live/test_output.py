"""Which display is taken, and what `--help` costs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from types import SimpleNamespace

import pytest

from harness.cli.output import Output, takes_panel
from harness.cli.run import Interrupt
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


@pytest.mark.slow
@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_output_that_nobody_can_take_ends_no_trial(stream):
    """A full disk behind stdout or stderr: the line is lost, the process goes on."""
    code = "from harness.cli import output; [output.write_while_read('x') or output.tell('y') for _ in range(3)]"
    with open("/dev/full", "w") as full:
        streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, stream: full}
        done = subprocess.run([sys.executable, "-c", code], text=True, check=False, **streams)
    other, line = (done.stderr, "harness: y") if stream == "stdout" else (done.stdout, "x")
    assert (0, [line] * 3) == (done.returncode, other.splitlines())


def test_a_signal_is_handed_on_before_a_word_about_it():
    """Where the word cannot be said, the experiment has still been told to end."""
    sent = []
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        interrupt = Interrupt(SimpleNamespace(send_signal=sent.append))
        interrupt.tell = sent.append
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGINT)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    assert [signal.SIGUSR1, "interrupted: healing, stopping and judging what there is"] == sent
    assert 143 == interrupt.exit_code


@pytest.mark.slow
def test_a_reader_that_has_gone_is_no_verdict():
    """click would end with 1, which is FAIL."""
    read_end, write_end = os.pipe()
    os.close(read_end)
    try:
        done = subprocess.run([sys.executable, "-m", "harness.cli.main", "--help"], stdout=write_end, check=False)
    finally:
        os.close(write_end)
    assert 141 == done.returncode
