"""What every kind of fault has in common, and the families of kinds.

- An `AnswerFault` sits before the handler: it answers in its place or delays it, and the answer is marked.
- A `WriteFault` and a `ReadFault` sit around the store. They lie, so they mark nothing; what they did shows in
  `fault_injected_total` and in the rows.
- A `FaultArguments` of no family is asked for by name, as the scrape asks for `metrics_gone`.

A kind is a frozen struct of its arguments, checked by msgspec as they come in. Whether a request is hit is
drawn from the seed by the registry, so two runs with one seed and one order of requests hit the same.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Protocol

import msgspec
from msgspec import Meta

Share = Annotated[float, Meta(ge=0, le=1)]


class FaultArguments(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`share` of what the fault can hit, for `deadline_s` from the put.

    An hour at most: no drill is longer, and forgotten faults should end.
    """

    share: Share
    deadline_s: Annotated[float, Meta(gt=0, le=3600)]
    seed: int = 0


@dataclass(frozen=True, slots=True)
class FaultAnswer:
    """What a fault does to one request: wait `delay_s`, then answer `status`, or let the handler answer on None."""

    fault: str
    status: int | None
    delay_s: float = 0.0


class AnswerFault(FaultArguments, frozen=True, kw_only=True):
    """A fault before the handler."""

    def answer(self, fault: str, elapsed_s: float) -> FaultAnswer:
        """What happens to a request that is hit `elapsed_s` after the put."""
        raise NotImplementedError


class Rows(Protocol):
    """The store's rows, past whatever the service does to keep them right."""

    async def copy(self, method: str, op_id: str) -> None:
        """Store the rows that the write `method` made for this operation a second time."""
        ...

    async def close(self) -> None:
        """Give back what is held."""
        ...


@dataclass(frozen=True, slots=True)
class Write:
    """One call of a write method of the store. `proceed` carries it out, with other arguments where some are given;
    `acknowledgement` is what it gives when it has stored something new."""

    method: str
    arguments: Mapping[str, Any]
    acknowledgement: Any
    rows: Rows
    proceed: Callable[..., Awaitable[Any]]
    injected: Callable[[], None]

    @property
    def op_id(self) -> str:
        """The operation's id, which every write has."""
        return str(self.arguments["op_id"])


class WriteFault(FaultArguments, frozen=True, kw_only=True):
    """A fault around the store's write methods."""

    def takes(self, write: Write) -> bool:
        """Whether this write can be hit at all; only those that can count to the share."""
        return True

    async def write(self, write: Write) -> Any:
        """Carry out a write that is hit, call its `injected` once it is spoiled, and give the answer."""
        raise NotImplementedError


class ReadFault(FaultArguments, frozen=True, kw_only=True):
    """A fault around the store's read methods."""

    def is_hidden(self, written_s_ago: float) -> bool:
        """Whether a read that is hit does not see what this instance wrote so long ago."""
        raise NotImplementedError
