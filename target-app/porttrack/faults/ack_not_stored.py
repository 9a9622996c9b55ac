"""Acknowledge a share of the writes and store nothing: the lost write that no error rate shows."""

from __future__ import annotations

from typing import Any

from porttrack.faults.kinds import Write, WriteFault


class AckNotStored(WriteFault, frozen=True, kw_only=True):
    """`share` of the writes are answered as new and are not there."""

    async def write(self, write: Write) -> Any:
        """The acknowledgement alone. Even a write that the store would have refused gets it."""
        write.injected()
        return write.acknowledgement
