"""The panel: what stands in it, that it fits, and that it is drawn no oftener than it should be."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from rich.console import Console

from harness.drive.live.panel import COLUMNS_MAX, DRAW_NS_MIN, Panel, render
from harness.drive.live.state import State
from harness.testing import histories as h

HINT = "Ctrl-C ends the watching, not the trial"
HEIGHT = 22
LONG = "CanaryAlertWithANameThatIsLongerThanAnyTerminalThatSomebodyWouldReadItOnInOneGlance"


def drawn(state, columns):
    """The panel's lines on a terminal of so many columns."""
    console = Console(
        width=columns, height=40, record=True, file=io.StringIO(), color_system=None, legacy_windows=False
    )
    console.print(render(state, h.at_ns(14.1), "20260102T030405Z-canary-5xx-0a1b2c", HINT, min(columns, COLUMNS_MAX)))
    return console.export_text().splitlines()


def states(steps):
    """The state of an empty trial, of every event of a whole one, and of one in which every word is too long."""
    state = steps(14.1)[-1][0]
    crowded = replace(
        state,
        versions={"stable": "v" * 90, "canary": "w" * 90},
        alert_states={LONG: "firing", f"{LONG}2": "pending"},
        broken=tuple(("http_5xx", f"canary-{number}") for number in range(40)),
        recent=tuple((1e5, LONG * 4) for _ in range(8)),
        weight_percent=100.0,
    )
    return [State(), crowded, *{id(one): one for one, _ in steps()}.values()]


@pytest.mark.slow
@pytest.mark.parametrize("columns", [80, 120])
def test_panel_fits_without_folding(steps, columns):
    """At 80 and at 120 columns each state takes the same lines, each inside its frame, whatever the words are."""
    for state in states(steps):
        lines = drawn(state, columns)
        assert (HEIGHT, {min(columns, COLUMNS_MAX)}) == (len(lines), {len(line) for line in lines})
        assert "╭╰│" == "".join(sorted({line[0] for line in lines}, key="╭╰│".index))


def test_panel_says_what_happens(steps):
    """Phase, seconds, weight, share, versions, alert, fault and the last events can be read, also without colours."""
    text = "\n".join(drawn(steps(14.1)[-1][0], 80))
    rows = [
        " open   baseline  canary  fault  detect >rollback  verify  close",
        " 5 s    6 s       4 s     1 s    4 s     0 s",
        "weight      0.0 %",
        "share      25.0 % ━━━━━━━━━━━━━━",
        "stable              1.0           15      0.0 %         6 ms",
        "canary              1.1            5     40.0 %         6 ms",
        "sent                              20",
        "alerts   CanaryErrorRatioHigh firing",
        "faults   http_5xx on canary-1",
        "00:19 decided: roll_back to 0 %: CanaryErrorRatioHigh fires for the canary",
        "canary-5xx-0a1b2c  00:20",
        HINT,
    ]
    assert [] == [row for row in rows if row not in text]


class Screen:
    """A terminal in memory, and a panel on it."""

    def __init__(self, **environment):
        self.file = io.StringIO()
        variables = {"TERM": "xterm-256color", **environment}
        console = Console(file=self.file, force_terminal=True, width=80, height=40, _environ=variables)
        self.stays, self.told = [], []
        self.panel = Panel(console, "trial", HINT, self.stays.append, self.told.append)

    def draw_count(self):
        return self.file.getvalue().count("╭")


def test_panel_is_drawn_at_most_four_times_a_second(steps):
    """Polled a hundred times in a second, each time with another state, it is drawn four times."""
    screen = Screen()
    pairs = steps()
    now_ns = h.at_ns(40.0)
    for number in range(100):
        screen.panel.refresh(pairs[number * 3][0], now_ns + number * 10_000_000)
    assert 4 == screen.draw_count()
    assert 250_000_000 == DRAW_NS_MIN


def test_panel_is_not_drawn_when_nothing_has_changed(steps):
    """While only the clock goes on it is drawn once a second, for the seconds that it shows."""
    screen = Screen()
    state = steps()[-1][0]
    for number in range(100):
        screen.panel.refresh(state, h.at_ns(40.0) + number * 100_000_000)
    assert 10 == screen.draw_count()


def test_lines_and_notes_stay_after_the_panel(steps):
    """At the end the panel is wiped and what stood out is written once, the notes beside it."""
    screen = Screen()
    for state, event in steps():
        screen.panel.event(state, event)
        screen.panel.refresh(state, event.t_ns)
    screen.panel.note("interrupted")
    screen.panel.refresh(state, event.t_ns + DRAW_NS_MIN)
    assert "interrupted" in screen.file.getvalue()
    assert ([], []) == (screen.stays, screen.told)
    screen.panel.end()
    assert ["interrupted"] == screen.told
    assert ("00:00 -- open", "00:37 -- close", 16) == (screen.stays[0], screen.stays[-1], len(screen.stays))
    erased, shows_cursor = "\x1b[1A\x1b[2K" * (HEIGHT - 1), "\x1b[?25h"
    assert erased in screen.file.getvalue()[-600:]
    assert shows_cursor in screen.file.getvalue()[-600:]


def test_no_color_is_kept(steps):
    """NO_COLOR takes the colours and leaves the panel."""
    coloured, plain = Screen(), Screen(NO_COLOR="1")
    for screen in (coloured, plain):
        screen.panel.refresh(steps(14.1)[-1][0], h.at_ns(14.1))
    assert ["[1;31m" in screen.file.getvalue() for screen in (coloured, plain)] == [True, False]
    assert 1 == plain.draw_count()
