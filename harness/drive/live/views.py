"""What a watcher is shown: plain lines, or one JSON object a line. docs/reference/live-output.md has the objects.

00:31 fault     weight  25 %  share  24 %  118 req/s  stable 0.0 %  canary 31.0 % errors  CanaryErrorRatioHigh pending

A view is told of every event with the state after it, so what it writes depends on the timelines alone: a trial that is
followed and one that is read afterwards give the same lines.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Final, Protocol

from harness.drive.live.state import State, says
from harness.evidence.finding import Findings
from harness.evidence.format import Kind
from harness.evidence.timeline import Event

# What has a line between the lines of the seconds, which name the alerts themselves. Scripts read these: no other kind
# joins them.
_BETWEEN_SECONDS: Final = frozenset(
    {Kind.PHASE, Kind.FAULT_ON, Kind.FAULT_HEALED, Kind.DECIDED, Kind.OUTCOME, Kind.ERROR, Kind.INTERRUPTED}
)


class View(Protocol):
    """Shows one trial."""

    def event(self, state: State, event: Event) -> None:
        """One more event, with the state after it."""
        ...

    def refresh(self, state: State, now_ns: int) -> None:
        """Called several times a second; `now_ns` is CLOCK_MONOTONIC."""
        ...

    def note(self, text: str) -> None:
        """A word to the person who watches, which is no part of the trial."""
        ...

    def end(self) -> None:
        """Nothing comes any more; what stays is written."""
        ...


class Lines:
    """A line for what stands out and, with `seconds`, one for each second of load."""

    def __init__(self, write: Callable[[str], None], tell: Callable[[str], None], seconds: bool = True) -> None:
        self._write = write
        self._tell = tell
        self._seconds = seconds

    def event(self, state: State, event: Event) -> None:
        """Write its line, if it has one."""
        if event.kind is Kind.LOAD_TICK and self._seconds:
            self._write(f"{_at(state, event)} {_second_line(state)}")
        elif (not self._seconds or event.kind in _BETWEEN_SECONDS) and (line := event_line(state, event)):
            self._write(line)

    def refresh(self, state: State, now_ns: int) -> None:
        """Lines come with events alone."""

    def note(self, text: str) -> None:
        """Beside the lines."""
        self._tell(text)

    def end(self) -> None:
        """Everything is written already."""


class Objects:
    """One JSON object a line for what stands out and for each second of load."""

    def __init__(self, write: Callable[[str], None], tell: Callable[[str], None]) -> None:
        self._write = write
        self._tell = tell

    def event(self, state: State, event: Event) -> None:
        """Write its object, if it has one."""
        if event.kind is Kind.LOAD_TICK:
            self._write(json.dumps(second_object(state, event)))
        elif text := says(event):
            self._write(json.dumps(_event_object(state, event, text)))

    def refresh(self, state: State, now_ns: int) -> None:
        """Objects come with events alone."""

    def note(self, text: str) -> None:
        """Beside the objects."""
        self._tell(text)

    def end(self) -> None:
        """Everything is written already."""


# -- lines -------------------------------------------------------------------------------------------------------------


def event_line(state: State, event: Event) -> str:
    """One line for what stands out, "" for anything else."""
    if event.kind is Kind.PHASE:
        return f"{_at(state, event)} -- {event.data['phase']}"
    text = says(event)
    return f"{_at(state, event)}    {text}" if text else ""


def minutes(seconds: float) -> str:
    """`mm:ss` since the trial was opened."""
    return f"{int(seconds) // 60:02d}:{int(seconds) % 60:02d}"


def _at(state: State, event: Event) -> str:
    return minutes(state.since_opened_s(event.t_ns))


def _second_line(state: State) -> str:
    second = state.second
    assert second is not None, "a tick has been folded in"
    share = "    -  " if second.share_percent is None else f"{second.share_percent:5.1f} %"
    errors = "  ".join(f"{track} {one.errors_percent:4.1f} % errors" for track, one in second.tracks.items())
    alerts = ", ".join(f"{name} {alert_state}" for name, alert_state in state.alerts.items())
    return (
        f"{state.phase:<9} weight {state.weight_percent:5.1f} %  share {share}  {second.rate_rps:4d} req/s  {errors}"
        f"{'  ' + alerts if alerts else ''}"
    )


# -- objects -----------------------------------------------------------------------------------------------------------


def _event_object(state: State, event: Event, text: str) -> dict[str, Any]:
    at = {"kind": event.kind, "t_s": _t_s(state, event), "phase": state.phase}
    return {**at, "source": event.source, "says": text, "data": event.data}


def second_object(state: State, event: Event) -> dict[str, Any]:
    """The object of one second of load, after its tick."""
    second = state.second
    assert second is not None, "a tick has been folded in"
    return {
        "kind": "second",
        "t_s": _t_s(state, event),
        "phase": state.phase,
        "weight_percent": state.weight_percent,
        "share_percent": _rounded(second.share_percent),
        "rate_rps": second.rate_rps,
        "versions": {
            track: {
                "version": one.version,
                "rate_rps": one.rate_rps,
                "errors_percent": _rounded(one.errors_percent),
                "p95_ms": one.p95_ms,
            }
            for track, one in second.tracks.items()
        },
        "alerts": state.alerts,
        "faults": state.faults,
    }


def verdict_object(findings: Findings, run_dir: str, exit_code: int) -> dict[str, Any]:
    """The last object of a judged trial."""
    headline = findings.headline
    return {
        "kind": "verdict",
        "verdict": findings.verdict,
        "headline": {"check": headline.check, "rule": headline.rule, "says": headline.says},
        "run_dir": run_dir,
        "exit_code": exit_code,
    }


def _t_s(state: State, event: Event) -> float:
    return round(state.since_opened_s(event.t_ns), 3)


def _rounded(percent: float | None) -> float | None:
    return None if percent is None else round(percent, 2)
