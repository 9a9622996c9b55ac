"""index.html: one page over a reports folder, that stands alone beside the run directories it links to.

The order is the reader's: how each experiment stands now, each one over time, the planted defects apart, every
trial, what was left out. It has the style and the content policy of a trial's page, and no script: drawings are
stretched to the width that there is, so they hold lines and dots, and every word stands beside them.

Size: a trial costs some 400 bytes, TABLE_ROWS_MAX of them are listed and CHART_RUNS_MAX of an experiment drawn, so that
2,000 trials stay below 950 kB; `harness trend` has them all.

Not covered: sorting and filtering; that is what `harness trend --json` is for.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any, Final

import jinja2
from markupsafe import Markup

from harness.evidence.finding import Verdict
from harness.report import html, words
from harness.study import series
from harness.study.history import History, Interval, Row, ShareError
from harness.study.order import Promises
from harness.study.outcome import judged
from harness.study.series import Change, Group, Measure

TABLE_ROWS_MAX: Final = 2000
PLANTED_ROWS_MAX: Final = 200
LEFT_OUT_MAX: Final = 100
GROUPS_MAX: Final = 24
CHART_RUNS_MAX: Final = 250
WIDTH: Final = 1000.0
HEIGHT: Final = 56.0
LANES: Final = (Verdict.FAIL, Verdict.INCONCLUSIVE, Verdict.PASS)  # from top to bottom
LANE_HEIGHT: Final = 16.0
_MARGIN: Final = 6.0
NOTHING: Final = "–"


@dataclass(frozen=True, slots=True)
class Drawn:
    """One measure of one experiment. Paths are SVG path data; `changes`: what each mark says."""

    measure: Measure
    newest: str
    scale: str
    line: str
    dots: str
    whiskers: str
    marks: str
    zero: str
    changes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Section:
    """One experiment over time. `lanes`: path data of the dots of each verdict."""

    anchor: str
    group: Group
    newest: Row
    tally: str
    standing: str
    first: str
    last: str
    shown: str
    lanes: Mapping[Verdict, str]
    drawn: tuple[Drawn, ...]
    unmeasured: tuple[str, ...]
    changes: tuple[tuple[str, str], ...]  # (measure, what its newest mark says)

    @property
    def is_drawn(self) -> bool:
        """Whether there is anything to compare."""
        return len(self.group.rows) > 1


def page(history: History, folder: str, promises: Promises) -> str:
    """The whole page. `folder`: the reports folder's name, for the heading."""
    style = Markup(html.asset("page.css") + _asset("index.css"))
    rows = [row for row in history.rows if not row.plant]
    planted = [row for row in history.rows if row.plant]
    made = series.groups(rows)
    return _template().render(
        style=style,
        policy=html.policy(str(style)),
        words=words,
        folder=words.plain(folder),
        measures=series.MEASURES,
        lanes=LANES,
        lane_height=LANE_HEIGHT,
        width=WIDTH,
        height=HEIGHT,
        counts=_counts(rows),
        sections=[_section(place, group) for place, group in enumerate(made[:GROUPS_MAX])],
        sections_more=max(0, len(made) - GROUPS_MAX),
        trials_count=len(rows),
        trials=list(_trials(rows)),
        trials_more=max(0, len(rows) - TABLE_ROWS_MAX),
        planted_count=len(planted),
        planted=[(row, *judged(row, promises)) for row in newest_first(planted)[:PLANTED_ROWS_MAX]],
        planted_more=max(0, len(planted) - PLANTED_ROWS_MAX),
        left_out=[(words.plain(one.run), words.plain(one.why)) for one in history.left_out[:LEFT_OUT_MAX]],
        left_out_more=max(0, len(history.left_out) - LEFT_OUT_MAX),
        when=when,
        cause=cause,
    )


def newest_first(rows: Sequence[Row]) -> list[Row]:
    """The rows the other way round."""
    return list(reversed(rows))


def when(opened_utc: str) -> str:
    """`2026-11-25 00:24` of `20261125T002405Z`; the text as it is where it is no such stamp."""
    if len(opened_utc) != 16 or not opened_utc[:8].isdigit():
        return words.plain(opened_utc, 40)
    return f"{opened_utc[:4]}-{opened_utc[4:6]}-{opened_utc[6:8]} {opened_utc[9:11]}:{opened_utc[11:13]}"


def cause(row: Row) -> str:
    """`check / rule` of a red trial, "" of a green one."""
    return words.plain(f"{row.check} / {row.rule}", 60) if row.check else ""


def seconds_cell(interval: Interval | None) -> str:
    """An interval's middle, its half width where that shows at two decimals: `2.24`, `2.24 ± 0.03`."""
    if interval is None:
        return NOTHING
    half = (interval[1] - interval[0]) / 2
    return f"{sum(interval) / 2:.2f}" + (f" ± {half:.2f}" if half >= 0.005 else "")


def share_cell(error: ShareError | None) -> str:
    """Points of percent and the interval: `+0.3 (-1.9 to 2.4)`."""
    return NOTHING if error is None else f"{error.points:+.1f} ({error.lo:.1f} to {error.hi:.1f})"


def count_cell(value: int | None) -> str:
    """A count, or that there is none."""
    return NOTHING if value is None else f"{value:,}"


def change_text(change: Change) -> str:
    """`2026-11-25 00:24 ▲ from 2.31 to 4.98 s (p = 0.004)`."""
    point, unit = change.point, f" {change.measure.unit}" if change.measure.unit else ""
    arrow = "▲" if point.after > point.before else "▼"
    p = f"p = {point.p:.1g}" if point.p >= 0.001 else "p below 0.001"
    return (
        f"{when(change.row.opened_utc)} {arrow} from {words.number(point.before)} to {words.number(point.after)}{unit} "
        f"({p}), {'worse' if change.is_worse else 'better'}"
    )


def _counts(rows: Sequence[Row]) -> list[tuple[Verdict, int]]:
    return [(verdict, sum(row.verdict is verdict for row in rows)) for verdict in reversed(LANES)]


def _trials(rows: Sequence[Row]) -> Iterator[tuple[Row, tuple[str, ...]]]:
    for row in newest_first(rows)[:TABLE_ROWS_MAX]:
        tried = NOTHING if row.mutations_count is None else f"{row.mutations_caught}/{row.mutations_count}"
        yield (
            row,
            (
                seconds_cell(row.rollback_s),
                seconds_cell(row.detect_s),
                share_cell(row.share_error),
                count_cell(row.requests_lost),
                count_cell(row.writes_lost),
                tried,
            ),
        )


def _section(place: int, group: Group) -> Section:
    rows = group.rows[-CHART_RUNS_MAX:]
    shown = Group(group.experiment, group.target, group.profile, rows)
    x = _places(len(rows))
    drawn = [found for measure in series.MEASURES if (found := _drawn(shown, measure, x)) is not None]
    keys = {one.measure.key for one in drawn}
    return Section(
        anchor=f"experiment-{place}",
        group=group,
        newest=rows[-1],
        tally=_tally(group.rows),
        standing=_standing(group.rows),
        first=when(rows[0].opened_utc),
        last=when(rows[-1].opened_utc),
        shown=f"the newest {len(rows)} of {len(group.rows)}" if len(rows) < len(group.rows) else "",
        lanes={
            verdict: _dots(
                (x[index], LANE_HEIGHT * (lane + 0.5)) for index, row in enumerate(rows) if row.verdict is verdict
            )
            for lane, verdict in enumerate(LANES)
        },
        drawn=tuple(drawn),
        unmeasured=tuple(measure.label for measure in series.MEASURES if measure.key not in keys),
        changes=tuple((one.measure.label, one.changes[-1]) for one in drawn if one.changes),
    )


def _tally(rows: Sequence[Row]) -> str:
    passed = sum(row.verdict is Verdict.PASS for row in rows)
    return f"{passed} of {len(rows)} PASS"


def _standing(rows: Sequence[Row]) -> str:
    """How long the newest verdict has stood."""
    newest = rows[-1].verdict
    streak = 0
    for row in reversed(rows):
        if row.verdict is not newest:
            break
        streak += 1
    if len(rows) == 1:
        return "the only trial"
    return "since the first trial" if streak == len(rows) else f"{streak} in a row"


def _places(count: int) -> list[float]:
    """The x of each run, the oldest left; one alone stands in the middle."""
    if count == 1:
        return [WIDTH / 2]
    step = (WIDTH - 2 * _MARGIN) / (count - 1)
    return [_MARGIN + index * step for index in range(count)]


def _drawn(group: Group, measure: Measure, x: Sequence[float]) -> Drawn | None:
    """None where no trial has the measure."""
    values = [
        (place, value) for place, row in zip(x, group.rows, strict=True) if (value := measure.of(row)) is not None
    ]
    if not values:
        return None
    low, high = min(0.0, *(value[1] for _, value in values), 0.0), max(*(value[2] for _, value in values), 0.0)
    span = (high - low) or 1.0

    def y(value: float) -> float:
        return HEIGHT - _MARGIN - (value - low) / span * (HEIGHT - 2 * _MARGIN)

    changes = group.changes(measure)
    at = {row.run: place for place, row in zip(x, group.rows, strict=True)}
    half_step = (x[1] - x[0]) / 2 if len(x) > 1 else 0.0
    unit = f" {measure.unit}" if measure.unit else ""
    return Drawn(
        measure=measure,
        newest=f"{words.number(values[-1][1][0])}{unit}",
        scale=f"{words.number(low)} to {words.number(high)}{unit}",
        line="M" + "L".join(_point(place, y(value[0])) for place, value in values),
        dots=_dots((place, y(value[0])) for place, value in values),
        whiskers="".join(
            f"M{_point(place, y(value[1]))}V{_number(y(value[2]))}"
            for place, value in values
            if y(value[1]) - y(value[2]) >= 1
        ),
        marks="".join(f"M{_number(at[change.row.run] - half_step)} 0V{_number(HEIGHT)}" for change in changes),
        zero=f"M0 {_number(y(0))}H{_number(WIDTH)}",
        changes=tuple(change_text(change) for change in changes),
    )


def _dots(points: Iterable[tuple[float, float]]) -> str:
    """Strokes without length: with round ends they are dots, whatever the drawing is stretched to."""
    return "".join(f"M{_point(place, height)}h0" for place, height in points)


def _point(x: float, y: float) -> str:
    return f"{_number(x)} {_number(y)}"


def _number(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


@cache
def _asset(name: str) -> str:
    return resources.files("harness.study").joinpath("page", name).read_text(encoding="utf-8")


@cache
def _template() -> jinja2.Template:
    environment: Any = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    template: jinja2.Template = environment.from_string(_asset("index.html"))
    return template
