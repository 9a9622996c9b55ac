"""Delay a share of requests before the handler, then let it answer; the answer is marked.

The delay is there at once or grows from 0 over `ramp_s`, as it does where something fills up. It does not hold
up the other requests of the instance. A request that waits when the fault is healed waits to its end.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from porttrack.faults.kinds import AnswerFault, FaultAnswer


class Latency(AnswerFault, frozen=True, kw_only=True):
    """`share` of the requests wait `delay_ms`, of which they wait a growing part for the first `ramp_s`."""

    # 5 s: a stopping instance waits 8 s for what is in flight, and must not cut a request that only slept.
    delay_ms: Annotated[float, Meta(gt=0, le=5000)]
    ramp_s: Annotated[float, Meta(ge=0, le=3600)] = 0.0

    def answer(self, fault: str, elapsed_s: float) -> FaultAnswer:
        """The delay that this moment of the ramp has."""
        grown = 1.0 if elapsed_s >= self.ramp_s else elapsed_s / self.ramp_s
        return FaultAnswer(fault, None, self.delay_ms / 1000 * grown)
