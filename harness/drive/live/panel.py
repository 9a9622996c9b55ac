"""The panel on a terminal, and the only module with rich.

It is drawn at most four times a second, and only when something that it shows has changed; its height never changes.
At the end it is taken away and the lines of what stood out stay, as plain output has them.

Not covered: a terminal lower than 23 lines, where rich cuts the panel at the bottom.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from rich import box
from rich.console import Console, Group, RenderableType
from rich.live import Live as Drawn
from rich.panel import Panel as Frame
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from harness.clock import NS_PER_MS
from harness.drive.live.state import RECENT_COUNT_MAX, TRACKS, State
from harness.drive.live.views import event_line, minutes
from harness.evidence.format import PHASES
from harness.evidence.timeline import Event

DRAW_NS_MIN: Final = 250 * NS_PER_MS
# Wider, the eye loses the line; bars are no finer for it.
COLUMNS_MAX: Final = 110
_NAME_COLUMNS: Final = 8
_PHASE_COLUMNS_MIN: Final = 6  # " 100 s": nothing moves when a phase grows long
_ALERT_STYLES: Final = {"pending": "yellow", "firing": "bold red"}


class Panel:
    """A view. `write` takes the lines that stay, `tell` the notes that do; `hint` stands at the panel's foot."""

    def __init__(
        self, console: Console, title: str, hint: str, write: Callable[[str], None], tell: Callable[[str], None]
    ) -> None:
        self._console = console
        self._title = title
        self._hint = hint
        self._write = write
        self._tell = tell
        self._lines: list[str] = []
        self._notes: list[str] = []
        self._drawn: Drawn | None = None
        self._drawn_ns = 0
        self._shown: tuple[State, int, str] | None = None

    def event(self, state: State, event: Event) -> None:
        """Keep its line for the end."""
        if line := event_line(state, event):
            self._lines.append(line)

    def refresh(self, state: State, now_ns: int) -> None:
        """Draw, where it is time and something is new."""
        foot = self._notes[-1] if self._notes else self._hint
        shows = (state, int(state.since_opened_s(now_ns)), foot)
        if shows == self._shown or now_ns - self._drawn_ns < DRAW_NS_MIN:
            return
        self._shown, self._drawn_ns = shows, now_ns
        if self._drawn is None:
            self._drawn = Drawn(
                console=self._console, auto_refresh=False, transient=True, redirect_stdout=False, redirect_stderr=False
            )
            self._drawn.start()
        width = min(self._console.width, COLUMNS_MAX)
        self._drawn.update(render(state, now_ns, self._title, foot, width), refresh=True)

    def note(self, text: str) -> None:
        """At the panel's foot, and beside the lines at the end."""
        self._notes.append(text)

    def end(self) -> None:
        """Take the panel away, write what stays."""
        if self._drawn is not None:
            self._drawn.stop()
            self._drawn = None
        for text in self._notes:
            self._tell(text)
        for line in self._lines:
            self._write(line)


def render(state: State, now_ns: int, title: str, foot: str, columns: int) -> RenderableType:
    """The panel at `now_ns` (CLOCK_MONOTONIC), in so many columns; no line of it is ever folded."""
    bars_columns = columns - 4 - _NAME_COLUMNS - 10
    weights, recent = _weights(state, bars_columns), Group(*_recent(state))
    return Frame(
        Group(_phases(state, now_ns), Text(), weights, _versions(state), _facts(state), Text(), recent),
        title=Text(f"{title}  {minutes(state.since_opened_s(now_ns))}", style="bold"),
        title_align="left",
        subtitle=Text(foot, style="dim"),
        subtitle_align="left",
        box=box.ROUNDED,
        width=columns,
    )


def _phases(state: State, now_ns: int) -> Table:
    """The eight phases side by side, the current one marked; below each its seconds so far."""
    took_s = state.phases_s(now_ns)
    table = Table.grid(padding=(0, 1, 0, 0))
    names, seconds = [], []
    for name in PHASES:
        table.add_column(no_wrap=True, min_width=_PHASE_COLUMNS_MIN)
        style = "bold cyan" if name == state.phase else "" if name in took_s else "dim"
        names.append(Text(f"{'>' if name == state.phase else ' '}{name}", style=style))
        seconds.append(Text(f" {took_s[name]:.0f} s" if name in took_s else "", style=style))
    table.add_row(*names)
    table.add_row(*seconds)
    return table


def _weights(state: State, bars_columns: int) -> Table:
    table = _named_rows()
    table.add_column(no_wrap=True, width=8, justify="right")
    table.add_column(no_wrap=True)
    share_percent = state.second.share_percent if state.second else None
    for name, percent in (("weight", state.weight_percent), ("share", share_percent)):
        shown = "-" if percent is None else f"{percent:.1f} %"
        bar = ProgressBar(total=100.0, completed=percent or 0.0, width=bars_columns, finished_style="bar.complete")
        table.add_row(name, shown, bar)
    return table


def _versions(state: State) -> Table:
    """A row for each track, answers of the last second, and one for what was sent."""
    table = _named_rows()
    for width in (14, 12, 10, 12):
        table.add_column(no_wrap=True, overflow="ellipsis", width=width, justify="right")
    table.add_row("", *(Text(head, style="dim") for head in ("version", "requests/s", "errors", "p95")))
    second = state.second
    for name in TRACKS:
        one = second.tracks.get(name) if second else None
        if one is None:
            table.add_row(name, state.versions.get(name, "-"), "-", "-", "-")
            continue
        errors = Text(f"{one.errors_percent:.1f} %", style="bold red" if one.errors_percent else "")
        p95 = "-" if one.p95_ms is None else f"{one.p95_ms:.0f} ms"
        table.add_row(name, one.version, str(one.rate_rps), errors, p95)
    table.add_row("sent", "", str(second.rate_rps) if second else "-", "", "")
    return table


def _facts(state: State) -> Table:
    table = _named_rows()
    table.add_column(no_wrap=True, overflow="ellipsis")
    alerts = [Text(f"{name} {said}", style=_ALERT_STYLES.get(said, "")) for name, said in state.alerts.items()]
    faults = [Text(f"{name} on {', '.join(instances)}", style="yellow") for name, instances in state.faults.items()]
    table.add_row("alerts", Text(", ").join(alerts) if alerts else Text("none", style="dim"))
    table.add_row("faults", Text(", ").join(faults) if faults else Text("none", style="dim"))
    return table


def _recent(state: State) -> list[Text]:
    """What stood out last, the newest at the bottom, always in the same number of lines."""
    lines = [Text(f"{minutes(at_s)} {text}", no_wrap=True, overflow="ellipsis") for at_s, text in state.recent]
    return [*lines, *(Text() for _ in range(RECENT_COUNT_MAX - len(lines)))]


def _named_rows() -> Table:
    table = Table.grid(padding=(0, 1, 0, 0))
    table.add_column(no_wrap=True, width=_NAME_COLUMNS)
    return table
