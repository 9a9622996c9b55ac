"""Follows the timelines of a run directory: what is new goes into the state, event by event, and to a view."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from harness import clock
from harness.drive.live.state import TRACKS, State
from harness.drive.live.views import View
from harness.evidence import timeline
from harness.evidence.format import Kind
from harness.evidence.timeline import Event


class Tail:
    """New whole lines of one timeline file, as objects. A line that is no event becomes an error event of its own."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0
        self._last_ns = 0

    def new(self) -> list[dict[str, Any]]:
        """What was appended since the last call."""
        if not self._path.exists():
            return []
        found: list[dict[str, Any]] = []
        with self._path.open("rb") as file:
            file.seek(self._offset)
            for line in file:
                if not line.endswith(b"\n"):
                    break
                self._offset += len(line)
                found.append(self._record(line))
        return found

    def _record(self, line: bytes) -> dict[str, Any]:
        try:
            record: dict[str, Any] = json.loads(line)
            Kind(record["kind"])
            self._last_ns = int(record["t_ns"])
        except (ValueError, KeyError, TypeError) as error:
            says = {"where": f"timeline/{self._path.name}", "message": f"a line cannot be read: {error}"}
            return {"t_ns": self._last_ns, "source": "watcher", "kind": Kind.ERROR, **says}
        return record


class Live:
    """Follows a run directory, from its beginning on."""

    def __init__(self, run_dir: Path, view: View) -> None:
        self._run_dir = run_dir
        self._view = view
        self._tails: dict[Path, Tail] = {}
        self._state = State()

    def show(self) -> None:
        """Hand on what is new; what several files have of one look comes in order."""
        self._learn_versions()
        for event in self._new():
            self._hand_on(event)
        self._view.refresh(self._state, clock.monotonic_ns())

    def _hand_on(self, event: Event) -> None:
        """An event that lacks what it should have is shown as an error: whoever wrote it must not end who watches."""
        try:
            self._state = self._state.after(event)
            self._view.event(self._state, event)
        except (KeyError, TypeError, ValueError) as error:
            message = f"a {event.kind} event cannot be shown: {type(error).__name__}: {error}"
            says = {"where": f"timeline of {event.source}", "message": message}
            broken = Event(t_ns=event.t_ns, source="watcher", kind=Kind.ERROR, data=says)
            self._state = self._state.after(broken)
            self._view.event(self._state, broken)

    def _new(self) -> list[Event]:
        for path in (self._run_dir / "timeline").glob("*.ndjson"):
            self._tails.setdefault(path, Tail(path))
        records = [record for _, tail in sorted(self._tails.items()) for record in tail.new()]
        return sorted(map(timeline.of_record, records), key=lambda event: event.t_ns)

    def _learn_versions(self) -> None:
        """stable and canary by version, once the manifest is there."""
        path = self._run_dir / "manifest.json"
        if not self._state.versions and path.exists():
            versions = json.loads(path.read_text())["versions"]
            self._state = replace(self._state, versions={track: versions[track] for track in TRACKS})
