"""Free loopback ports that stay ours: a lock file a port, held by flock, plus a bind test.

Binding to port 0 would draw from the range that outgoing connections use, and between the draw and the
start of a server anybody may take the port. So ports come from 20000 to 31999, below that range on an
ordinary Linux, and each is held by an flock on `<cache>/ports/<port>.lock` from the choice to the end of
the trial. The kernel drops the locks when the last process that has the file open is gone, however it
ended. The bind test finds servers that know nothing of the lock files.

The lock files are never removed: removing a locked file would let two holders lock two files of one name.

Not covered: other users' trials with another cache folder (the bind test sees their servers only once
they listen), IPv6.
"""

from __future__ import annotations

import errno
import fcntl
import os
import random
import socket
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Final

from harness.errors import DriveError, UsageError

PORT_FIRST: Final = 20_000
PORT_LAST: Final = 31_999
LOOPBACK: Final = "127.0.0.1"


class PortLease:
    """Ports and the open lock files that hold them. Close it, or leave its `with` block, to give them back."""

    def __init__(self) -> None:
        self._fds: dict[int, int] = {}

    @property
    def ports(self) -> tuple[int, ...]:
        """In the order in which they were taken: fixed ones first."""
        return tuple(self._fds)

    @property
    def fds(self) -> tuple[int, ...]:
        """The lock files' descriptors: a child started with `pass_fds=lease.fds` goes on holding the ports."""
        return tuple(self._fds.values())

    def take(self, port: int, lock_dir: Path) -> bool:
        """Lock and bind-test one port; False when somebody else has it."""
        fd = os.open(lock_dir / f"{port}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        if not _locked(fd) or not is_free(port):
            os.close(fd)
            return False
        self._fds[port] = fd
        return True

    def release(self) -> None:
        """Give all ports back. Any number of times."""
        while self._fds:
            _, fd = self._fds.popitem()
            os.close(fd)

    def __enter__(self) -> PortLease:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


def _locked(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def is_free(port: int) -> bool:
    """Whether a server could bind 127.0.0.1:`port` now.

    With SO_REUSEADDR, as every server of the stack binds: a connection that lingers in TIME_WAIT is no obstacle.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError as error:
            if error.errno in {errno.EADDRINUSE, errno.EACCES}:
                return False
            raise
    return True


def reserve(count: int, lock_dir: Path, fixed: Sequence[int] = (), order: random.Random | None = None) -> PortLease:
    """Lease the `fixed` ports and `count` free ones.

    UsageError names a fixed port that is in use; DriveError when the range has not enough free ports. `order`
    decides where in the range the search starts, so that trials side by side rarely try the same port.
    """
    lock_dir.mkdir(parents=True, exist_ok=True)
    lease = PortLease()
    try:
        for port in fixed:
            if not lease.take(port, lock_dir):
                raise UsageError(
                    f"port {port}: in use on {LOOPBACK}; free it (ss -ltnp 'sport = {port}') or name another"
                )
        _take_free(lease, count, lock_dir, order or random.Random(os.getpid()))
    except BaseException:
        lease.release()
        raise
    return lease


def _take_free(lease: PortLease, count: int, lock_dir: Path, order: random.Random) -> None:
    size = PORT_LAST - PORT_FIRST + 1
    start = order.randrange(size)
    wanted = len(lease.ports) + count
    for step in range(size):
        if len(lease.ports) == wanted:
            return
        port = PORT_FIRST + (start + step) % size
        if port not in lease.ports:
            lease.take(port, lock_dir)
    if len(lease.ports) < wanted:
        raise DriveError(
            f"only {len(lease.ports)} of {wanted} ports are free in {PORT_FIRST}-{PORT_LAST}: end trials that still "
            "run (harness heal lists them)"
        )
