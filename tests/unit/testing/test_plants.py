"""Planted defects: each that is registered promises what it turns a trial into."""

from __future__ import annotations

from importlib.metadata import EntryPoint

import pytest

from harness.drive import prepare
from harness.errors import UsageError
from harness.evidence.finding import Verdict
from harness.plan.target import CHECKS
from harness.study import expected
from harness.testing import plants


def test_every_shipped_plant_promises():
    """Each entry point of ours has a promise: never PASS, its headline among its red checks, each a check there is."""
    ours = {name: point for name, point in prepare.plants().items() if point.value.startswith("harness.testing.")}
    promises = expected.read(ours)
    assert 20 == len(ours) == len(promises)
    assert set(ours) == {name for name, value in vars(plants).items() if hasattr(value, "expected")}
    for promise in promises.values():
        assert promise.verdict is not Verdict.PASS
        assert promise.check in promise.red
        assert set(promise.red) <= set(CHECKS)


def test_plant_that_cannot_be_imported_is_named():
    """A foreign plant that is broken is the user's to mend, and is named with its place."""
    for value in ("no_such_module:x", "harness.testing.plants:no_such_plant"):
        broken = EntryPoint("mine", value, prepare.PLANTS_GROUP)
        with pytest.raises(UsageError, match=f"plant mine: {value} cannot be imported"):
            expected.read({"mine": broken})


def test_plant_without_a_promise_is_no_suites():
    """A plant that promises nothing is left out: no suite can say whether it was found."""
    silent = EntryPoint("silent", "harness.testing.plants:_broken_canary", prepare.PLANTS_GROUP)
    assert {} == expected.read({"silent": silent})


def test_promise_is_read_from_the_function():
    """The decorator leaves the function as it is, with verdict, headline and sorted red checks on it."""

    @plants.expected("FAIL", "rollback", "late", red=("rollback", "alert"))
    def mine(spec):
        return spec

    assert "the same" == mine("the same")
    assert expected.Expected(Verdict.FAIL, "rollback", "late", ("alert", "rollback")) == mine.expected
    assert "FAIL by rollback/late, red: alert, rollback" == str(mine.expected)
