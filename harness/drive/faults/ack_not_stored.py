"""`ack_not_stored`: a share of the writes is acknowledged and stored nowhere. No answer shows it, no metric either."""

from __future__ import annotations

from harness.drive.faults.arguments import SEED
from harness.drive.faults.control_port import ControlPortFault


class AckNotStored(ControlPortFault):
    """Arguments: `seed`."""

    kind = "ack_not_stored"
    caption = "writes are lost"
    marks = False
    arguments = (SEED,)
