"""The rules' source and the files that are shipped."""

from __future__ import annotations

from pathlib import Path

import msgspec
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
    """The limits of the counts are chosen for five: fewer would stretch 2 errors beyond the limit for 3."""
    assert timing.window_s == 5 * timing.scrape_s


@pytest.mark.parametrize("name", rules.SHARE_RULES)
def test_limits_of_counts_part_one_less_from_the_least(name):
    """On five scrapes in time, counts read 5/4 of themselves: the least count is over its limit, one less is not."""
    rule = rules.SHARE_RULES[name]
    assert 5 / 4 * (rule.count_min - 1) < rule.increase_over < 5 / 4 * rule.count_min


@pytest.mark.parametrize("timing", rules.TIMINGS.values(), ids=lambda timing: timing.name)
def test_a_canary_counts_as_down_only_after_a_whole_window(timing):
    """Requests of before its orderly end have left the window by then."""
    assert timing.window_s <= alerts_of(timing)["CanaryDown"]["for_s"] == timing.down_for_s


@pytest.mark.parametrize("timing", rules.TIMINGS.values(), ids=lambda timing: timing.name)
def test_every_alert_says_what_to_do(timing):
    """What each asks of the controller, by its label `action`."""
    assert {
        "CanaryErrorRatioHigh": "rollback",
        "CanaryLatencyHigh": "rollback",
        "CanaryDown": "rollback",
        "CanaryCpuSaturated": "rollback",
        "CanaryMemorySaturated": "rollback",
        "ServiceErrorRatioHigh": "hold",
        "Watchdog": "none",
    } == {name: alert["action"] for name, alert in alerts_of(timing).items()}


def test_a_timing_says_what_its_share_rules_are():
    """What the bounds on detection are computed from, as it stands in a manifest: plain values alone."""
    plain = msgspec.to_builtins(rules.DRILL)
    words = {"share_over": 0.05, "count_min": 3, "times_stable": 3, "increase_over": 2.9, "was_nought": True}
    assert words == plain["share_rules"]["CanaryErrorRatioHigh"]
    assert {"CanaryErrorRatioHigh", "CanaryLatencyHigh"} == set(plain["share_rules"])


def alerts_of(timing):
    """Alert -> its action and its `for` in seconds, 0 without one."""
    (group,) = yaml.safe_load(rules.render(timing))["groups"]
    return {
        rule["alert"]: {"action": rule["labels"]["action"], "for_s": int(rule.get("for", "0s").removesuffix("s"))}
        for rule in group["rules"]
        if "alert" in rule
    }


def test_an_unknown_timing_names_the_nearest():
    """A typo is refused with the known names."""
    with pytest.raises(KeyError, match="did you mean 'drill'"):
        rules.timing_of("dril")
