"""`unreadable_row`: a share of the position batches is stored so that release 1.0 does not give it back."""

from __future__ import annotations

from harness.drive.faults.arguments import SEED
from harness.drive.faults.control_port import ControlPortFault


class UnreadableRow(ControlPortFault):
    """Arguments: `seed`."""

    kind = "unreadable_row"
    caption = "rows stable cannot read"
    marks = False
    arguments = (SEED,)
