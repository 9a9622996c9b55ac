"""A stack as frozen data: every file to render and every process to start, before anything is.

`local.build` makes it from the plan; a planted defect is a pure function from one spec to another;
the guard starts it. So what runs can be printed, compared and changed without running it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from harness.drive.target.port import Instance, ProcessSpec

__all__ = ["SERVICE_DATA", "Endpoints", "ProcessSpec", "StackSpec"]
SERVICE_DATA: Final = "service"  # the service's own folder below the scratch folder


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Where the parts of a running stack answer. URLs have no trailing slash."""

    service_url: str  # through the router
    router_admin_url: str
    prometheus_url: str
    alertmanager_url: str
    controller_url: str
    recorder_url: str  # the harness's own webhook receiver (served by the observer)
    store_dsn: str  # may purge
    store_reader_dsn: str  # may only read
    control_token: str
    instances: tuple[Instance, ...]


@dataclass(frozen=True, slots=True)
class StackSpec:
    """What to run. `files` maps a path relative to the run directory to its text, `config/...` mostly."""

    files: Mapping[str, str]
    processes: tuple[ProcessSpec, ...]
    endpoints: Endpoints
    scratch_dir: str  # data directories; removed at close
    locked_ports: tuple[int, ...] = ()
