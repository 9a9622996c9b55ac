"""One line a second of what happens, from the timelines of a running trial. For eyes, never for judgement.

00:31 fault     weight  25 %  share  24 %  118 req/s  stable 0.0 %  canary 31.0 % errors  CanaryErrorRatioHigh pending
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from harness.clock import NS_PER_S
from harness.evidence.format import Kind


class Tail:
    """New whole lines of one timeline file, as objects."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0

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
                found.append(json.loads(line))
        return found


class Live:
    """Follows a run directory and writes a line for each second of load, and one for what stands out."""

    def __init__(self, run_dir: Path, write: Callable[[str], None]) -> None:
        self._write = write
        self._tails = [
            Tail(run_dir / "timeline" / f"{name}.ndjson") for name in ("control", "observer", "stepper", "load")
        ]
        self._opened_ns = 0
        self._phase = "open"
        self._weight = 0.0
        self._alerts: dict[str, str] = {}
        self._versions: dict[str, str] = {}
        self._manifest = run_dir / "manifest.json"

    def show(self) -> None:
        """Write what is new."""
        events = sorted((event for tail in self._tails for event in tail.new()), key=lambda event: int(event["t_ns"]))
        for event in events:
            self._opened_ns = self._opened_ns or int(event["t_ns"])
            line = self._line(event)
            if line:
                self._write(f"{self._since(event)} {line}")

    def _since(self, event: dict[str, Any]) -> str:
        seconds = max(0, (int(event["t_ns"]) - self._opened_ns) // NS_PER_S)
        return f"{seconds // 60:02d}:{seconds % 60:02d}"

    def _line(self, event: dict[str, Any]) -> str:
        match event["kind"]:
            case Kind.PHASE:
                self._phase = event["phase"]
                return f"-- {self._phase}"
            case Kind.WEIGHT_READ:
                self._weight = event["weight"]
            case Kind.ALERT_SEEN:
                self._alerts[event["name"]] = event["state"]
            case Kind.FAULT_ON:
                return f"   fault {event['fault']} on {', '.join(event['instances'])}: {event['arguments']}"
            case Kind.FAULT_HEALED:
                return f"   fault {event['fault']} healed"
            case Kind.DECIDED:
                return f"   decided: {event['decision']} to {event['weight']} %: {event['reason']}"
            case Kind.OUTCOME:
                return f"   outcome: {event['outcome']}"
            case Kind.ERROR:
                return f"   error in {event['where']}: {event['message']}"
            case Kind.INTERRUPTED:
                return f"   interrupted: {event['why']}"
            case Kind.LOAD_TICK:
                return self._tick(event)
        return ""

    def _tick(self, event: dict[str, Any]) -> str:
        counts = {version: _answered(one) for version, one in event["versions"].items()}
        total = sum(counts.values())
        canary = self._tracks().get("canary", "")
        share = f"{100 * counts.get(canary, 0) / total:5.1f} %" if total else "    -  "
        errors = "  ".join(
            f"{track} {_error_percent(event['versions'][version]):4.1f} % errors"
            for track, version in self._tracks().items()
            if version in event["versions"]
        )
        alerts = ", ".join(f"{name} {state}" for name, state in self._alerts.items() if state != "inactive")
        return (
            f"{self._phase:<9} weight {self._weight:5.1f} %  share {share}  {event['sent']:4d} req/s  {errors}"
            f"{'  ' + alerts if alerts else ''}"
        )

    def _tracks(self) -> dict[str, str]:
        """stable and canary by version, once the manifest is there."""
        if not self._versions and self._manifest.exists():
            versions = json.loads(self._manifest.read_text())["versions"]
            self._versions = {track: versions[track] for track in ("stable", "canary")}
        return self._versions


def _answered(counts: dict[str, Any]) -> int:
    return int(counts["ok"] + counts["failed"] + counts["unknown"])


def _error_percent(counts: dict[str, Any]) -> float:
    answered = _answered(counts)
    return 100.0 * (counts["failed"] + counts["unknown"]) / answered if answered else 0.0
