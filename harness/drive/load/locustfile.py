"""What a trial's load process runs: `locust -f locustfile.py` with a load plan, which names the kit."""

from __future__ import annotations

from harness.drive.load.user import build_user

LoadUser = build_user()
