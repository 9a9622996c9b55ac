"""Answer a share of the reads as they would have been a while ago: without what this instance has just written.

A client that reads its own write does not find it, and an older answer comes after a newer one. A single row
that is hidden is answered as it was last seen, or as unknown when it was not.

Not covered: what other instances wrote, what was written before the fault was on, and answers without a
`request_id` in their rows, such as sums: those are fresh. A list misses a hidden row; it does not show the older
row that this one replaced.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable
from typing import Annotated, Any, Final

from msgspec import Meta

from porttrack.faults.kinds import ReadFault

OP_ID_KEY: Final = "request_id"  # the operation's id, as the store's rows name it
SEEN_COUNT_MAX: Final = 10_000  # single rows that are remembered: five times the vessels of the largest fleet
RECENT_COUNT_MAX: Final = 100_000  # writes that are remembered: over ten minutes at 150 writes a second


class StaleRead(ReadFault, frozen=True, kw_only=True):
    """`share` of the reads do not see what was written in the last `age_s`."""

    age_s: Annotated[float, Meta(gt=0, le=600)] = 5.0

    def is_hidden(self, written_s_ago: float) -> bool:
        """Whether it is younger than the answer pretends to be."""
        return written_s_ago < self.age_s


class Recent:
    """What this instance wrote and gave lately, as far as a stale answer needs it."""

    def __init__(self, clock_s: Callable[[], float]) -> None:
        self._clock_s = clock_s
        self._written: deque[tuple[float, str]] = deque(maxlen=RECENT_COUNT_MAX)
        self._seen: dict[Hashable, dict[str, Any]] = {}

    def forget(self) -> None:
        """Nothing is stale any more."""
        self._written.clear()
        self._seen.clear()

    def wrote(self, op_id: str) -> None:
        """A write is done."""
        self._written.append((self._clock_s(), op_id))

    def saw(self, call: Hashable, answer: Any) -> None:
        """Remember the single row that was given for `call`; a copy, since whoever got it may change it."""
        if isinstance(answer, dict):
            self._seen.pop(call, None)
            self._seen[call] = dict(answer)
            if len(self._seen) > SEEN_COUNT_MAX:
                self._seen.pop(next(iter(self._seen)))

    def stale(self, call: Hashable, answer: Any, fault: ReadFault) -> Any:
        """`answer` without what the fault hides. The very same object where nothing in it is hidden."""
        now_s = self._clock_s()
        hidden = {op_id for written_s, op_id in self._written if fault.is_hidden(now_s - written_s)}
        if isinstance(answer, list):
            kept = [row for row in answer if not _is_of(row, hidden)]
            return answer if len(kept) == len(answer) else kept
        if _is_of(answer, hidden):
            remembered = self._seen.get(call)
            return None if remembered is None else dict(remembered)
        return answer


def _is_of(row: Any, op_ids: set[str]) -> bool:
    return isinstance(row, dict) and row.get(OP_ID_KEY) in op_ids
