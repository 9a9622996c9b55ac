"""What a trial on this machine needs and whether it is there: one row a part, each with its next step.

Nothing is started but programs that print their version and an empty user namespace; nothing is written.
A row is `ok`, `old` (there, but below what the project was tested with) or `missing`. Chromium is only for
the browser tests, so its row says so instead of sending people off to install it.

Not covered: whether the parts work together; that is what a trial of the healthy release shows.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final, Literal

from harness.drive.stack import binaries, ports
from harness.drive.stack.binaries import Given
from harness.errors import MissingPartError, UsageError

# The oldest that the parts' own features need: 3.11 TaskGroup and StrEnum; Envoy's COMMON_DURATION in the access log;
# Alertmanager's `matchers`; PostgreSQL's pg_read_all_data. Prometheus and Alertmanager: Debian 12's, the oldest tested.
OLDEST: Final[Mapping[str, str]] = {
    "python": "3.11",
    "uv": "0.5",
    "envoy": "1.30",
    "postgres": "14",
    "prometheus": "2.42",
    "promtool": "2.42",
    "alertmanager": "0.25",
    "amtool": "0.25",
    "locust": "2.47",
    "chaostoolkit": "1.19",
}
# A trial's evidence and data directories take about 300 MB; this leaves room for a suite of them.
DISK_FREE_GB_MIN: Final = 2.0
PORTS_WANTED: Final = 16  # of a trial with two stable instances
UNSHARE_S_MAX: Final = 5.0

# Trials run without these.
OPTIONAL: Final = ("uv", "chromium")

Status = Literal["ok", "missing", "old"]


@dataclass(frozen=True, slots=True)
class Row:
    """One part. `version` is "" where there is none; `says` holds the place when ok, else the next step."""

    name: str
    status: Status
    version: str
    says: str


def examine(given: Given, cache_dir: Path, path: str | None = None, euid: int | None = None) -> tuple[Row, ...]:
    """Every part's row, always in the same order. `path`: a PATH to search, `euid`: who runs it; None: as here."""
    user = os.geteuid() if euid is None else euid
    return (
        _python(),
        _tool("uv", "it is only needed to install and to build: pip install uv", path),
        *(_binary(part, given, cache_dir, path) for part in _PARTS),
        _package("locust", "uv sync"),
        _package("chaostoolkit", "uv sync"),
        _namespaces(user, path),
        _ports(Path("/proc/sys/net/ipv4/ip_local_port_range")),
        _disk(cache_dir),
        _tool("chromium", "only for the browser tests: install Debian's chromium", path),
    )


_PARTS: Final = ("envoy", "postgres_bin", "prometheus", "promtool", "alertmanager", "amtool")


def number(text: str) -> tuple[int, ...]:
    """`2.42.0+ds` as (2, 42, 0), to compare by."""
    return tuple(int(part) for part in re.findall(r"\d+", text.partition("+")[0]))


def _judged(name: str, found: str, place: str, next_step: str) -> Row:
    oldest = OLDEST.get(name, "")
    if number(found) < number(oldest):
        return Row(name, "old", found, f"{place}: at least {oldest} is needed; {next_step}")
    return Row(name, "ok", found, place)


def _python() -> Row:
    found = ".".join(map(str, sys.version_info[:3]))
    return _judged("python", found, sys.executable, "install a newer Python and make the environment again: uv sync")


def _tool(name: str, next_step: str, path: str | None) -> Row:
    place = shutil.which(name, path=path)
    if place is None:
        return Row(name, "missing", "", next_step)
    return _asked(name, (place, "--version"), place, next_step)


def _binary(part: str, given: Given, cache_dir: Path, path: str | None) -> Row:
    name, next_step = part.removesuffix("_bin"), binaries.NEXT_STEPS[part]
    try:
        place = binaries.locate_one(part, given, cache_dir, path)
    except UsageError as error:
        return Row(name, "missing", "", str(error))
    if not place:
        return Row(name, "missing", "", next_step)
    return _asked(name, binaries.version_argv(part, place), place, next_step)


def _asked(name: str, argv: tuple[str, ...], place: str, next_step: str) -> Row:
    try:
        found = binaries.version_of(argv)
    except MissingPartError as error:
        return Row(name, "missing", "", f"{error}; {next_step}")
    return _judged(name, found, place, next_step)


def _package(name: str, next_step: str) -> Row:
    try:
        found = version(name)
    except PackageNotFoundError:
        return Row(name, "missing", "", f"not installed in {sys.prefix}; {next_step}")
    return _judged(name, found, sys.prefix, next_step)


def _namespaces(euid: int, path: str | None) -> Row:
    """PostgreSQL refuses to run as root; a user namespace is how root runs it without making a user."""
    name = "user namespaces"
    if euid != 0:
        return Row(name, "ok", "", "not needed: PostgreSQL runs as you")
    unshare = shutil.which("unshare", path=path)
    if unshare is None:
        return Row(name, "missing", "", "unshare is not there: install util-linux, or run as a user other than root")
    argv = (unshare, "--user", "--map-user=65534", "--map-group=65534", "--", "true")
    try:
        done = subprocess.run(argv, timeout=UNSHARE_S_MAX, capture_output=True, text=True, check=False)
    except subprocess.TimeoutExpired:
        return Row(
            name, "missing", "", f"unshare does not end within {UNSHARE_S_MAX:.0f} s; run as another user than root"
        )
    if done.returncode != 0:
        return Row(name, "missing", "", f"{done.stderr.strip()}; run as a user other than root")
    return Row(name, "ok", "", unshare)


def _ports(kernel_range: Path) -> Row:
    """Whether enough ports are free and outside the range that outgoing connections draw from."""
    span = f"{ports.PORT_FIRST}-{ports.PORT_LAST}"
    if kernel_range.exists():
        low, high = map(int, kernel_range.read_text().split())
        if low <= ports.PORT_LAST and high >= ports.PORT_FIRST:
            return Row(
                "ports",
                "old",
                span,
                f"outgoing connections use {low}-{high}; set net.ipv4.ip_local_port_range elsewhere",
            )
    free_count = _count(ports.is_free)
    if free_count < PORTS_WANTED:
        return Row("ports", "missing", span, f"only {free_count} are free; end what listens there (ss -ltn)")
    return Row("ports", "ok", span, f"at least {free_count} free on {ports.LOOPBACK}")


def _count(is_free: Callable[[int], bool]) -> int:
    """Free ports of the range, counted until there are enough."""
    free_count = 0
    for port in range(ports.PORT_FIRST, ports.PORT_LAST + 1):
        free_count += is_free(port)
        if free_count == PORTS_WANTED:
            break
    return free_count


def _disk(folder: Path) -> Row:
    existing = next(place for place in (folder.absolute(), *folder.absolute().parents) if place.exists())
    free_gb = shutil.disk_usage(existing).free / 1e9
    if free_gb < DISK_FREE_GB_MIN:
        wanted = f"{DISK_FREE_GB_MIN:.0f} are needed; free some or set HARNESS_CACHE_DIR"
        return Row("disk", "missing", "", f"{free_gb:.1f} GB free at {existing}, {wanted}")
    return Row("disk", "ok", "", f"{free_gb:.0f} GB free at {existing}")
