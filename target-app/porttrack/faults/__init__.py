"""Breaking an instance on purpose: which faults are on, and until when.

A fault is a file here with one frozen struct: its arguments, checked by msgspec, and `start()`, which gives an
injector. `KINDS` below is the one line that a new fault adds. The registry is asked before every handler and
inside the metrics middleware, so what a fault answers is surely without effect and still counted.

A fault ends by itself at its deadline, read from the monotonic clock: whatever happens to the one who
injected it, nothing stays broken. Not covered: faults in the store (they wrap a Store, not a request).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, Protocol

import msgspec

from porttrack.decode import decode
from porttrack.errors import ApiError
from porttrack.faults.http_5xx import Http5xx


@dataclass(frozen=True, slots=True)
class FaultAnswer:
    """What a fault answers in the handler's place."""

    fault: str
    status: int


class FaultArguments(Protocol):
    """One kind of fault with its arguments. `deadline_s` counts from the put."""

    @property
    def deadline_s(self) -> float:
        """Seconds until the fault ends by itself."""
        ...

    def start(self) -> Callable[[], int | None]:
        """A fresh injector: called before each handler, it gives the status to answer, or None to let it pass."""
        ...


KINDS: Final[Mapping[str, type[Any]]] = MappingProxyType({"http_5xx": Http5xx})


@dataclass(frozen=True, slots=True)
class ActiveFault:
    """A fault that is on."""

    name: str
    arguments: FaultArguments
    ends_s: float
    inject: Callable[[], int | None]


class Faults:
    """The faults of one instance. `clock_s` is a monotonic clock in seconds."""

    def __init__(self, clock_s: Callable[[], float]) -> None:
        self._clock_s = clock_s
        self._active: dict[str, ActiveFault] = {}

    def put(self, name: str, body: bytes) -> ActiveFault:
        """Switch a fault on, in place of an earlier one of its kind. ApiError 404 or 422 for what is not one."""
        if name not in KINDS:
            raise ApiError(404, "unknown_fault", f"no fault {name!r}; known: {', '.join(KINDS)}", "fault", name)
        arguments: FaultArguments = decode(msgspec.json.Decoder(KINDS[name]), body)
        fault = ActiveFault(name, arguments, self._clock_s() + arguments.deadline_s, arguments.start())
        self._active[name] = fault
        return fault

    def remove(self, name: str) -> bool:
        """Switch a fault off; whether it was on. Any number of times."""
        was_on = name in self.active()
        self._active.pop(name, None)
        return was_on

    def active(self) -> dict[str, float]:
        """Name -> seconds left, of the faults that are on now."""
        now_s = self._clock_s()
        self._active = {name: fault for name, fault in self._active.items() if fault.ends_s > now_s}
        return {name: fault.ends_s - now_s for name, fault in self._active.items()}

    def before_handler(self) -> FaultAnswer | None:
        """What to answer in the handler's place, if anything."""
        if not self._active:
            return None
        for name in self.active():
            status = self._active[name].inject()
            if status is not None:
                return FaultAnswer(name, status)
        return None
