"""Kits by name, found as installed packages register them."""

import sys

import pytest

from harness.drive.target import known_kits, load_kit
from harness.errors import MissingPartError, UsageError


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """Two registered kits: one that works, one whose module is not there."""
    info = tmp_path / "two_kits-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: two-kits\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[harness.targets]\ncargo = cargo_kit:Kit\ngone = gone_kit:Kit\n")
    (tmp_path / "cargo_kit.py").write_text("class Kit:\n    def __init__(self, size=1):\n        self.size = size\n")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    yield
    sys.modules.pop("cargo_kit", None)


def test_a_kit_is_built_with_its_arguments(installed):
    """The registered class is called with what load_kit is given."""
    assert 4 == load_kit("cargo", size=4).size


def test_installed_kits_are_known(installed):
    """Names of the group, sorted, each once."""
    names = known_kits()
    assert {"cargo", "gone"} <= set(names)
    assert sorted(set(names)) == list(names)


def test_an_unknown_name_is_refused_with_the_nearest(installed):
    """A typo is answered with the known names and the likely one."""
    with pytest.raises(UsageError, match=r"kit 'crago' is not installed; known: cargo, gone.*did you mean 'cargo'"):
        load_kit("crago")


def test_a_kit_without_its_package_is_a_missing_part(installed):
    """Registered but not importable: the message names the module."""
    with pytest.raises(MissingPartError, match=r"kit 'gone' is registered as gone_kit:Kit but cannot be imported"):
        load_kit("gone")
