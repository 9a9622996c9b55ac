"""The load's own count of each second, read while it runs: for waiting and for the live view, never for judgement."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Tick:
    """One second: requests sent and answers by version ({"ok", "failed", "unknown", "marked", "refused", "p95_ms"})."""

    second: int
    sent: int
    lag_ms_p99: float
    in_flight: int
    versions: dict[str, dict[str, Any]]

    @property
    def good(self) -> bool:
        """Something was sent, and nothing failed or stayed unknown but for what the service refused with a 4xx.

        A refusal is an answer of a service that is well: after a write that failed, what builds on it is refused.
        """
        bad_count = sum(one["failed"] + one["unknown"] - one.get("refused", 0) for one in self.versions.values())
        return self.sent > 0 and bad_count == 0


class Ticks:
    """Follows `timeline/load.ndjson`; reads only what is new."""

    def __init__(self, run_dir: Path) -> None:
        self._path = run_dir / "timeline" / "load.ndjson"
        self._offset = 0
        self._ticks: list[Tick] = []

    def _follow(self) -> None:
        if not self._path.exists():
            return
        with self._path.open("rb") as file:
            file.seek(self._offset)
            for line in file:
                if not line.endswith(b"\n"):
                    return  # not whole yet
                self._offset += len(line)
                event = json.loads(line)
                if event["kind"] == "load_tick":
                    fields = ("second", "sent", "lag_ms_p99", "in_flight", "versions")
                    self._ticks.append(Tick(*(event[name] for name in fields)))

    def count(self) -> int:
        """Seconds so far."""
        self._follow()
        return len(self._ticks)

    def last(self, count: int) -> list[Tick]:
        """The last `count` seconds, or fewer."""
        self._follow()
        return self._ticks[-count:]

    def good_in_a_row(self) -> int:
        """How many seconds in a row have been good until now."""
        self._follow()
        run = 0
        for tick in reversed(self._ticks):
            if not tick.good:
                break
            run += 1
        return run
