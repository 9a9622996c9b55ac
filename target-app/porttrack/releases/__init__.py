"""The releases of PortTrack: what each accepts and which columns each names.

Two releases run side by side on one schema during a canary, so no statement says `SELECT *` and no release
knows a column that it does not list. A release is a frozen description; the code that uses it is shared.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec


@dataclass(frozen=True, slots=True)
class Release:
    """One release. The column maps go from column to SQL type, payload columns only, in the order of the payload."""

    name: str
    batch_type: type[Any]
    position_columns: Mapping[str, str]
    port_call_columns: Mapping[str, str]
    timestamp_columns: Mapping[str, str]
    # The latest position per vessel holds what every release knows: a column that an older release does not
    # update would keep a newer release's value beside an older release's position.
    vessel_columns: Mapping[str, str]

    def batch_decoder(self) -> msgspec.json.Decoder[Any]:
        """A decoder of this release's batches; build it once, it is the hot path."""
        return msgspec.json.Decoder(self.batch_type)


def known() -> tuple[Release, ...]:
    """Every release, oldest first."""
    # Imported here: the releases import Release from this module.
    from porttrack.releases import v1_0, v1_1

    return v1_0.RELEASE, v1_1.RELEASE


def by_name(name: str) -> Release:
    """The release `name`; ValueError with the known ones otherwise."""
    for release in known():
        if release.name == name:
            return release
    raise ValueError(f"release {name!r} is not known; known: {', '.join(release.name for release in known())}")
