"""Registries of adapters."""

from __future__ import annotations

import pytest

from harness.drive import alerts
from harness.drive.registry import Registry
from harness.errors import UsageError

REGISTRY = Registry("part", "harness.no_such_group", {"join": "os.path:join", "upper": "builtins:str.upper"})


def test_built_in_kinds_are_listed_sorted():
    """Known kinds in a fixed order."""
    assert REGISTRY.known() == ("join", "upper")


@pytest.mark.parametrize(("kind", "argument", "expected"), [("upper", "a", "A"), ("join", "a", "a")])
def test_a_kind_gives_what_builds_it(kind, argument, expected):
    """A module's attribute, and an attribute of it."""
    assert expected == REGISTRY.factory(kind)(argument)


def test_an_unknown_kind_is_refused_with_the_nearest():
    """The message names the part, what was given and what is known."""
    with pytest.raises(UsageError, match="part 'joint' is unknown; known: join, upper; did you mean 'join'"):
        REGISTRY.factory("joint")


def test_foreign_kinds_come_from_the_entry_point_group():
    """The console scripts stand for other people's adapters: their names are known and they load."""
    registry = Registry("command", "console_scripts", {})
    assert "pytest" in registry.known()
    assert callable(registry.factory("pytest"))


def test_a_foreign_kind_does_not_take_a_built_ins_name():
    """What happens to be installed does not change what a built-in kind means."""
    registry = Registry("command", "console_scripts", {"pytest": "os.path:join"})
    assert registry.factory("pytest")("a") == "a"


def test_alert_sources_are_built_by_kind(build):
    """The kind prometheus is Prometheus with its Alertmanager."""
    parts = alerts.build("prometheus", build().endpoints)
    parts.close()
    assert isinstance(parts.metrics, alerts.Prometheus)
    assert isinstance(parts.receivers, alerts.Alertmanager)
    assert alerts.known() == ("prometheus",)
