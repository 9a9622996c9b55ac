"""Logs by source: what sensors, cranes, planners and the traffic desk send, each entry stored once. Pure.

An entry is known by its source and by that source's own number of it. The same entry again is answered like the
first time and stored once; another entry under a number that is taken is refused. A log's columns are the fields of
its struct, so a release that adds a field brings a struct of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import msgspec
from msgspec import Meta

Source = Annotated[str, Meta(min_length=1, max_length=64)]


@dataclass(frozen=True, slots=True)
class Log:
    """One log: its table and its payload columns, `source` and `seq` among them."""

    table: str
    columns: tuple[str, ...]


def log_of(table: str, struct: type[Any]) -> Log:
    """The log that keeps entries of `struct` in `table`."""
    return Log(table, tuple(field.name for field in msgspec.structs.fields(struct)))
