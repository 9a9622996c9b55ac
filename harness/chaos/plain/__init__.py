"""Probes for any Chaos Toolkit experiment: no control, no trial, no local stack. `experiments/plain` has one.

    alert_fired, alert_not_fired    did Prometheus raise this alert in the last seconds
    share_is_zero                   did the canary get no request in the last seconds, while others did
    no_lost_writes                  is every write of a ledger there when it is read back

Each looks back and waits for nothing: an experiment's `pauses` wait. What a probe can see it answers; where it could
see nothing (no such rule, no traffic, no sample, an empty ledger) its answer would mean nothing, so it raises
ActivityFailed, which a steady-state hypothesis counts as not met. All are read-only.

The first three need the extra `probes`. Everything else of `harness.chaos` belongs to a trial of the harness.
"""

from __future__ import annotations

from harness.chaos.plain.alerts import alert_fired, alert_not_fired
from harness.chaos.plain.share import share_is_zero
from harness.chaos.plain.writes import no_lost_writes

__all__ = ["alert_fired", "alert_not_fired", "no_lost_writes", "share_is_zero"]
