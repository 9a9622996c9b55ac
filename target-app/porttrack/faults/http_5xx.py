"""Answer a share of requests with a 5xx, before the handler: nothing is written, the answer is marked."""

from __future__ import annotations

from typing import Literal

from porttrack.faults.kinds import AnswerFault, FaultAnswer


class Http5xx(AnswerFault, frozen=True, kw_only=True):
    """`share` of the requests get `status`."""

    # Only these two: their series exist from the start, and an alert does not see the first count of a new series.
    status: Literal[500, 503] = 503

    def answer(self, fault: str, elapsed_s: float) -> FaultAnswer:
        """The status, at once."""
        return FaultAnswer(fault, self.status)
