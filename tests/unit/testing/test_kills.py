"""The list of strikes: what is in it, that its selection tries every pair, and how results are drawn."""

from __future__ import annotations

import pytest

from harness.testing import kills
from harness.testing.kills import Strike

DOCUMENT = f"# Title\n\n{kills.BEGIN}\nold\n{kills.END}\n\nAfter.\n"


def result(**changes):
    return {"left": [], "healed_s": 1.26, "verdict": "INCONCLUSIVE", "exit_code": 130, **changes}


def test_everybody_is_killed_at_every_moment_of_killing():
    """Commands, guard and parts, at four moments; the commands also get both signals at all eight, once and twice."""
    strikes = kills.every()
    killed = {(one.victim, one.moment) for one in strikes if one.signal == kills.KILL}
    victims = {"harness", "chaos", "guard", "load", "stepper", "envoy", "prometheus", "stable-1"}
    assert {(victim, moment) for victim in victims for moment in kills.KILL_MOMENTS} == killed
    assert 8 * 4 + 2 * 2 * 8 * 2 == len(strikes) == len({one.name for one in strikes})


def test_selection_tries_every_pair():
    """What the selection leaves out adds no pair of two properties."""
    every = kills.every()
    chosen = kills.pairwise(every)
    assert set().union(*map(kills.pairs, every)) == set().union(*map(kills.pairs, chosen))
    assert len(chosen) < len(every) / 3
    assert {one.victim for one in every} == {one.victim for one in chosen}


def test_selection_is_the_same_each_time_and_in_the_order_of_the_list():
    """The selection is a part of the list, drawn without chance."""
    every = kills.every()
    chosen = kills.pairwise(every)
    assert chosen == kills.pairwise(every)
    assert [one for one in every if one in chosen] == list(chosen)


def test_name_says_all_of_it():
    """Signal, victim, moment, and twice."""
    assert "INT-chaos-open-twice" == Strike("chaos", "INT", "open", 2).name
    assert "KILL-envoy-fault" == Strike("envoy", "KILL", "fault").name


def test_table_shows_what_was_left_and_what_was_not_run():
    """A result is one row; a strike without one says so; what was left is named."""
    table = kills.table(
        {"INT-harness-open": result(), "KILL-envoy-fault": result(left=["port 20001"], verdict="FAIL", exit_code=1)}
    ).splitlines()
    assert len(kills.every()) + 2 == len(table)
    assert "| harness | SIGINT | open | nothing | 1.3 s | INCONCLUSIVE | 130 |" in table
    assert "| envoy | SIGKILL | fault | port 20001 | 1.3 s | FAIL | 1 |" in table
    assert "| chaos | SIGTERM twice | close | not run | | | |" in table


def test_summary_counts_and_gives_median_and_slowest():
    """How many, how many of them clean, and how long it took."""
    results = {
        "INT-harness-open": result(healed_s=0.5),
        "INT-harness-baseline": result(healed_s=2.0),
        "KILL-envoy-fault": result(healed_s=9.0, left=["port 20001"]),
    }
    assert (
        "3 of 96 strikes were run; 2 left nothing within 10 s. Half were healed and sealed within 2.0 s, "
        "the slowest within 9.0 s." == kills.summary(results)
    )
    assert "None of the 96 strikes has been run." == kills.summary({})


def test_document_keeps_what_stands_around_the_table():
    """Only what is between the marks is drawn anew, and drawing twice changes nothing."""
    drawn = kills.drawn(DOCUMENT, {"INT-harness-open": result()})
    assert drawn.startswith("# Title\n\n")
    assert drawn.endswith("\n\nAfter.\n")
    assert "old" not in drawn
    assert drawn == kills.drawn(drawn, {"INT-harness-open": result()})


def test_document_without_marks_is_refused():
    """A table that would go nowhere is a mistake of the caller."""
    with pytest.raises(AssertionError, match="lacks"):
        kills.drawn("# Title\n", {})
