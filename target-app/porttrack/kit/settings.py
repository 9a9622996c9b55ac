"""What the kit reads from the environment: the token for writes, where the service asks for one."""

from __future__ import annotations

import os


def write_token() -> str:
    """PORTTRACK_WRITE_TOKEN, the variable that the service reads as well; empty where writes need none."""
    return os.environ.get("PORTTRACK_WRITE_TOKEN", "")
