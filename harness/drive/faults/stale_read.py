"""`stale_read`: a share of the reads does not see what the instance wrote in the last `age_s`."""

from __future__ import annotations

from harness.drive.faults.arguments import SEED, Argument
from harness.drive.faults.control_port import ControlPortFault


class StaleRead(ControlPortFault):
    """Arguments: `age_s` (0.1 to 600, default 5), `seed`."""

    kind = "stale_read"
    caption = "reads are stale"
    marks = False
    arguments = (Argument("age_s", default=5.0, low=0.1, high=600), SEED)
