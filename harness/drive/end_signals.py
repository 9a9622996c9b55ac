"""How a process with threads waits for SIGTERM and SIGINT without losing one."""

from __future__ import annotations

import contextlib
import os
import select
import signal


class EndSignals:
    """The end of this process, asked for by SIGTERM, SIGINT or `ask`. To be made in the main thread, once.

    An Event set in a Python handler can be lost: the kernel may give a signal to any thread, and the main thread,
    which alone runs handlers, then goes on sleeping in the Event's lock. The interpreter's wakeup descriptor is
    written in whichever thread takes the signal.
    """

    def __init__(self) -> None:
        self._asked_fd, self._asking_fd = os.pipe()
        for descriptor in (self._asked_fd, self._asking_fd):
            os.set_blocking(descriptor, False)
        signal.set_wakeup_fd(self._asking_fd, warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: None)

    def ask(self) -> None:
        """End, from any thread and any number of times."""
        with contextlib.suppress(BlockingIOError):  # asked for so often that the pipe is full
            os.write(self._asking_fd, b"\0")

    def wait(self, s_max: float | None = None) -> bool:
        """Whether the end was asked for, as soon as it is or after `s_max` seconds."""
        return bool(select.select([self._asked_fd], [], [], s_max)[0])
