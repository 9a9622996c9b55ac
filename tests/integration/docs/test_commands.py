"""What README.md and the tutorial tell a reader to type is typed here, in a copy of the repository, in their order.

One trial serves every command that looks at it; three run in all, a minute each. What stands in INSTEAD is not run as
it is written, and says why. Excerpts of the tutorial are held against what was printed, as far as no figure is in them.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from harness.drive.guard.client import await_condition

pytestmark = pytest.mark.integration
ROOT = Path(__file__).parents[3]
TUTORIAL, README = "docs/tutorial.md", "README.md"
COMMAND_S_MAX = 300.0
STACK_S_MAX = 90.0
# First words of a command line; any other line of an indented block is what a command prints.
PROGRAMS = {"make", "harness", "chaos", "locust", "python", "sed", "ls", "grep", "sha256sum", "docker", "."}
DEMO, HEALTHY = "make demo", "harness run experiments/healthy-release.yaml"
RED = "harness run experiments/canary-5xx-one-step.yaml --plant router_unchanged"
TRIALS = {DEMO, RED, HEALTHY}
SEEDED, BY_CHAOS = "harness run experiments/canary-5xx.yaml --seed 11", "chaos run experiments/canary-5xx.yaml"
STACK = "harness stack up --weight 25"
LOCUST = "locust -f locustfiles/porttrack.py --headless -u 20 -t 20s -H http://127.0.0.1:PORT"
# Command -> what is run in its place; "" for nothing.
INSTEAD = {
    "make test": "",  # it runs this test
    SEEDED: f"{SEEDED} --dry-run",  # a fourth trial; all that comes before one
    BY_CHAOS: BY_CHAOS.replace(" run ", " validate "),  # a fifth; test_verdicts.py runs trials by `chaos run`
    "harness suite smoke": "harness suite smoke --list",  # trial/test_suite.py runs it
    "harness suite nightly": "harness suite nightly --list",
    "harness diff reports/A reports/B": "harness diff reports/latest reports/latest",
    # At a terminal it would ask.
    "harness init NAME": "harness init notes --start 'python notes.py --port {port} --release {version}'",
    # packaging/test_image.py builds the same file with buildah, and runs a trial in it.
    "docker build -t harness .": "",
    'docker run --rm -v "$PWD/reports:/drill/reports" harness': "",
    "harness doctor --target drill/targets/NAME.yaml": "",  # test_own_service.py runs it on a service that exists
}
TOGETHER = {STACK, LOCUST}  # the one serves until it is ended, the other needs its port: a test of their own
EXIT_CODES = {RED: 1}


@dataclass(frozen=True)
class Block:
    """Commands that stand together, and the excerpts of what they print that follow before the next ones."""

    document: str
    line: int
    commands: tuple[str, ...]
    excerpts: tuple[str, ...] = ()


@dataclass(frozen=True)
class Ran:
    """What a command gave."""

    code: int
    output: str


def typed(line: str) -> str:
    """The command of a line, without its comment; "" where it is none."""
    text = re.sub(r"\s+# .*$", "", line).strip()
    return text if text.split(" ")[0] in PROGRAMS else ""


@cache
def blocks(document: str) -> tuple[Block, ...]:
    """Every block of commands of a document: fences `sh`, whose excerpts are fences `text`, and indented lines."""
    text = (ROOT / document).read_text()
    found: list[Block] = []
    pattern = r"^```(\w+)\n(.*?)^```$|((?:^    .*\n|^\n(?=    ))+)"
    for match in re.finditer(pattern, text, re.MULTILINE | re.DOTALL):
        line = text[: match.start()].count("\n") + 1
        kind, content = match[1] or "indented", match[2] or match[3]
        if kind == "text" and found:
            last = found.pop()
            found.append(Block(document, last.line, last.commands, (*last.excerpts, content)))
            continue
        commands = tuple(filter(None, map(typed, content.splitlines())))
        assert kind != "sh" or len(commands) == content.count("\n"), f"{document}:{line}: {content!r}"
        if commands:
            found.append(Block(document, line, commands))
    return tuple(found)


COMMANDS = [
    (block.document, command)
    for document in (TUTORIAL, README)
    for block in blocks(document)
    for command in block.commands
]
BLOCKS_WITH_EXCERPTS = [block for block in blocks(TUTORIAL) if block.excerpts]


def starts_a_trial(command: str) -> bool:
    return command.startswith((DEMO, "harness demo", "harness run", "chaos run")) and "--dry-run" not in command


def test_commands_are_found():
    """Both documents have commands, no more than three of them run a trial, and each exception is still there."""
    assert min(len([one for one in COMMANDS if one[0] == document]) for document in (TUTORIAL, README)) >= 8
    all_of_them = {command for _, command in COMMANDS}
    assert {*INSTEAD, *TOGETHER, *EXIT_CODES, *TRIALS} <= all_of_them
    run = {INSTEAD.get(command, command) for command in all_of_them}
    assert TRIALS == {command for command in run if starts_a_trial(command)}


def test_a_command_is_told_from_what_it_prints():
    """A program with its arguments is one, also with a comment behind it; a line of a trial is none."""
    assert "make demo" == typed("    make demo     # one trial: 30 % of the answers")
    assert "sed 's/#/b/' x > y" == typed("    sed 's/#/b/' x > y")
    assert "" == typed("    00:28 -- fault")
    assert "" == typed("    harness/        plan -> drive")


def looks_at_a_trial(command: str) -> bool:
    return "reports/latest" in command or command.startswith(("harness watch", "harness index", "harness trend"))


class Reader:
    """Somebody who types what stands there, in a copy of the repository. No trial is run twice."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self._trials: dict[str, Ran] = {}
        # Nor what `make test` tells a make below it, which says more than a reader's own.
        not_typed = ("HARNESS_", "MAKE", "MFLAGS")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(not_typed)}
        self.environment = {**kept, "PATH": f"{home / '.venv' / 'bin'}:{os.environ['PATH']}"}

    def type(self, command: str) -> Ran:
        """What the command gives, after those whose work it looks at."""
        if command in self._trials:
            return self._trials[command]
        for needed in self._needed(command):
            self.type(needed)
        done = subprocess.run(
            ["bash", "-c", INSTEAD.get(command, command)],
            cwd=self.home,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=COMMAND_S_MAX,
            check=False,
        )
        ran = Ran(done.returncode, done.stdout)
        if command in TRIALS:
            self._trials[command] = ran
        return ran

    def _needed(self, command: str) -> Iterator[str]:
        if looks_at_a_trial(INSTEAD.get(command, command)):
            yield DEMO


@pytest.fixture(scope="module")
def reader(tmp_path_factory) -> Reader:
    """A reader before a fresh copy, in which only the set-up has been done: it is this repository's."""
    home = tmp_path_factory.mktemp("reader") / "harness"
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file():
            (home / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, home / name)
    for made in (".venv", ".cache"):
        (home / made).symlink_to(ROOT / made)
    # Else the first `make` of a reader would install the copy into this repository's environment.
    planned = subprocess.run(["make", "-n", "setup"], cwd=home, capture_output=True, text=True, timeout=30, check=True)
    assert "sync --frozen" not in planned.stdout, (
        "the set-up is not that of uv.lock and pyproject.toml: run `make setup` first"
    )
    return Reader(home)


EACH = sorted({one for one in COMMANDS if one[1] not in TOGETHER and INSTEAD.get(one[1]) != ""}, key=COMMANDS.index)


def named(command: str) -> str:
    """A test's name for it; `pytest -k "not trial"` leaves out what runs a trial, or looks at one."""
    run = INSTEAD.get(command, command)
    trial = starts_a_trial(run) or looks_at_a_trial(run)
    return f"{'trial' if trial else 'plain'}: {command}"


@pytest.mark.parametrize(
    ("document", "command"), EACH, ids=[f"{document}: {named(command)}" for document, command in EACH]
)
def test_command_does_what_is_said(reader, document, command):
    """It ends with the exit code that the text promises, 1 for the planted defect; a trial says its verdict last."""
    ran = reader.type(command)
    assert EXIT_CODES.get(command, 0) == ran.code, f"{document}: {command}\n{ran.output[-4000:]}"
    if command in TRIALS:
        verdict = "FAIL" if command in EXIT_CODES else "PASS"
        assert ran.output.splitlines()[-1].startswith(f"verdict: {verdict} reports/"), ran.output[-4000:]


@pytest.mark.parametrize(
    "block", BLOCKS_WITH_EXCERPTS, ids=[named(block.commands[-1]) for block in BLOCKS_WITH_EXCERPTS]
)
def test_excerpt_is_what_one_sees(reader, block):
    """Each line of an excerpt begins as a line of the output does, up to its first figure."""
    assert [] == unseen(block.excerpts, [reader.type(command).output for command in block.commands])


def test_judging_a_trial_again_gives_the_same_bytes(reader):
    """The two sums of the tutorial are the same."""
    (block,) = (one for one in blocks(TUTORIAL) if any(text.startswith("harness judge") for text in one.commands))
    first, _, second = (reader.type(command) for command in block.commands)
    assert (0, first.output) == (second.code, second.output)
    assert re.match(r"[0-9a-f]{64}  reports/latest/findings\.json$", first.output)


def unseen(excerpts: tuple[str, ...], outputs: list[str]) -> list[str]:
    """Lines of excerpts with which no line of the outputs begins."""
    printed = [untimed(line) for output in outputs for line in output.splitlines()]
    wanted = [beginning(line) for excerpt in excerpts for line in excerpt.splitlines()]
    return [start for start in wanted if start and not any(line.startswith(start) for line in printed)]


def untimed(line: str) -> str:
    return re.sub(r"^\d\d:\d\d ", "", line)


def beginning(line: str) -> str:
    """What comes before the first figure or the dots of a line, its time left off."""
    return re.split(r"\d|\.\.\.", untimed(line))[0].rstrip()


def test_what_one_does_not_see_is_found():
    """A line that no output has is named; figures, times and what the dots stand for may differ."""
    output = "00:31 -- fault\nPASS: the alert fired 2.1 s after\nrollback   PASS          Stable has it\n"
    assert [] == unseen(("00:28 -- fault\n...\nPASS: the alert fired 9.9 s and ...\n",), [output])
    assert ["-- heal", "rollback   FAIL"] == unseen(("00:28 -- heal\nrollback   FAIL  1\n",), [output])


@pytest.fixture
def stack(reader, tmp_path) -> Iterator[Callable[[], str]]:
    """What `harness stack up` has printed so far; it runs, and is ended by Ctrl-C."""
    output = tmp_path / "stack.txt"
    with output.open("w") as file:
        process = subprocess.Popen(
            ["bash", "-c", f"exec {STACK}"], cwd=reader.home, env=reader.environment, stdin=subprocess.DEVNULL,
            stdout=file, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
    try:
        assert await_condition(lambda: "Ctrl-C" in output.read_text() or process.poll() is not None, STACK_S_MAX)
        yield output.read_text
    finally:
        process.send_signal(signal.SIGINT)
        code = process.wait(timeout=STACK_S_MAX)
    assert (0, True) == (code, output.read_text().endswith("stack: stopped\n"))


def test_stack_alone_takes_the_load_alone(reader, stack):
    """The stack says where it is, with the weight asked for; the load runs on it and nothing fails."""
    said = re.search(r"^service +(http://127\.0\.0\.1:(\d+))  \(canary weight 25 %\)$", stack(), re.MULTILINE)
    assert said is not None, stack()
    ran = reader.type(LOCUST.replace("PORT", said[2]))
    assert 0 == ran.code, ran.output[-4000:]
    assert re.search(r"Aggregated +[1-9]\d* +0\(0\.00%\)", ran.output), ran.output[-4000:]
