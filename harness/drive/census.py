"""What exists: the trial's processes, ports, faults and test rows. Taken at open and at close and compared.

Items are plain dictionaries, sorted, so that two censuses are equal exactly when nothing was left behind.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable, Mapping
from pathlib import Path

import psutil


def take(
    pids: Mapping[str, int], ports: Iterable[int], faults: Iterable[str] = (), test_row_count: int = 0
) -> list[dict[str, object]]:
    """One census: processes of `pids` that are alive, `ports` that listen, active `faults`, the run's rows."""
    items: list[dict[str, object]] = [
        {"what": "process", "name": name, "pid": pid} for name, pid in pids.items() if is_alive(pid)
    ]
    items += [{"what": "port", "name": str(port)} for port in ports if listens(port)]
    items += [{"what": "fault", "name": name} for name in faults]
    if test_row_count:
        items.append({"what": "test_rows", "name": "store", "count": test_row_count})
    return sorted(items, key=lambda item: (str(item["what"]), str(item["name"])))


def listens(port: int) -> bool:
    """Whether anything on 127.0.0.1 accepts connections on this port."""
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def is_alive(pid: int) -> bool:
    """Whether the process runs; a zombie does not."""
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def start_time_of(pid: int) -> int:
    """Kernel ticks since boot at which the process started; 0 when there is none.

    Field 22 of /proc/<pid>/stat, not psutil's create_time, which moves when the wall clock is set.
    """
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return int(stat.rpartition(")")[2].split()[19])  # the command in parentheses may hold spaces


def is_same_process(pid: int, started: int) -> bool:
    """Whether `pid` still is the process that started then, not a stranger with its number."""
    return started != 0 and is_alive(pid) and start_time_of(pid) == started
