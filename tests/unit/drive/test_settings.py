"""Settings: order of precedence, origins, and misspelt names."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness import settings
from harness.errors import UsageError


def test_option_beats_environment_beats_default():
    """The command line wins over HARNESS_*, which wins over the default; each value keeps its origin."""
    found = settings.load({"seed": "3", "profile": None}, {"HARNESS_SEED": "4", "HARNESS_PROFILE": "S"})
    assert ("3", "--seed") == (found["seed"], found.origins["seed"])
    assert ("S", "HARNESS_PROFILE") == (found["profile"], found.origins["profile"])
    assert ("reports", "default") == (found["reports_dir"], found.origins["reports_dir"])


def test_misspelt_setting_is_refused():
    """A HARNESS_ name that is no setting is an error with the nearest known one."""
    with pytest.raises(UsageError, match=r"HARNESS_SEDE: no such setting; .*did you mean 'seed'"):
        settings.load({}, {"HARNESS_SEDE": "4"})


@pytest.mark.parametrize("text", ["abc", "5", "nan", "100000"])
def test_number_out_of_bounds_is_refused(text):
    """A number that is none or out of bounds is named with its origin."""
    found = settings.load({}, {"HARNESS_TRIAL_S_MAX": text})
    with pytest.raises(UsageError, match=r"HARNESS_TRIAL_S_MAX: trial_s_max is .*, must be a number from 10 to 3600"):
        found.number("trial_s_max", 10, 3600)


def test_a_secret_is_used_and_not_shown():
    """Who is told is a URL with a password in it: its users get it, the manifest does not."""
    found = settings.load({}, {"HARNESS_NOTIFY": "json://user:secret@127.0.0.1/"})
    assert "json://user:secret@127.0.0.1/" == found["notify"]
    assert {"value": "***", "origin": "HARNESS_NOTIFY"} == found.documented()["notify"]


def test_options_go_on_to_children():
    """What options gave reaches a child as HARNESS_*, and nothing else is added."""
    found = settings.load({"seed": "3"}, {"PATH": "/bin"})
    assert {"PATH": "/bin", "HARNESS_SEED": "3", "HARNESS_COMMAND": "x"} == settings.child_environment(
        found, command="x"
    )


def test_cache_of_a_checkout_and_of_a_user():
    """A setting names the cache; without one a checkout has its own."""
    assert Path("/c") == settings.cache_dir(settings.load({}, {"HARNESS_CACHE_DIR": "/c"}))
    assert ".cache" == settings.cache_dir(settings.load({}, {})).name
