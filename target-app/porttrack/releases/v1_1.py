"""Release 1.1: positions carry the AIS position-accuracy flag, in one optional column.

The migration only expands: 1.0 runs on the same schema, reads what 1.1 wrote, and writes rows in which the
new column is empty.
"""

from __future__ import annotations

from typing import Annotated, Final

import msgspec
from msgspec import Meta

from porttrack.releases import Release, v1_0


class Report(v1_0.Report, frozen=True):
    """A 1.0 report, and whether its position is good to 10 m (true), worse (false) or unsaid (null)."""

    position_accuracy: bool | None = None


class Batch(msgspec.Struct, frozen=True):
    """What a station sends: 1 to 20 reports that are stored all or none."""

    source: Annotated[str, Meta(min_length=1, max_length=64)]
    reports: Annotated[list[Report], Meta(min_length=1, max_length=20)]


POSITION_COLUMNS: Final = {**v1_0.POSITION_COLUMNS, "position_accuracy": "boolean"}

RELEASE: Final = Release(
    name="1.1",
    batch_type=Batch,
    position_columns=POSITION_COLUMNS,
    port_call_columns=v1_0.PORT_CALL_COLUMNS,
    timestamp_columns=v1_0.TIMESTAMP_COLUMNS,
    vessel_columns=v1_0.POSITION_COLUMNS,
)
