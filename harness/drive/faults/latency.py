"""`latency`: a share of the instance's answers comes late; each is marked, and right otherwise.

The delay lies before the handler and inside the metrics, so the service's own histogram shows it. `ramp_s` lets it
grow from 0, as where something fills up.
"""

from __future__ import annotations

from harness.drive.faults.arguments import SEED, Argument
from harness.drive.faults.control_port import ControlPortFault


class Latency(ControlPortFault):
    """Arguments: `delay_ms` (1 to 5000), `ramp_s` (0: at once), `seed`."""

    kind = "latency"
    caption = "slow answers"
    marks = True
    # 5 s: what the service takes at most, so that a stopping instance never cuts a request that only slept
    arguments = (Argument("delay_ms", low=1, high=5000), Argument("ramp_s", default=0, high=3600), SEED)
