"""`http_5xx`: a share of the instance's answers is a 5xx, given before the handler, so surely without effect.

The service injects it inside its metrics middleware (its own metrics, and so the alert rules, count it) and marks
each such answer. `status` is one of the two whose series the service has from the start: an alert cannot see the
first count of a series that is born with it.
"""

from __future__ import annotations

from harness.drive.faults.arguments import SEED, Argument
from harness.drive.faults.control_port import ControlPortFault


class Http5xx(ControlPortFault):
    """Arguments: `status` (500 or 503), `seed`."""

    kind = "http_5xx"
    caption = "answers are 5xx"
    marks = True
    arguments = (Argument("status", default=503, choices=(500, 503)), SEED)
