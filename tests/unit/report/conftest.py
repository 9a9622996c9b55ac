"""Fixtures of the report's tests: the literal trials, and golden files that `--update-golden` writes anew.

`pytest tests/unit/report --update-golden`, then read the difference before it is committed.
"""

import importlib.util
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
GOLDEN = HERE.parents[1] / "golden" / "report"


def pytest_addoption(parser):
    parser.addoption("--update-golden", action="store_true", help="write the report's golden files anew")


def load_trials():
    """The module beside this file; tests are no package, so it is loaded by its path."""
    name = "report_trials"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, HERE / "trials.py")
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
    return sys.modules[name]


@pytest.fixture(scope="session")
def trials():
    """The module of literal trials."""
    return load_trials()


@pytest.fixture
def golden(request):
    """Compare bytes with a golden file, or write it anew under `--update-golden`."""

    def compare(name, found):
        path = GOLDEN / name
        # The option is unknown where pytest was started above this folder.
        if request.config.getoption("--update-golden", default=False):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(found)
        return path.read_bytes()

    return compare
