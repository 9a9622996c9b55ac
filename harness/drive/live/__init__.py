"""What happens in a running trial, from its timelines. For eyes and for programs that look on, never for judgement.

    follow.py     new lines of the timeline files, folded into the state and handed to a view
    state.py      what a watcher knows after each event                                          (pure)
    views.py      plain lines, and one JSON object a line
    panel.py      the panel on a terminal; the only module that knows rich
    standing.py   whether a trial still runs, is closed, is judged, or is dead

Everything here reads a run directory and changes nothing in it, so any number may follow one trial.
"""

from __future__ import annotations

from harness.drive.live.follow import Live, Tail

__all__ = ["Live", "Tail"]
