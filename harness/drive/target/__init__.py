"""Kits by name: the one place that turns a target file's `kit:` into an object.

A kit registers itself under the entry point group `harness.targets`; built-ins and other people's kits
come the same way, so the engine imports no service by name. A kit can be a file, too (`kit: notes.kit.yaml`).
Unknown names are refused with the known ones and the nearest spelling, as everywhere a kind is chosen.

Not covered: two packages that register one name (the first one found wins, as with any entry point).
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, Final, cast

from harness.drive.target.declared import DeclaredKit
from harness.drive.target.port import Instance, TargetKit
from harness.errors import InvalidFileError, MissingPartError, UsageError
from harness.plan import kit as kit_files
from harness.plan.target import Versions
from harness.plan.validate import nearest, parsed, yaml_lines

GROUP: Final = "harness.targets"
# What the sidecar before a service of a kit file can do to its answers.
SIDECAR_FAULTS: Final = ("http_5xx", "latency", "metrics_gone")


def known_kits() -> tuple[str, ...]:
    """Names of every installed kit, sorted."""
    return tuple(sorted({point.name for point in entry_points(group=GROUP)}))


def is_file(name: str) -> bool:
    """Whether a target's `kit:` is a file and no name."""
    return name.endswith((".yaml", ".yml"))


def read_kit(path: Path, **kwargs: Any) -> TargetKit:
    """The kit in a file."""
    try:
        text = path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: cannot be read: {error}; `kit:` of the target names this file") from error
    kit, problems = kit_files.parse(parsed(str(path), text), str(path), yaml_lines(text))
    if kit is None:
        raise InvalidFileError(str(path), problems.found)
    return DeclaredKit(kit, path.resolve().parent, **kwargs)


def identities(kit: TargetKit, instances: Sequence[Instance], versions: Versions) -> dict[str, str]:
    """Instance -> the version that it says it is. UsageError where that is not what the target's `versions` say.

    Answers are attributed by what an instance says of itself: two instances of one version would be a release drilled
    against itself.
    """
    wanted = {"stable": versions.stable, "canary": versions.canary}
    said = {one: kit.identify(one) for one in instances}
    for one, version in said.items():
        if version != wanted[one.track]:
            should = f"`versions` of the target says {wanted[one.track]!r}"
            raise UsageError(f"{one.name} says it is {version!r}, {should}: mend one of them")
    return {one.name: version for one, version in said.items()}


def load_kit(name: str, **kwargs: Any) -> TargetKit:
    """The kit registered as `name`, built with `kwargs`.

    A name that ends in .yaml is the absolute path of a kit file. Raises UsageError for a name that nobody registered,
    InvalidFileError for a file that is wrong, MissingPartError for a kit whose package cannot be imported.
    """
    if is_file(name):
        return read_kit(Path(name), **kwargs)
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
