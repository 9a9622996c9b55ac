"""`harness`: the group of commands, and the one place that turns an error into a message and an exit code.

Commands are imported when they are called, so that `--help` does not pay for Locust or Arrow.

Exit codes: 0 PASS, 1 FAIL, 2 INCONCLUSIVE, 64 what the user gave is wrong, 70 the harness failed or lacks a
part, 130 and 143 interrupted, 141 whoever read the output has gone.
"""

from __future__ import annotations

import importlib
import sys
import traceback

import click

import harness
from harness.errors import EXIT_HARNESS, EXIT_SIGINT, EXIT_SIGPIPE, EXIT_USAGE, HarnessError

# name -> what `--help` says; the module harness.cli.<name> has `command`
COMMANDS = {
    "demo": "Fetch what is missing, then run the first drill: canary-5xx.",
    "run": "Run one trial and judge it.",
    "watch": "Follow a trial that runs elsewhere.",
    "judge": "Judge a run directory again, offline.",
    "report": "Draw a judged run directory again, offline.",
    "stack": "Bring the local stack up by itself.",
    "suite": "Run the trials of a suite, one after another, within a budget.",
    "index": "Write one page over all trials of a folder.",
    "trend": "Show the history of a folder, changes of level marked.",
    "diff": "Show what differs between two runs, in what was run and in what came out.",
    "heal": "List or take away what dead trials left on this machine.",
    "init": "Write the first files of a drill for your own service.",
    "doctor": "Say what is there, in which version, and what to do.",
}


class LazyGroup(click.Group):
    """Imports a command's module only when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names in the order of COMMANDS."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name, None when there is none."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"harness.cli.{cmd_name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of commands without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(harness.__version__, prog_name="harness")
def group() -> None:
    """A fire drill for canary releases: break the canary on purpose and prove, from evidence, that the alert fires,
    the rollback works and no acknowledged write is lost."""


def main() -> None:
    """Run and exit; every error is one message with its exit code, no traceback for what a user can mend."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """The exit code of `harness ARGUMENTS`."""
    try:
        code = group.main(arguments, prog_name="harness", standalone_mode=False)
    except click.exceptions.Abort:
        return EXIT_SIGINT
    except click.ClickException as error:
        error.show()
        return EXIT_USAGE
    except HarnessError as error:
        click.echo(f"harness: {error}", err=True)
        return error.exit_code
    except KeyboardInterrupt:
        return EXIT_SIGINT
    except SystemExit as ended:
        # click ends with 1 where the reader of the output has gone, which here would be a FAIL.
        return EXIT_SIGPIPE if ended.code == 1 else int(ended.code or 0)
    except Exception:  # noqa: BLE001 - the outermost frame: anything uncaught is the harness's own fault, code 70
        traceback.print_exc()
        return EXIT_HARNESS
    return code if isinstance(code, int) else 0


if __name__ == "__main__":
    main()
