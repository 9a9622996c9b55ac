"""Store a share of the writes a second time, past what makes them idempotent: a retry that was applied twice.

The rows are copied in the store, with new numbers of their own and the same op_id; see `rows.COPIES` for the
writes that can be hit.
"""

from __future__ import annotations

from typing import Any

from porttrack.faults.kinds import Write, WriteFault
from porttrack.faults.rows import COPIES
from porttrack.store import Put


class StoredTwice(WriteFault, frozen=True, kw_only=True):
    """`share` of the writes that can be are in the log twice."""

    def takes(self, write: Write) -> bool:
        """Those whose rows can be copied."""
        return write.method in COPIES

    async def write(self, write: Write) -> Any:
        """Store it, then copy it. A write that the service already had is left as it is."""
        done = await write.proceed()
        if done is not Put.REPEATED:
            await write.rows.copy(write.method, write.op_id)
            write.injected()
        return done
