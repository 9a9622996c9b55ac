"""The rules' source and the files that are shipped."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from harness.drive.stack import rules

SHIPPED = Path(__file__).parents[3] / "charts" / "porttrack" / "rules"


@pytest.mark.parametrize("timing", rules.TIMINGS.values(), ids=lambda timing: timing.name)
def test_shipped_rules_are_what_the_source_renders(timing):
    """`make rules` was run: the committed file is the rendered text, byte for byte."""
    assert rules.render(timing) == (SHIPPED / f"{timing.name}.yaml").read_text()


def test_every_timing_is_shipped_and_nothing_else():
    """One file for each timing."""
    assert {f"{name}.yaml" for name in rules.TIMINGS} == {path.name for path in SHIPPED.iterdir()}


@pytest.mark.parametrize("timing", rules.TIMINGS.values(), ids=lambda timing: timing.name)
def test_recording_and_alert_rules_stand_in_one_group(timing):
    """A group of its own would give the alert rules another phase."""
    document = yaml.safe_load(rules.render(timing))
    assert len(document["groups"]) == 1
    assert document["groups"][0]["interval"] == f"{timing.evaluation_s}s"


@pytest.mark.parametrize("timing", rules.TIMINGS.values(), ids=lambda timing: timing.name)
def test_a_window_holds_five_scrapes(timing):
    """With five scrapes 2 errors read at most 2.5 and 3 read at least 3: the guard `> 2.5` means 3 errors."""
    assert timing.window_s == 5 * timing.scrape_s


def test_an_unknown_timing_names_the_nearest():
    """A typo is refused with the known names."""
    with pytest.raises(KeyError, match="did you mean 'drill'"):
        rules.timing_of("dril")
