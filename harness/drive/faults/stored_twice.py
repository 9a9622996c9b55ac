"""`stored_twice`: a share of the writes is stored a second time under its op_id, past what makes writes idempotent."""

from __future__ import annotations

from harness.drive.faults.arguments import SEED
from harness.drive.faults.control_port import ControlPortFault


class StoredTwice(ControlPortFault):
    """Arguments: `seed`."""

    kind = "stored_twice"
    band = "writes are stored twice"
    marks = False
    arguments = (SEED,)
