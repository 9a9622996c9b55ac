"""Registers the mark of what `make test-full` runs and `make test` leaves out by its own -m."""

from __future__ import annotations

import pytest


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "full: a strike outside of the pairwise selection; `make test-full` runs it")
