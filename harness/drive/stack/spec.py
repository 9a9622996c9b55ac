"""A stack as frozen data: every file to render and every process to start, before anything is.

`local.build` makes it from the plan; a planted defect is a pure function from one spec to another;
the guard starts it. So what runs can be printed, compared and changed without running it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from harness.drive.target.port import Instance


@dataclass(frozen=True, slots=True)
class ProcessSpec:
    """One process of the trial. `ready_url` answers 200 (or `ready_argv` exits 0) once it serves."""

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)  # added to a small fixed environment
    cwd: str = ""  # the run directory when empty
    ports: tuple[int, ...] = ()
    ready_url: str = ""
    ready_argv: tuple[str, ...] = ()
    ready_s_max: float = 15.0
    stop_signal: int = 15  # SIGTERM
    stop_s_max: float = 3.0  # then SIGKILL
    run_once: bool = False  # ends by itself with 0 before the next is started (initdb, migrations)
    after: tuple[str, ...] = ()  # names that must be ready (run_once: ended) first; others start side by side


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
