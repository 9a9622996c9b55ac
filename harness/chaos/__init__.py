"""The Chaos Toolkit extension: the control that opens and closes a trial, its actions and probes. Thin.

Chaos Toolkit swallows ordinary errors of controls and calls a run completed whose actions failed, so here
every error becomes `InterruptExecution`, is put on the trial's record, and rules out PASS.
"""

from chaoslib.discovery.discover import discover_actions, discover_probes, initialize_discovery_result
from chaoslib.types import Discovery

import harness


def discover(discover_system: bool = True) -> Discovery:
    """What `chaos discover harness` shows."""
    found = initialize_discovery_result("harness", harness.__version__, "canary")
    found["activities"].extend(discover_actions("harness.chaos.actions"))
    found["activities"].extend(discover_probes("harness.chaos.probes"))
    return found
