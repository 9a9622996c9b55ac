"""PortTrack's traffic alone: `locust -f locustfiles/porttrack.py --headless -u 20 -t 20s -H http://127.0.0.1:8080`.

`--profile S|M|L` and `--seed N` choose the schedule; `-u N` scales its rate. Prints the split by version at the
end. The rows it writes stay in the service: only a trial takes its rows out again.
"""

from __future__ import annotations

from harness.drive.load.user import build_user
from harness.plan.target import Headers, Versions

PortTrack = build_user(
    kit="porttrack",
    headers=Headers(
        version="x-porttrack-version", instance="x-porttrack-instance", track="x-track", fault="x-fault-injected"
    ),
    versions=Versions(stable="1.0", canary="1.1"),
)
