"""Breaking an instance on purpose: which faults are on, which requests they hit, and until when.

A fault is a file here with one frozen struct, its arguments, in one of the families of `kinds`. `KINDS` below is
the one line that a new fault adds. The registry is asked before every handler, inside the metrics middleware, so
what a fault answers there is surely without effect and still counted; around the store, by `faulty_store`; and
by the scrape.

A fault ends by itself at its deadline, read from the monotonic clock: whatever happens to the one who injected
it, nothing stays broken. Where several faults are on, one request is hit by one of each family at most, the one
that was put first.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, TypeVar

import msgspec

from porttrack.decode import decode
from porttrack.errors import ApiError
from porttrack.faults.ack_not_stored import AckNotStored
from porttrack.faults.http_5xx import Http5xx
from porttrack.faults.kinds import AnswerFault, FaultAnswer, FaultArguments
from porttrack.faults.latency import Latency
from porttrack.faults.metrics_gone import MetricsGone
from porttrack.faults.stale_read import StaleRead
from porttrack.faults.stored_twice import StoredTwice
from porttrack.faults.unreadable_row import UnreadableRow
from porttrack.faults.wrong_unit import WrongUnit

__all__ = ["KINDS", "ActiveFault", "FaultAnswer", "Faults", "decoded"]

KINDS: Final[Mapping[str, type[FaultArguments]]] = MappingProxyType(
    {
        "http_5xx": Http5xx,
        "latency": Latency,
        "metrics_gone": MetricsGone,
        "ack_not_stored": AckNotStored,
        "stored_twice": StoredTwice,
        "stale_read": StaleRead,
        "wrong_unit": WrongUnit,
        "unreadable_row": UnreadableRow,
    }
)

Family = TypeVar("Family", bound=FaultArguments)


def decoded(name: str, body: bytes) -> FaultArguments:
    """The arguments of the fault `name` from their JSON. ApiError 404 or 422 for what is not one."""
    if name not in KINDS:
        raise ApiError(404, "unknown_fault", f"no fault {name!r}; known: {', '.join(KINDS)}", "fault", name)
    return decode(msgspec.json.Decoder(KINDS[name]), body)


@dataclass(frozen=True, slots=True)
class ActiveFault:
    """A fault that is on. `draw` gives the next of its own random numbers."""

    name: str
    arguments: FaultArguments
    began_s: float
    ends_s: float
    draw: Callable[[], float]


class Faults:
    """The faults of one instance. `clock_s` is a monotonic clock in seconds."""

    def __init__(self, clock_s: Callable[[], float]) -> None:
        self.clock_s = clock_s
        self._active: dict[str, ActiveFault] = {}

    def put(self, name: str, body: bytes) -> ActiveFault:
        """Switch a fault on, in place of an earlier one of its kind. ApiError 404 or 422 for what is not one."""
        arguments, now_s = decoded(name, body), self.clock_s()
        draw = random.Random(arguments.seed).random
        fault = ActiveFault(name, arguments, now_s, now_s + arguments.deadline_s, draw)
        self._active[name] = fault
        return fault

    def remove(self, name: str) -> bool:
        """Switch a fault off; whether it was on. Any number of times."""
        was_on = name in self.active()
        self._active.pop(name, None)
        return was_on

    def active(self) -> dict[str, float]:
        """Name -> seconds left, of the faults that are on now."""
        now_s = self.clock_s()
        self._active = {name: fault for name, fault in self._active.items() if fault.ends_s > now_s}
        return {name: fault.ends_s - now_s for name, fault in self._active.items()}

    @property
    def any_is_on(self) -> bool:
        """Whether anything is broken now."""
        return bool(self._active) and bool(self.active())

    def of_family(self, family: type[Family]) -> list[tuple[str, Family]]:
        """(name, arguments) of the faults of one family that are on now, the first put first."""
        self.active()
        arguments = [(fault.name, fault.arguments) for fault in self._active.values()]
        return [(name, one) for name, one in arguments if isinstance(one, family)]

    def hits(self, name: str) -> bool:
        """Whether the fault is on and its next draw takes this one. `<`: share 0 takes nothing, share 1 all."""
        fault = self._active.get(name)
        if fault is None or fault.ends_s <= self.clock_s():
            return False
        return fault.draw() < fault.arguments.share

    def before_handler(self) -> FaultAnswer | None:
        """What befalls the next request, if anything."""
        if not self._active:
            return None
        for name, fault in self.of_family(AnswerFault):
            if self.hits(name):
                return fault.answer(name, self.clock_s() - self._active[name].began_s)
        return None
