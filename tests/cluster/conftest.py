"""The cluster of these tests: nobody else's, and gone afterwards."""

from __future__ import annotations

import pytest

from harness import settings
from tests.cluster.throwaway import layout as places
from tests.cluster.throwaway import lifecycle


@pytest.fixture(scope="module")
def layout():
    """Its places, with nothing up. One that somebody has up by hand is left alone, and the test fails."""
    found = places.Layout(settings.cache_dir(settings.load()))
    if lifecycle.is_up(found):
        pytest.fail("a cluster is up, and these tests would take it down: `make cluster-down` first")
    lifecycle.prepare(found)
    lifecycle.down(found)
    try:
        yield found
    finally:
        lifecycle.down(found)
