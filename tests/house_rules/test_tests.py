"""House rules over the tests themselves, each seen failing on a planted snippet."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# This folder plants what it forbids.
OWN = Path(__file__).parent


def waits_by_sleeping(path: str, tree: ast.Module) -> Iterator[str]:
    """A test waits for something to hold, within a bound; it never sleeps and hopes."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and name_of(node.func).rpartition(".")[2] == "sleep":
            yield f"{path}:{node.lineno}: sleeps"


def patches(path: str, tree: ast.Module) -> Iterator[str]:
    """Fakes go in by argument; nothing is patched from outside."""
    for node in ast.walk(tree):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import | ast.ImportFrom) else []
        module = node.module or "" if isinstance(node, ast.ImportFrom) else ""
        if any("mock" in name.split(".") for name in [module, *names]):
            yield f"{path}:{node.lineno}: imports mock"
        if isinstance(node, ast.Attribute) and name_of(node) in {"mock.patch", "mocker.patch", "unittest.mock"}:
            yield f"{path}:{node.lineno}: uses {name_of(node)}"


def skips(path: str, tree: ast.Module) -> Iterator[str]:
    """A test that does not run proves nothing, so none is skipped or expected to fail."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            name = name_of(node)
            if re.fullmatch(r"pytest\.(mark\.)?(skip|skipif|xfail|importorskip)", name):
                yield f"{path}:{node.lineno}: uses {name}"


def says_nothing(path: str, tree: ast.Module) -> Iterator[str]:
    """Every test states the behaviour it expects in a docstring."""
    for test in each_test(tree):
        if not ast.get_docstring(test):
            yield f"{path}:{test.lineno}: {test.name} has no docstring"


def cannot_fail(path: str, tree: ast.Module) -> Iterator[str]:
    """Every test asserts, or expects an error, itself or by a helper of its file or of harness.testing."""
    helpers = asserting(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("harness.testing."):
            module = ROOT / f"{(node.module or '').replace('.', '/')}.py"
            helpers |= {alias.name for alias in node.names} & asserting(ast.parse(module.read_text()))
    for test in each_test(tree):
        if not asserts(test, helpers):
            yield f"{path}:{test.lineno}: {test.name} asserts nothing"


def asserting(tree: ast.Module) -> set[str]:
    """The functions of a file that assert by themselves."""
    kinds = ast.FunctionDef | ast.AsyncFunctionDef
    return {node.name for node in ast.walk(tree) if isinstance(node, kinds) and asserts(node, set())}


def asserts(function: ast.AST, helpers: set[str]) -> bool:
    """Whether a function holds an assert, a pytest.raises or a call of a helper that does."""
    for node in ast.walk(function):
        if isinstance(node, ast.Assert):
            return True
        if isinstance(node, ast.Call):
            called = name_of(node.func)
            if called == "pytest.raises" or called.rpartition(".")[2] in helpers:
                return True
    return False


def each_test(tree: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
            yield node


def name_of(node: ast.AST) -> str:
    """`a.b` of a name or attribute."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return f"{name_of(node.value)}.{node.attr}"
    return ""


Rule = Callable[[str, ast.Module], Iterator[str]]
# (rule, a snippet that breaks it, a snippet that just does not)
RULES: list[tuple[Rule, str, str]] = [
    (waits_by_sleeping, "asyncio.sleep(0)", "event.wait(0.01)"),
    (waits_by_sleeping, "sleep(1)", "clock.sleep_count"),
    (patches, "from unittest import mock", "from harness import clock"),
    (patches, "from unittest.mock import patch", "from unittest import TestCase"),
    (patches, "def f(mocker): mocker.patch('a')", "def f(monkeypatch): monkeypatch.setenv('A', 'b')"),
    (skips, "@pytest.mark.skipif(True)\ndef test_a(): ...", "@pytest.mark.slow\ndef test_a(): ..."),
    (skips, "pytest.skip('why')", "pytest.fail('why')"),
    (says_nothing, "def test_a(): assert f()", "def test_a():\n  '''It holds.'''\n  assert f()"),
    (cannot_fail, "def test_a(): f()", "def test_a():\n  with pytest.raises(OSError): f()"),
    (
        cannot_fail,
        "from harness.testing.cases import near\ndef test_a(): near()",
        "from harness.testing.cases import verify\ndef test_a(): verify(case)",
    ),
    (cannot_fail, "def f(): pass\ndef test_a(): f()", "def f(): assert g()\ndef test_a(): f()"),
]


@pytest.mark.parametrize(("rule", "bad", "good"), RULES)
def test_rule_sees_the_planted_and_passes_the_near_miss(rule: Rule, bad: str, good: str) -> None:
    """Each rule names the planted problem with its place, and nothing in the snippet that just keeps it."""
    assert ["t.py:"] == [problem[:5] for problem in rule("t.py", ast.parse(bad))][:1]
    assert [] == list(rule("t.py", ast.parse(good)))


@pytest.mark.parametrize("rule", sorted({rule for rule, *_ in RULES}, key=lambda rule: rule.__name__))
def test_tests_keep_the_rule(rule: Rule) -> None:
    """No test file breaks the rule; the message lists every place."""
    paths = [path for path in sorted((ROOT / "tests").rglob("*.py")) if OWN not in path.parents]
    assert len(paths) > 5, "the tests were not found"
    problems = [problem for path in paths for problem in rule(str(path.relative_to(ROOT)), ast.parse(path.read_text()))]
    assert not problems, "\n".join([str(rule.__doc__), *problems])
