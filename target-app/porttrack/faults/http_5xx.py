"""Answer a share of requests with a 5xx, before the handler: nothing is written, the answer is marked.

Which requests are hit is drawn from the seed, so two runs with one seed and one order of requests hit the same.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Annotated, Literal

import msgspec
from msgspec import Meta


class Http5xx(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`share` of the requests get `status`. An hour at most: no drill is longer, and forgotten faults should end."""

    share: Annotated[float, Meta(ge=0, le=1)]
    deadline_s: Annotated[float, Meta(gt=0, le=3600)]
    # Only these two: their series exist from the start, and an alert does not see the first count of a new series.
    status: Literal[500, 503] = 503
    seed: int = 0

    def start(self) -> Callable[[], int | None]:
        """An injector with its own random numbers."""
        draw = random.Random(self.seed).random
        # `<`, so that a share of 0 hits nothing and a share of 1 everything: random() is in [0, 1)
        return lambda: self.status if draw() < self.share else None
