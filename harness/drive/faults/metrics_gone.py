"""`metrics_gone`: a share of the scrapes is answered with 404, so whoever watches the instance by them is blind."""

from __future__ import annotations

from harness.drive.faults.arguments import SEED
from harness.drive.faults.control_port import ControlPortFault


class MetricsGone(ControlPortFault):
    """Arguments: `seed`."""

    kind = "metrics_gone"
    caption = "no metrics"
    marks = False
    arguments = (SEED,)
