"""What every drawing of the page is made of: a scale in seconds, a panel with a scale of values, lines, texts.

Coordinates are pixels of the drawing's own box, written short, so that a page stays small. Everything is Markup that
has been through the template engine's escaping.

Not covered: what is drawn; see chart.py, panels.py and waterfall.py.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from markupsafe import Markup

from harness.report.series import Floats

WIDE_PX: Final = 1040
NARROW_PX: Final = 360
DOTS_MAX: Final = 200  # more dots than this and they are a thick line
LETTER_PX: Final = 7.4  # mean width of a letter at 12 px in DejaVu Sans, the widest of the usual fonts: what fits
TITLE_LETTER_PX: Final = 8.3  # the same at 13 px bold
TICK_STEPS_S: Final = (1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1800, 3600)
TICK_PX_MIN: Final = 75.0  # a label every 75 px leaves room between them
LEFT_PX, RIGHT_PX = 46.0, 12.0


@dataclass(frozen=True, slots=True)
class Frame:
    """Seconds -> x in one drawing. `prefix` keeps its element ids apart from those of another."""

    width: float
    from_s: float
    to_s: float
    prefix: str

    def x(self, at_s: float) -> float:
        """The place of an instant, kept inside the drawing."""
        inside = min(max(at_s, self.from_s), self.to_s)
        return LEFT_PX + (inside - self.from_s) / (self.to_s - self.from_s) * (self.right - LEFT_PX)

    @property
    def right(self) -> float:
        """Where the scale ends."""
        return self.width - RIGHT_PX

    @property
    def narrow(self) -> bool:
        """Whether texts must be short."""
        return self.width < WIDE_PX


@dataclass(frozen=True, slots=True)
class Panel:
    """y runs from `top` (value `full`) to `bottom` (value `least`), on a log scale where `least` is above 0."""

    top: float
    bottom: float
    full: float
    least: float = 0.0

    def y(self, value: float) -> float:
        """The place of a value, kept inside the panel."""
        part = value / self.full
        if self.least > 0:
            part = math.log(max(value, self.least) / self.least) / math.log(self.full / self.least)
        return self.bottom - min(max(part, 0.0), 1.0) * (self.bottom - self.top)


def n(value: float, digits: int = 1) -> str:
    """A coordinate: short, and never `-0`."""
    return f"{round(value, digits) + 0.0:.{digits}f}".rstrip("0").rstrip(".")


def points(pairs: Iterable[tuple[float, float]]) -> str:
    """The value of a `points` attribute."""
    return " ".join(f"{n(x)},{n(y)}" for x, y in pairs)


def at(value_s: float) -> str:
    """Seconds in a text, to a tenth."""
    return f"{round(value_s, 1) + 0.0:.1f}"


def text(x: float, y: float, said: str, kind: str, anchor: str = "start") -> Markup:
    """One line of text."""
    return Markup('<text class="{}" x="{}" y="{}" text-anchor="{}">{}</text>').format(kind, n(x), n(y), anchor, said)


def rect(kind: str, x: float, y: float, width: float, height: float, fill: str = "") -> Markup:
    """A box; `fill` is an attribute where the style sheet cannot give it, as for a pattern of this drawing."""
    filled = Markup(' fill="{}"').format(fill) if fill else ""
    return Markup('<rect class="{}" x="{}" y="{}" width="{}" height="{}"{}/>').format(
        kind, n(x), n(y), n(width), n(height), filled
    )


def runs(values: Floats) -> list[list[int]]:
    """Indices of neighbouring values that are numbers."""
    found: list[list[int]] = []
    for row, value in enumerate(values):
        if math.isnan(value):
            continue
        if not found or found[-1][-1] != row - 1:
            found.append([])
        found[-1].append(row)
    return found


def nice_ceiling(value: float) -> float:
    """The least of 1, 2, 4, 6, 8, 10 times a power of ten that is not under the value: its half is round too."""
    if value <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in (1, 2, 4, 6, 8, 10) if step * power >= value * (1 - 1e-9))


def spread(wanted: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Places at least `gap` apart, in the order of `wanted` (ascending), as near to it as that allows.

    Neighbours that collide form a block around the mean of what they want, as in isotonic regression.
    """
    blocks: list[list[float]] = []  # [sum of wanted starts, number of members]
    for number, place in enumerate(wanted):
        blocks.append([place - number * gap, 1])
        while len(blocks) > 1 and blocks[-2][0] / blocks[-2][1] > blocks[-1][0] / blocks[-1][1]:
            total, members = blocks.pop()
            blocks[-1][0] += total
            blocks[-1][1] += members
    starts = [total / members for total, members in blocks for _ in range(int(members))]
    room = high - gap * (len(wanted) - 1)
    return [max(min(start, room), low) + number * gap for number, start in enumerate(starts)]


def ticks(frame: Frame) -> Iterator[float]:
    """Round seconds inside the frame, with room for their labels."""
    length_s = frame.to_s - frame.from_s
    most = frame.width / TICK_PX_MIN
    step_s = next((step for step in TICK_STEPS_S if length_s / step <= most), length_s)
    for number in range(math.ceil(frame.from_s / step_s), math.floor(frame.to_s / step_s) + 1):
        yield number * step_s
