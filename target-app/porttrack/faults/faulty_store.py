"""The store of an instance with the stateful faults around it.

Which methods write follows from the Store itself: every write takes the operation's id first, and nothing else
does. So a write or read that the Store gains later is covered without a line here, and a fault that needs certain
arguments looks for them by name. While no fault is on, a call costs one look at an empty table more.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any, Final, cast, get_type_hints

from porttrack.faults import Faults
from porttrack.faults.kinds import ReadFault, Rows, Write, WriteFault
from porttrack.faults.stale_read import Recent
from porttrack.store import Put, Store

Method = Callable[..., Awaitable[Any]]

_SIGNATURES: Final = {
    name: inspect.signature(method) for name, method in vars(Store).items() if inspect.iscoroutinefunction(method)
}


def _is_write(signature: inspect.Signature) -> bool:
    return [*signature.parameters][1:2] == ["op_id"]


def _acknowledgement(method: str) -> Any:
    answer = get_type_hints(getattr(Store, method))["return"]
    assert answer in (Put, type(None)), f"Store.{method} gives {answer}; say here how that acknowledges a new write"
    return Put.CREATED if answer is Put else None


# Write method -> what it answers when it has stored something new.
WRITES: Final[Mapping[str, Any]] = MappingProxyType(
    {name: _acknowledgement(name) for name, signature in _SIGNATURES.items() if _is_write(signature)}
)
READS: Final = frozenset(_SIGNATURES.keys() - WRITES.keys() - {"open", "close"})


def with_faults(store: Store, faults: Faults, rows: Rows, injected: Callable[[str], None]) -> Store:
    """`store` behind the write and read faults of `faults`; `injected` is told the name of each that did something."""
    return cast(Store, _FaultyStore(store, faults, rows, injected))


class _FaultyStore:
    """A Store: `open` and `close`, and every other method by name."""

    def __init__(self, store: Store, faults: Faults, rows: Rows, injected: Callable[[str], None]) -> None:
        self._store = store
        self._faults = faults
        self._rows = rows
        self._injected = injected
        self._recent = Recent(faults.clock_s)

    async def open(self) -> None:
        await self._store.open()

    async def close(self) -> None:
        await self._rows.close()
        await self._store.close()

    def __getattr__(self, name: str) -> Any:
        """The store's own attribute; a method that writes or reads, once made, is kept on the instance."""
        method = getattr(self._store, name)
        if name not in WRITES and name not in READS:
            return method
        wrapped = partial(self._write if name in WRITES else self._read, name, method)
        setattr(self, name, wrapped)
        return wrapped

    async def _write(self, name: str, method: Method, /, *values: Any, **named: Any) -> Any:
        if not self._faults.any_is_on:
            return await method(*values, **named)
        arguments = _SIGNATURES[name].bind(self, *values, **named).arguments
        arguments.pop("self")
        answer = await self._through_faults(name, method, arguments)
        if self._faults.of_family(ReadFault):
            self._recent.wrote(arguments["op_id"])
        return answer

    async def _through_faults(self, name: str, method: Method, arguments: Mapping[str, Any]) -> Any:
        """The first fault that takes this write has it."""

        async def proceed(**changes: Any) -> Any:
            return await method(**{**arguments, **changes})

        for kind, fault in self._faults.of_family(WriteFault):
            write = Write(name, arguments, WRITES[name], self._rows, proceed, partial(self._injected, kind))
            if fault.takes(write) and self._faults.hits(kind):
                return await fault.write(write)
        return await proceed()

    async def _read(self, name: str, method: Method, /, *values: Any, **named: Any) -> Any:
        answer = await method(*values, **named)
        read_faults = self._faults.of_family(ReadFault) if self._faults.any_is_on else ()
        if not read_faults:
            self._recent.forget()
            return answer
        call = (name, values, tuple(named.items()))
        for kind, fault in read_faults:
            if self._faults.hits(kind):
                stale = self._recent.stale(call, answer, fault)
                if stale is not answer:
                    self._injected(kind)
                    return stale
        self._recent.saw(call, answer)
        return answer
