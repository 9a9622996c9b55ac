"""Store a share of the position batches so that release 1.0 does not give them back: a break between versions.

A new release that numbers from a new zero: seq n is stored as -1 - n. The store takes it. Release 1.0 pages
through a track from seq 0 on, so it never comes to such a row, and no error is raised anywhere: stable's reading
misses an acknowledged write that a scan of the store finds, under its op_id. (The scan also finds its seq changed;
the rows of a write cannot be kept from 1.0 without changing anything in them.)
"""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from porttrack.faults.kinds import Write, WriteFault


class UnreadableRow(WriteFault, frozen=True, kw_only=True):
    """`share` of the batches are stored where 1.0 does not look."""

    def takes(self, write: Write) -> bool:
        """Batches of positions."""
        return bool(write.arguments.get("reports"))

    async def write(self, write: Write) -> Any:
        """Store the whole batch below zero: a batch of which a part can be read would be a changed one, not a lost."""
        done = await write.proceed(
            reports=[replace(report, seq=-1 - report.seq) for report in write.arguments["reports"]]
        )
        write.injected()
        return done
