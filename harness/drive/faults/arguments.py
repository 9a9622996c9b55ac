"""A fault's own arguments: what each must be, and every one that is wrong named at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from harness.errors import UsageError
from harness.plan.validate import nearest


@dataclass(frozen=True, slots=True)
class Argument:
    """A number from `low` to `high`, or one of `choices`. Without a `default` it must be given."""

    name: str
    default: float | None = None
    low: float = 0
    high: float = 0
    whole: bool = False
    choices: tuple[int, ...] = ()

    def problem(self, value: Any) -> str:
        """What is wrong with `value`; "" if nothing is."""
        # `type`, not isinstance: true is no number, and 503.0 is no status.
        if self.choices:
            fits = type(value) is int and value in self.choices
            return "" if fits else f"{self.name} is {value!r}, must be {' or '.join(map(str, self.choices))}"
        fits = type(value) in ((int,) if self.whole else (int, float)) and self.low <= value <= self.high
        number = "a whole number" if self.whole else "a number"
        return "" if fits else f"{self.name} is {value!r}, must be {number} from {self.low:g} to {self.high:g}"


# The trial gives its own seed where the experiment names none, so every fault takes one.
SEED: Final = Argument("seed", default=0, high=2**31, whole=True)


def checked(kind: str, wanted: Sequence[Argument], given: Mapping[str, Any]) -> dict[str, float]:
    """`given` with the defaults filled in. UsageError that lists all problems."""
    names = [argument.name for argument in wanted]
    problems = [f"{name!r} is no argument of {kind}; {nearest(name, names)}" for name in sorted({*given} - {*names})]
    values = {argument.name: given.get(argument.name, argument.default) for argument in wanted}
    for argument in wanted:
        if values[argument.name] is None and argument.name not in given:
            problems.append(f"{argument.name} is missing: {kind} has no default for it")
        else:
            problems.append(argument.problem(values[argument.name]))
    if any(problems):
        raise UsageError("; ".join(filter(None, problems)))
    return {name: value for name, value in values.items() if value is not None}
