"""Kits by name: the one place that turns a target file's `kit:` into an object.

A kit registers itself under the entry point group `harness.targets`; built-ins and other people's kits
come the same way, so the engine imports no service by name. Unknown names are refused with the known
ones and the nearest spelling, as everywhere a kind is chosen.

Not covered: two packages that register one name (the first one found wins, as with any entry point).
"""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points
from typing import Any, Final, cast

from harness.drive.target.port import TargetKit
from harness.errors import MissingPartError, UsageError
from harness.plan.validate import nearest

GROUP: Final = "harness.targets"


def known_kits() -> tuple[str, ...]:
    """Names of every installed kit, sorted."""
    return tuple(sorted({point.name for point in entry_points(group=GROUP)}))


def load_kit(name: str, **kwargs: Any) -> TargetKit:
    """The kit registered as `name`, built with `kwargs`.

    Raises UsageError for a name that nobody registered, MissingPartError for one whose package cannot be imported.
    """
    points: dict[str, EntryPoint] = {point.name: point for point in entry_points(group=GROUP)}
    point = points.get(name)
    if point is None:
        raise UsageError(f"kit {name!r} is not installed; {nearest(name, points)}")
    try:
        kit_class = point.load()
    except (ImportError, AttributeError) as error:
        raise MissingPartError(
            f"kit {name!r} is registered as {point.value} but cannot be imported ({error}): install its package"
        ) from error
    return cast(TargetKit, kit_class(**kwargs))
