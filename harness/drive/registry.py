"""One registry for every adapter folder: built-in kinds and other people's, found by entry point.

A kind maps to a factory. Built-ins are named by module and attribute and imported only when chosen, so
that listing the kinds costs no import. A foreign adapter registers in the folder's entry point group
(`harness.routers`, `harness.alerts`, ...); it cannot take a built-in's name, because a drill must not
change its meaning with what happens to be installed.
"""

from __future__ import annotations

import importlib
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import Any

from harness.errors import UsageError
from harness.plan.validate import nearest


@dataclass(frozen=True, slots=True)
class Registry:
    """`what`: the part in messages; `group`: its entry point group; `built_in`: kind -> `module:attribute`."""

    what: str
    group: str
    built_in: Mapping[str, str]

    def known(self) -> tuple[str, ...]:
        """Every kind that can be built, sorted."""
        return tuple(sorted({*self.built_in, *(point.name for point in entry_points(group=self.group))}))

    def factory(self, kind: str) -> Callable[..., Any]:
        """What builds the adapter `kind`. UsageError with the known kinds and the nearest spelling for any other."""
        if kind in self.built_in:
            module, _, attribute = self.built_in[kind].partition(":")
            built_in: Callable[..., Any] = operator.attrgetter(attribute)(importlib.import_module(module))
            return built_in
        for point in entry_points(group=self.group):
            if point.name == kind:
                foreign: Callable[..., Any] = point.load()
                return foreign
        raise UsageError(f"{self.what} {kind!r} is unknown; {nearest(kind, self.known())}")
