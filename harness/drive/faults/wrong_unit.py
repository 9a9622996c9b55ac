"""`wrong_unit`: a share of the position batches is stored with speeds in km/h for knots."""

from __future__ import annotations

from harness.drive.faults.arguments import SEED
from harness.drive.faults.control_port import ControlPortFault


class WrongUnit(ControlPortFault):
    """Arguments: `seed`."""

    kind = "wrong_unit"
    caption = "speeds in km/h"
    marks = False
    arguments = (SEED,)
