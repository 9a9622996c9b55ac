"""Following a run directory that somebody else writes."""

from __future__ import annotations

import json

from harness.drive.live import follow


class Seen:
    """A view that keeps what it is shown."""

    def __init__(self):
        self.events = []

    def event(self, state, event):
        self.events.append(event)

    def refresh(self, state, now_ns):
        pass


def test_an_event_that_lacks_a_part_is_shown_as_an_error(tmp_path):
    """A foreign controller's record without a reason ends nobody who watches, and what follows is shown."""
    (tmp_path / "timeline").mkdir()
    lines = [
        {"t_ns": 1, "source": "stepper", "kind": "decided", "decision": "step", "weight": 5},
        {"t_ns": 2, "source": "control", "kind": "phase", "phase": "detect"},
    ]
    (tmp_path / "timeline" / "stepper.ndjson").write_text("".join(json.dumps(line) + "\n" for line in lines))
    seen = Seen()
    follow.Live(tmp_path, seen).show()
    assert ["error", "phase"] == [str(event.kind) for event in seen.events]
    assert "a decided event cannot be shown: KeyError: 'reason'" == seen.events[0].data["message"]
