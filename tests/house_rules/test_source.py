"""House rules over the product's source, each a function from a parsed file to its problems.

Every rule stands in RULES with a snippet that breaks it and one that just does not, so a rule that stopped seeing
anything fails here before it passes the whole tree.
"""

from __future__ import annotations

import ast
import re
import statistics
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path, PurePosixPath

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = ("harness", "target-app", "locustfiles", "benchmarks")
FUNCTION_LINES_MAX = 70

# Files that read the clock, the environment or nothing at all of chance, by name in every package.
CLOCK_FILES = {"clock.py", "settings.py"}
# The ratchet: functions that are longer, with their length, which may shrink and not grow, and the reason. None today.
OVERLONG: dict[str, int] = {}
BROAD_EXCEPT_ALLOWED = {
    "harness/judge/__init__.py",  # a check that breaks is a finding with its traceback; the others still speak
    "harness/cli/main.py",  # the outermost frame: whatever arrives there uncaught is exit code 70, with its traceback
}
EFFECTFUL = {
    "asyncio", "harness.clock", "harness.drive", "http", "httpx", "locust", "os", "psutil", "random", "requests",
    "secrets", "shutil", "signal", "socket", "subprocess", "tempfile", "threading", "time", "urllib",
}  # fmt: skip


@dataclass(frozen=True)
class Source:
    """One file: its path from the root, its text and its tree."""

    path: PurePosixPath
    text: str

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text)

    def at(self, node: ast.stmt | ast.expr | ast.arg | ast.excepthandler, says: str) -> str:
        return f"{self.path}:{node.lineno}: {says}"


Rule = Callable[[Source], Iterator[str]]


def function_length(source: Source) -> Iterator[str]:
    """No function over FUNCTION_LINES_MAX lines, from its `def` to its last line."""
    for node in functions(source.tree):
        lines_max = OVERLONG.get(f"{source.path}:{node.name}", FUNCTION_LINES_MAX)
        if length(node) > lines_max:
            yield source.at(node, f"{node.name} has {length(node)} lines; the most is {lines_max}")


def module_docstring(source: Source) -> Iterator[str]:
    """Every module says what it is for; only an empty file may keep silent."""
    if source.text.strip() and not ast.get_docstring(source.tree):
        yield f"{source.path}:1: the module has no docstring"


def clock_and_chance(source: Source) -> Iterator[str]:
    """The clock, the environment and shared chance are read in one place a package; elsewhere they are arguments."""
    measures = source.path.parts[0] == "benchmarks"  # they are nothing but a stopwatch around the command
    if measures or source.path.name in CLOCK_FILES or source.path.parts[:2] == ("harness", "cli"):
        return
    entry = entry_nodes(source)
    for node in ast.walk(source.tree):
        if imports(node) & {"time"}:
            yield source.at(node, "imports time; take a clock as an argument or use the package's clock.py")
        if isinstance(node, ast.Attribute):
            name = dotted(node)
            if name in {"os.environ", "os.getenv"} and node in entry:
                continue
            if name in {"os.environ", "os.getenv", "datetime.now", "datetime.datetime.now", "datetime.utcnow"}:
                yield source.at(node, f"reads {name}; take it as an argument, settings.py and clock.py read it")
            if re.fullmatch(r"random\.(?!Random$|SystemRandom$)\w+", name):
                yield source.at(node, f"uses the shared {name}; take a random.Random(seed)")
        if isinstance(node, ast.ImportFrom) and node.module in {"os", "random"}:
            for alias in node.names:
                if alias.name in {"environ", "getenv"} or (node.module == "random" and alias.name != "Random"):
                    yield source.at(node, f"imports {node.module}.{alias.name}; take it as an argument")


def broad_except(source: Source) -> Iterator[str]:
    """An `except` that takes everything must end by raising; whatever is swallowed there is evidence lost."""
    for node in ast.walk(source.tree):
        if not isinstance(node, ast.ExceptHandler):
            continue
        caught = {dotted(name) for name in ast.walk(node.type)} if node.type else {""}
        if caught & {"", "Exception", "BaseException"} - ({""} if node.type else set()) and not (
            isinstance(node.body[-1], ast.Raise) or str(source.path) in BROAD_EXCEPT_ALLOWED
        ):
            yield source.at(node, "catches everything and goes on; name the errors")


def prints(source: Source) -> Iterator[str]:
    """Only the command and files that are run themselves print."""
    runner = source.path.name == "__main__.py" or "__main__" in {
        node.value for node in ast.walk(source.tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    if runner or source.path.parts[:2] == ("harness", "cli"):
        return
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Call) and dotted(node.func) == "print":
            yield source.at(node, "prints; return the text, the command prints it")


def bare_durations(source: Source) -> Iterator[str]:
    """A timeout, delay or interval that is a number carries its unit last: `call_s_max`, `poll_interval_s`."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.arg):
            name, number = node.arg, node.annotation is None or numeric(node.annotation)
        elif isinstance(node, ast.AnnAssign):
            name, number = dotted(node.target), numeric(node.annotation)
        elif isinstance(node, ast.Assign):
            name, number = dotted(node.targets[0]), numeric(node.value)
        else:
            continue
        if number and re.fullmatch(r"(.*[._])?(timeout|delay|interval)", name, re.IGNORECASE):
            yield source.at(node, f"{name} has no unit; put it last, like {name.lower()}_s")


def numeric(node: ast.expr) -> bool:
    """Whether a value is a number, or an annotation names one that stands alone (an interval [lo, hi] does not)."""
    if isinstance(node, ast.Subscript):
        return dotted(node.value) in {"Annotated", "Final", "Optional"} and numeric(node.slice)
    if isinstance(node, ast.Tuple):
        return numeric(node.elts[0])
    if isinstance(node, ast.BinOp):
        return numeric(node.left) or numeric(node.right)
    if isinstance(node, ast.Constant):
        return type(node.value) in (int, float)
    return dotted(node) in {"int", "float"}


def judge_is_pure(source: Source) -> Iterator[str]:
    """What judges is a function of evidence: it imports nothing effectful, and never reads which defect was planted."""
    if source.path.parts[:2] != ("harness", "judge"):
        return
    for node in ast.walk(source.tree):
        for name in imports(node) - clock_constants(node):
            if any(name == effect or name.startswith(f"{effect}.") for effect in EFFECTFUL):
                yield source.at(node, f"a judge imports {name}")
        if isinstance(node, ast.Attribute) and node.attr == "plant":
            yield source.at(node, "a judge reads .plant")
        if isinstance(node, ast.Constant) and node.value == "plant":
            yield source.at(node, "a judge reads the key 'plant'")


def clock_constants(node: ast.AST) -> set[str]:
    """`from harness.clock import NS_PER_S` takes a number, not a clock."""
    constant = isinstance(node, ast.ImportFrom) and all(alias.name.isupper() for alias in node.names)
    return imports(node) if constant and "harness.clock" in imports(node) else set()


def entry_nodes(source: Source) -> set[ast.AST]:
    """The nodes where a process begins and its environment comes in: the `__main__` block, and a target app's main."""
    target_app = source.path.parts[0] == "target-app"
    return {
        node
        for statement in source.tree.body
        if (isinstance(statement, ast.If) and "__main__" in ast.dump(statement.test))
        or (target_app and isinstance(statement, ast.FunctionDef) and statement.name == "main")
        for node in ast.walk(statement)
    }


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Every function and method."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def length(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines from `def` to the end."""
    return (node.end_lineno or node.lineno) - node.lineno + 1


def imports(node: ast.AST) -> set[str]:
    """Modules, and what is taken from them as `module.name`, that one statement imports."""
    if isinstance(node, ast.Import):
        return {alias.name for alias in node.names}
    if isinstance(node, ast.ImportFrom) and node.module:
        return {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return set()


def dotted(node: ast.AST) -> str:
    """`a.b.c` of a name or attribute; "" for anything else."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        inner = dotted(node.value)
        return f"{inner}.{node.attr}" if inner else f".{node.attr}"
    return ""


JUDGE = "harness/judge/alert.py"
DRIVE = "harness/drive/trial.py"
LONG = "def f():\n" + "    x = 1\n" * 70
# (rule, path, a snippet that breaks it, a snippet that just does not)
RULES: list[tuple[Rule, str, str, str]] = [
    (function_length, DRIVE, LONG, LONG.removesuffix("    x = 1\n")),
    (module_docstring, DRIVE, "x = 1\n", '"""What for."""\nx = 1\n'),
    (clock_and_chance, DRIVE, "import time", "import timeit"),
    (clock_and_chance, DRIVE, "from time import sleep", "from harness.clock import sleep"),
    (clock_and_chance, DRIVE, "import os\nx = os.environ['A']", "import os\nx = os.fsync(1)"),
    (clock_and_chance, DRIVE, "def main(): os.environ", "if __name__ == '__main__': main(os.environ)"),
    (clock_and_chance, "target-app/a/serve.py", "def f(): os.environ", "def main(): os.environ"),
    (clock_and_chance, DRIVE, "from os import getenv", "from os import fsync"),
    (clock_and_chance, DRIVE, "import random\nx = random.random()", "import random\nx = random.Random(7).random()"),
    (clock_and_chance, DRIVE, "from random import choice", "from random import Random"),
    (clock_and_chance, DRIVE, "x = datetime.now(UTC)", "x = datetime.fromtimestamp(1, UTC)"),
    (broad_except, DRIVE, "try:\n  f()\nexcept Exception:\n  g()", "try:\n  f()\nexcept Exception:\n  g()\n  raise"),
    (broad_except, DRIVE, "try:\n  f()\nexcept:\n  g()", "try:\n  f()\nexcept OSError:\n  g()"),
    (broad_except, DRIVE, "try:\n  f()\nexcept (OSError, BaseException):\n  g()", "try:\n  f()\nfinally:\n  g()"),
    (prints, DRIVE, "print(1)", "if __name__ == '__main__':\n  print(1)"),
    (bare_durations, DRIVE, "timeout = 1", "timeout_s = 1"),
    (bare_durations, DRIVE, "def f(poll_interval): ...", "def f(poll_interval_s): ..."),
    (bare_durations, DRIVE, "class A:\n  delay: float", "x = get(url, timeout=1)"),
    (bare_durations, DRIVE, "def f(interval: float | None): ...", "def f(interval: tuple[float, float]): ..."),
    (bare_durations, DRIVE, "class A:\n  timeout: Annotated[float, Meta(gt=0)]", "self.interval = Interval(1, 2)"),
    (bare_durations, DRIVE, "self.interval = 60 * 5", "self.interval_s = 60 * 5"),
    (bare_durations, DRIVE, "RETRY_DELAY = 1", "RETRY_DELAY_S = 1"),
    (judge_is_pure, JUDGE, "import os", "import numpy"),
    (judge_is_pure, JUDGE, "from os import path", "from harness.evidence import run"),
    (judge_is_pure, JUDGE, "from harness import clock", "from harness import errors"),
    (judge_is_pure, JUDGE, "from harness.clock import monotonic_ns", "from harness.clock import NS_PER_S, NS_PER_MS"),
    (judge_is_pure, JUDGE, "import urllib.request", "import math"),
    (judge_is_pure, JUDGE, "x = manifest['plant']", "x = manifest['planted_by']"),
    (judge_is_pure, JUDGE, "x = experiment.plant", "x = experiment.plan"),
]


@cache
def sources() -> list[Source]:
    """Every Python file of the product."""
    paths = sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))
    return [Source(PurePosixPath(path.relative_to(ROOT)), path.read_text()) for path in paths]


@pytest.mark.parametrize(("rule", "path", "bad", "good"), RULES)
def test_rule_sees_the_planted_and_passes_the_near_miss(rule: Rule, path: str, bad: str, good: str) -> None:
    """Each rule names the planted problem with its place, and nothing in the snippet that just keeps it."""
    found = list(rule(Source(PurePosixPath(path), bad)))
    assert [True] == [problem.startswith(f"{path}:") for problem in found[:1]]
    assert [] == list(rule(Source(PurePosixPath(path), good)))


@pytest.mark.parametrize("rule", sorted({rule for rule, *_ in RULES}, key=lambda rule: rule.__name__))
def test_product_keeps_the_rule(rule: Rule) -> None:
    """No file of the product breaks the rule; the message lists every place."""
    problems = [problem for source in sources() for problem in rule(source)]
    assert not problems, "\n".join([str(rule.__doc__), *problems])


def test_ratchet_only_shrinks() -> None:
    """Every entry of the ratchet is a function that is still over the limit and exactly as long as the entry says."""
    found = {f"{source.path}:{node.name}": length(node) for source in sources() for node in functions(source.tree)}
    assert OVERLONG == {name: found.get(name) for name in OVERLONG}
    assert min(OVERLONG.values(), default=FUNCTION_LINES_MAX + 1) > FUNCTION_LINES_MAX


def test_functions_are_short_on_the_whole() -> None:
    """Half of all functions have at most 12 lines, nine in ten at most 40, and a judge's nine in ten at most 35."""
    all_lengths = {source.path: [length(node) for node in functions(source.tree)] for source in sources()}
    lengths = [count for counts in all_lengths.values() for count in counts]
    judges = [count for path, counts in all_lengths.items() if "judge" in path.parts for count in counts]
    assert len(lengths) > 100, "the product's functions were not found"
    assert statistics.median(lengths) <= 12
    assert statistics.quantiles(lengths, n=10)[-1] <= 40
    assert statistics.quantiles([*judges, 1, 1], n=10)[-1] <= 35
