"""`stored_twice`: a share of the writes to logs without a unique key is stored a second time, under the same op_id."""

from __future__ import annotations

from harness.drive.faults.arguments import SEED
from harness.drive.faults.control_port import ControlPortFault


class StoredTwice(ControlPortFault):
    """Arguments: `seed`."""

    kind = "stored_twice"
    caption = "writes are stored twice"
    marks = False
    arguments = (SEED,)
