"""The one tree of operating errors. Programmer mistakes are asserted, never caught.

    HarnessError                    exit code 70 unless a subclass says otherwise
    ├── UsageError                  64: what the user gave is wrong (argument, file, setting, port, directory)
    │   └── InvalidFileError        64: a file with every one of its problems
    ├── MissingPartError            70: a binary or package that a trial needs is not there
    ├── DriveError                  70: a part of the running trial did not do what it was asked
    │   ├── GuardError              70: the guard refused or is gone
    │   └── TrialInterruptedError   130 or 143: a signal ended the trial
    └── EvidenceError               64: a run directory that cannot be read as format 1

Every message carries the offending value, where it stands and the next step, in one line a problem.
"""

from __future__ import annotations

from collections.abc import Sequence

EXIT_PASS = 0
EXIT_FAIL = 1
EXIT_INCONCLUSIVE = 2
EXIT_USAGE = 64
EXIT_HARNESS = 70
EXIT_SIGINT = 130
EXIT_SIGPIPE = 141  # whoever read the output has gone: not a verdict
EXIT_SIGTERM = 143


class HarnessError(Exception):
    """Something the harness itself could not do."""

    exit_code = EXIT_HARNESS


class UsageError(HarnessError):
    """What the user gave is wrong; nothing was started."""

    exit_code = EXIT_USAGE


class InvalidFileError(UsageError):
    """A file that cannot be used; `problems` lists every one of them, each `path:line: where: what`."""

    def __init__(self, path: str, problems: Sequence[str]) -> None:
        assert problems, "an invalid file has at least one problem"
        self.path = path
        self.problems = tuple(problems)
        count = len(self.problems)
        head = f"{path}: {count} problem{'s' if count > 1 else ''}"
        super().__init__("\n  ".join((head, *self.problems)))


class MissingPartError(HarnessError):
    """A binary, package or right that a trial needs is not there; the message says how to get it."""


class DriveError(HarnessError):
    """A part of the running trial did not do what it was asked, within its bound."""


class GuardError(DriveError):
    """The guard refused a request or is gone."""


class TrialInterruptedError(DriveError):
    """A signal ended the trial; the exit code follows the shell's convention."""

    def __init__(self, message: str, exit_code: int = EXIT_SIGINT) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class EvidenceError(UsageError):
    """A run directory that cannot be read as the format it claims."""
