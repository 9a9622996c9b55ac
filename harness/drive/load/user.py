"""Locust around the engine: its command line, its users, its signals, its statistics.

    locust -f locustfiles/porttrack.py --headless -u 20 -t 20s -H http://127.0.0.1:8080     alone
    HARNESS_LOAD_PLAN=plan.json locust -f locustfiles/porttrack.py --headless -u 150        in a trial

Alone, nothing goes to disk; the split by version is printed at the end, and a run that sent nothing exits
with 2. In a trial the plan says everything, evidence goes to the run directory, and the exit code is 0
however the service fared: the trial judges, Locust does not. 70 means that the load itself failed.

`-u N` scales the profile's rate by N / its users. Locust's users only stand for ours: arrivals belong to
the whole population from the first instant, so `-r` delays none of them. Locust's own statistics are fed
with the latency from the intended start and named by kind.

SIGTERM and SIGINT both stop sending at a definite instant, wait for what is in flight, and leave. SIGINT
is taken here because Python would raise KeyboardInterrupt in whichever greenlet runs, and lose its row.

Importing this module imports locust, which patches the sockets of the process. Not covered: `--processes`,
`--master`, `--worker` (refused: each would send the whole schedule), changing users while running (warned).
"""

from __future__ import annotations

import logging
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import gevent
import locust
from locust.exception import CatchResponseError, StopTest
from locust.runners import LocalRunner

from harness import clock
from harness.drive.load.client import Answer
from harness.drive.load.plan import PLAN_VARIABLE, SECONDS_MAX, LoadPlan, read_plan, require_loopback
from harness.drive.load.recorder import Operation
from harness.drive.load.run import LoadRun, profile_of, waiting_kinds
from harness.drive.load.split import SplitRecorder
from harness.drive.target import load_kit
from harness.drive.target.port import Request
from harness.errors import EXIT_HARNESS, EXIT_INCONCLUSIVE, EXIT_PASS, HarnessError, UsageError
from harness.evidence.format import Outcome
from harness.plan.target import Headers, Versions

SEED_DEFAULT: Final = 7
PROFILE_DEFAULT: Final = "M"
IDLE_S: Final = 3600.0  # Locust's users have nothing to do; the stop kills them in their sleep

RUN_TIME_SLACK_S: Final = 1  # the engine's lead of 0.5 s, and 0.5 s to draw and store the schedule (measured 0.05)

_log = logging.getLogger("harness.load")


def build_user(kit: str = "", headers: Headers | None = None, versions: Versions | None = None) -> type[Any]:
    """The Locust User class of a locustfile; registers the engine with Locust's events.

    `kit`, `headers` and `versions` serve a run alone; a load plan brings its own. Without them only a plan can run.
    """
    _Session(kit, headers, versions).listen(locust.events)

    def idle(_user: Any) -> None:
        gevent.sleep(IDLE_S)

    return type("LoadUser", (locust.User,), {"abstract": False, "tasks": [idle]})


def _unshadow(locustfiles: Sequence[str]) -> None:
    """Give their names back to packages: Locust enters a file `porttrack.py` into sys.modules as `porttrack`."""
    for path in map(Path, locustfiles):
        module = sys.modules.get(path.stem)
        if module is not None and getattr(module, "__file__", None) == str(path):
            del sys.modules[path.stem]
        # Locust puts the current folder first on the path; the locustfile's own is asked last from here on.
        folder = path.parent.resolve()
        sys.path[:] = sorted(sys.path, key=lambda entry: Path(entry).resolve() == folder)


def _add_options(parser: Any, **_: Any) -> None:
    """`--profile` is Locust's own option; here it names the kit's profile."""
    parser.add_argument("--seed", type=int, default=SEED_DEFAULT, help="seed of the schedule, default 7")
    parser.add_argument(
        "--load-plan",
        default="",
        env_var=PLAN_VARIABLE,
        include_in_web_ui=False,
        help="JSON file that a trial writes; everything else then comes from it",
    )


class _Session:
    """One load process, from its command line to its exit code."""

    def __init__(self, kit: str, headers: Headers | None, versions: Versions | None) -> None:
        self._kit_name = kit
        self._headers = headers
        self._versions = versions
        self._environment: Any = None
        self._plan: LoadPlan | None = None  # of a trial
        self._run: LoadRun | None = None
        self._seconds_max = SECONDS_MAX
        self._split: SplitRecorder | None = None  # of a run alone, until it is printed
        self._sent_count = 0

    def listen(self, events: Any) -> None:
        """Register every listener."""
        events.init_command_line_parser.add_listener(_add_options)
        events.init.add_listener(self._on_init)
        events.test_start.add_listener(self._on_test_start)
        events.spawning_complete.add_listener(self._on_spawning_complete)
        events.test_stopping.add_listener(self._on_test_stopping)
        events.quitting.add_listener(self._on_quitting)

    def _on_init(self, environment: Any, runner: Any, **_: Any) -> None:
        """Refuse what cannot run before anything does, with one line."""
        self._environment = environment
        options = environment.parsed_options
        _unshadow(environment.parsed_locustfiles)
        try:
            if not isinstance(runner, LocalRunner):
                raise UsageError(
                    "--processes, --master and --worker would each send the whole schedule: leave them out"
                )
            if options.load_plan:
                self._plan = read_plan(Path(options.load_plan))
            if self._plan is not None or options.headless:
                plan = self._effective_plan(options.num_users or 1)
                profile_of(load_kit(plan.kit), plan.profile, plan.users)
            self._lengthen_run_time(options)
        except HarnessError as error:
            sys.stderr.write(f"{error}\n")
            sys.exit(error.exit_code)
        gevent.signal_handler(signal.SIGINT, self._on_sigint)

    def _lengthen_run_time(self, options: Any) -> None:
        """Let `-t` mean so many seconds of arrivals: Locust counts from before the load's zero."""
        self._seconds_max = min(float(options.run_time or SECONDS_MAX), SECONDS_MAX)
        if options.run_time:
            options.run_time += RUN_TIME_SLACK_S
        # Imports ran for a second without the event loop, whose stale clock would cut that second from `-t`.
        gevent.get_hub().loop.update_now()

    def _effective_plan(self, locust_users: int) -> LoadPlan:
        """The trial's plan, or one made of the command line. Raises UsageError for a host that is not this machine."""
        if self._plan is not None:
            require_loopback(self._plan.service_url)
            return self._plan
        if self._headers is None or self._versions is None:
            raise UsageError(f"this locustfile runs only with a load plan: set {PLAN_VARIABLE} or --load-plan")
        options = self._environment.parsed_options
        return LoadPlan(
            # Unique per run: services keep rows by operation id, and an id that came before would be a repeat.
            run_id=f"alone-{clock.utc_stamp()}-{os.getpid()}",
            run_dir="/",
            kit=self._kit_name,
            profile=options.profile or PROFILE_DEFAULT,
            seed=options.seed,
            users=locust_users,
            seconds_max=self._seconds_max,
            service_url=require_loopback(self._environment.host or ""),
            headers=self._headers,
            versions=self._versions,
        )

    def _on_test_start(self, **_: Any) -> None:
        """Draw and store the schedule, then start at once."""
        try:
            plan = self._effective_plan(self._environment.runner.target_user_count)
            kit = load_kit(plan.kit)
            waiting = waiting_kinds(profile_of(kit, plan.profile, plan.users))
            self._split = SplitRecorder(waiting) if self._plan is None else None
            self._run = LoadRun(plan, kit, self._split, self._fire, self._on_failure)
        except (HarnessError, OSError) as error:
            raise StopTest(str(error)) from error
        _log.info(
            "run %s: kit %s, profile %s, %d users, seed %d: %d arrivals over %.0f s, %.1f a second",
            *(plan.run_id, plan.kit, plan.profile, plan.users, plan.seed),
            *(len(self._run.schedule), plan.seconds_max, self._run.schedule.rate_rps),
        )
        self._run.start()

    def _fire(self, request: Request, operation: Operation, answer: Answer | None) -> None:
        """Feed Locust's own statistics."""
        latency_ns = operation.done_ns - operation.intended_ns
        problem = None
        if operation.outcome != Outcome.OK:
            reason = operation.error or f"status {operation.status}"
            mark = " (injected)" if operation.fault_mark else ""
            problem = CatchResponseError(f"{operation.outcome}: {reason}{mark}")
        self._environment.events.request.fire(
            request_type=request.method,
            name=operation.kind,
            response_time=latency_ns / clock.NS_PER_MS,
            response_length=answer.size_bytes if answer else 0,
            exception=problem,
            context={},
            start_time=(clock.wall_ns() - latency_ns) / clock.NS_PER_S,
            url=request.path,
        )

    def _on_spawning_complete(self, user_count: int, **_: Any) -> None:
        if self._run is not None and user_count != self._run.plan.users:
            _log.warning("%d Locust users, but the rate stays that of %d", user_count, self._run.plan.users)

    def _on_failure(self, where: str, error: BaseException) -> None:
        _log.critical("the load failed in its %s: %s: %s", where, type(error).__name__, error)
        self._environment.runner.quit()

    def _on_sigint(self) -> None:
        """Finish first, then leave the way Locust does, which writes its reports."""
        self._finish()
        gevent.get_hub().handle_system_error(KeyboardInterrupt, KeyboardInterrupt())

    def _on_test_stopping(self, **_: Any) -> None:
        self._finish()

    def _on_quitting(self, environment: Any, **_: Any) -> None:
        # Set before the finish: should it raise, Locust logs that and goes on to leave with this code.
        environment.process_exit_code = EXIT_HARNESS
        self._finish()
        environment.process_exit_code = self._exit_code()

    def _finish(self) -> None:
        if self._run is None:
            return
        self._run.finish()
        split, self._split = self._split, None
        if split is not None:
            self._sent_count = split.sent_count
            sys.stdout.write(split.summary())
            sys.stdout.flush()

    def _exit_code(self) -> int | None:
        """None leaves it to Locust: 1 when a request failed."""
        if self._run is None or not self._run.complete:
            return EXIT_HARNESS
        if self._plan is not None:
            return EXIT_PASS
        return None if self._sent_count else EXIT_INCONCLUSIVE
