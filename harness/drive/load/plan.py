"""What a load process is told: one JSON file, checked whole, and the process that runs it.

The trial writes the file and hands `process_spec` to whoever starts processes. The load process reads it
through the environment variable `HARNESS_LOAD_PLAN` or the option `--load-plan`.

Only loopback is allowed: arrivals are open, so they do not slow down when a service suffers, and a typo
in a host must not become an attack. Not covered: several load processes on one schedule; the opt-in of an
adopted service.
"""

from __future__ import annotations

import ipaddress
import sys
from pathlib import Path
from typing import Annotated, Final
from urllib.parse import urlsplit

import msgspec

from harness.drive.stack.spec import ProcessSpec
from harness.errors import InvalidFileError, UsageError
from harness.plan.experiment import RATE_RPS_MAX
from harness.plan.target import Headers, Versions
from harness.plan.validate import Problems, convert

PLAN_VARIABLE: Final = "HARNESS_LOAD_PLAN"
LOCUSTFILE: Final = Path(__file__).with_name("locustfile.py")
SECONDS_MAX: Final = 3600.0
SPAWN_RPS_MAX: Final = 100  # above it Locust warns; its users only stand for ours, so slow spawning delays no arrival

Positive = Annotated[float, msgspec.Meta(gt=0, le=60)]


class Timeouts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Bounds of one operation: the connect, any silence of the peer, and the whole of it.

    8 s in all, below the 10 s that a stopped load waits: a load that is drained leaves nothing in flight.
    """

    connect_s: Positive = 1.0
    network_s: Positive = 5.0
    total_s: Positive = 8.0


class LoadPlan(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One load process. `run_dir` is absolute; `headers` and `versions` are the target file's."""

    run_id: Annotated[str, msgspec.Meta(min_length=1)]
    run_dir: Annotated[str, msgspec.Meta(pattern="^/")]
    kit: str
    profile: str
    seed: Annotated[int, msgspec.Meta(ge=0)]
    users: Annotated[int, msgspec.Meta(ge=1, le=10_000)]
    seconds_max: Annotated[float, msgspec.Meta(gt=0, le=SECONDS_MAX)]
    service_url: str
    headers: Headers
    versions: Versions
    timeouts: Timeouts = Timeouts()
    # 2,000: a full stall at profile M holds 120 a second x 8 s = 960; twice that is room, and bounds sockets and memory
    in_flight_max: Annotated[int, msgspec.Meta(ge=1, le=8_000)] = 2_000
    drain_s: Positive = 10.0


def encode(plan: LoadPlan) -> str:
    """The plan as the text of its file."""
    return msgspec.json.format(msgspec.json.encode(plan), indent=2).decode()


def read_plan(path: Path) -> LoadPlan:
    """The plan in a file. Raises InvalidFileError with every problem, UsageError when there is no such file."""
    problems = Problems(str(path))
    try:
        document = msgspec.json.decode(path.read_bytes())
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({error.strerror}): {PLAN_VARIABLE} names the load plan") from error
    except msgspec.DecodeError as error:
        raise InvalidFileError(str(path), [f"{path}: is no JSON: {error}"]) from error
    plan = convert(LoadPlan, document, "", problems)
    if plan is not None and plan.timeouts.total_s > plan.drain_s:
        problems.add(
            "drain_s", f"is {plan.drain_s}, below timeouts.total_s {plan.timeouts.total_s}: nothing could drain"
        )
    if plan is None or problems.found:
        raise InvalidFileError(str(path), problems.found)
    return plan


def process_spec(plan: LoadPlan, plan_path: str, locustfile: Path = LOCUSTFILE) -> ProcessSpec:
    """The process named `load`. It is ready once its timeline says load_started, and stops sending on SIGTERM."""
    spawn_rps = min(plan.users, SPAWN_RPS_MAX)
    options = ("--headless", "--only-summary", "-u", str(plan.users), "-r", str(spawn_rps), "-H", plan.service_url)
    return ProcessSpec(
        name="load",
        argv=(sys.executable, "-m", "locust", "-f", str(locustfile), *options),
        env={PLAN_VARIABLE: plan_path},
        ready_argv=("grep", "-q", '"load_started"', f"{plan.run_dir}/timeline/load.ndjson"),
        stop_s_max=plan.drain_s + 5.0,  # 5 s: the last flush and Locust's own teardown, measured below 1 s
    )


def require_loopback(url: str) -> str:
    """`url` without a trailing slash. Raises UsageError unless it is plain HTTP to this machine and has no path."""
    parts = urlsplit(url)
    if parts.scheme != "http" or parts.path not in ("", "/") or parts.query:
        raise UsageError(f"host {url!r}: must look like http://127.0.0.1:8080, without a path")
    if not _is_loopback(parts.hostname or ""):
        raise UsageError(f"host {url!r} is not this machine: load goes to 127.0.0.1, ::1 or localhost only")
    return url.rstrip("/")


def _is_loopback(hostname: str) -> bool:
    if hostname == "localhost":
        return True
    try:
        return ipaddress.ip_address(hostname).is_loopback
    except ValueError:
        return False


def require_rate(rate_rps: float, users: int, profile: str) -> None:
    """Raises UsageError above what one load process was measured to send on time."""
    if rate_rps > RATE_RPS_MAX:
        raise UsageError(
            f"profile {profile} with {users} users is {rate_rps:g} requests/s, more than the {RATE_RPS_MAX:g} that "
            "one load process sends on time: take fewer users"
        )
