"""Store the speed of a share of the position batches in km/h: right in form, and wrong by nearly two.

Nothing refuses it: the range is checked where a request comes in, before the mistake is made.
"""

from __future__ import annotations

from typing import Any, Final

from msgspec.structs import replace

from porttrack.faults.kinds import Write, WriteFault

KM_PER_NAUTICAL_MILE: Final = 1.852
SOG_NOT_AVAILABLE: Final = 102.3  # the AIS code; a conversion of a speed leaves what is no speed alone


class WrongUnit(WriteFault, frozen=True, kw_only=True):
    """`share` of the batches in which something moves are stored with km/h for kn."""

    def takes(self, write: Write) -> bool:
        """Batches with a speed that the unit changes."""
        return any(map(_moves, write.arguments.get("reports", ())))

    async def write(self, write: Write) -> Any:
        """Store the batch with every speed converted once too often."""
        reports = [
            replace(report, sog=report.sog * KM_PER_NAUTICAL_MILE) if _moves(report) else report
            for report in write.arguments["reports"]
        ]
        done = await write.proceed(reports=reports)
        write.injected()
        return done


def _moves(report: Any) -> bool:
    return bool(0 < report.sog < SOG_NOT_AVAILABLE)
