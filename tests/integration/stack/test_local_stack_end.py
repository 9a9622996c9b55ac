"""How the local stack ends."""

from __future__ import annotations

import json

import httpx
import pytest

pytestmark = pytest.mark.integration


def test_stack_ends_by_its_own_signals_and_keeps_the_access_log(stack):
    """Every server ends with 0 by its stop signal within its bound, and Envoy has written the last request's line."""
    httpx.get(f"{stack.spec.endpoints.service_url}/work", headers={"x-request-id": "the last"}, timeout=5)
    codes = stack.starter.stop()
    lines = (stack.run_dir / "routing" / "envoy.ndjson").read_text().splitlines()
    assert dict.fromkeys(("postgres", "prometheus", "alertmanager", "envoy", "stepper"), 0) == {
        name: code
        for name, code in codes.items()
        if name in {"postgres", "prometheus", "alertmanager", "envoy", "stepper"}
    }
    assert "the last" == json.loads(lines[-1])["op_id"]
