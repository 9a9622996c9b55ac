"""One wrapper for every action and probe: what goes wrong is on the trial's record before Chaos Toolkit sees it."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from chaoslib.exceptions import InterruptExecution

from harness.drive import trial as trials
from harness.errors import HarnessError

P = ParamSpec("P")
R = TypeVar("R")


def on_record(func: Callable[P, R]) -> Callable[P, R]:
    """An error ends the experiment and stands in the timeline; so does a signal."""

    @functools.wraps(func)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return func(*args, **kwargs)
        except HarnessError as error:
            if trials.is_open():
                trials.current().note_error(func.__name__, trials.current().explained(str(error)))
            raise InterruptExecution(f"{func.__name__}: {error}") from error
        except (KeyboardInterrupt, SystemExit) as error:
            if trials.is_open():
                trials.current().note_cut(f"{type(error).__name__} during {func.__name__}")
            raise

    return wrapped
