"""`harness suite NAME|FILE`: the trials of a suite, one after another, within its budget; then what they showed.

Exit codes: 0 every trial was as expected, 1 one FAILed or a planted defect was not found, 2 anything else that is not
proven, 130 and 143 after a signal. The last line says `suite: PASS|FAIL|INCONCLUSIVE <folder>`.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from harness import shipped
from harness.errors import UsageError
from harness.evidence.finding import EXIT_CODES

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from harness.plan.suite import Suite
    from harness.settings import Settings
    from harness.study.expected import Expected
    from harness.study.order import Plan
    from harness.study.outcome import SuiteOutcome

LATEST: Final = "latest-suite"
_UNITS_S: Final = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0}


@click.command(help="Run the trials of a suite, the most informative first, within its budget.")
@click.argument("suite")
@click.option("--budget", help="Other than the file's: 300, 300s, 45m or 3h.")
@click.option("--list", "list_only", is_flag=True, help="Print what would be run, in order; start nothing.")
@click.option("--reports-dir", help="Where run directories and the suite's folder are made.  [default: reports]")
@click.option("--notify", help="Whom to tell afterwards: apprise URLs, separated by spaces. Better by HARNESS_NOTIFY.")
def command(suite: str, budget: str | None, list_only: bool, reports_dir: str | None, notify: str | None) -> int:
    """SUITE is a file, or the name of a shipped one."""
    import harness
    from harness import clock
    from harness import settings as settings_module
    from harness.cli import output
    from harness.cli.index import write_index
    from harness.drive import notify as notify_module
    from harness.drive import suite as driver
    from harness.drive.prepare import check_writable
    from harness.evidence import suite_file
    from harness.study import history, order, outcome

    settings = settings_module.load({"reports_dir": reports_dir, "notify": notify})
    receivers = notify_module.receivers_of(settings["notify"].split())
    reports_url = url_of(settings)
    if settings["plant"]:
        raise UsageError(
            f"{settings.origins['plant']}: is {settings['plant']!r}: a suite names its own plants; unset it"
        )
    promises = known_promises()
    stamp = clock.utc_stamp()
    chosen = driver.read(shipped.suite(Path(suite)), sorted(promises), day_of(stamp), settings)
    budget_s = seconds_of(budget) if budget is not None else chosen.budget_s
    reports = Path(settings["reports_dir"])
    check_writable(reports)
    past = history.read(reports) if reports.is_dir() else history.History((), (), {})
    ordered = order.placed(chosen.trials, past, promises, budget_s)
    if list_only:
        return _list(chosen, order.within(ordered, budget_s), budget_s)
    say = output.write_while_read
    say(f"suite: {chosen.title} ({len(ordered)} trials, {budget_s:.0f} s)")
    folder = reports / f"{suite_file.SUITE_FOLDER}{stamp}-{chosen.name}"
    if folder.exists():
        raise UsageError(f"{folder}: exists already: another suite of this name has begun in this very second")
    done = driver.run([(one.trial, one.estimate_s) for one in ordered], budget_s, settings, folder, say)
    found = outcome.SuiteOutcome(
        name=chosen.name,
        title=chosen.title,
        path=chosen.path,
        opened_utc=stamp,
        budget_s=budget_s,
        interrupted=bool(done.signal_code),
        outcomes=outcome.outcomes(done.ran, history.read(reports), promises),
        not_run=outcome.not_run(done.not_run, ordered),
    )
    (folder / "summary.md").write_text(outcome.summary(found, reports_url or outcome.BESIDE))
    (folder / "junit.xml").write_bytes(outcome.junit(found))
    suite_file.write(folder / suite_file.SUITE_FILE, outcome.document(found, harness.__version__))
    say(f"\n{outcome.summary(found, f'{reports}/{{run}}/report.html')}")
    link_latest(folder)
    say(f"index: {write_index(reports)}")
    _tell(receivers, found, reports_url, folder)
    say(f"suite: {found.verdict} {folder}")
    return done.signal_code or EXIT_CODES[found.verdict]


def link_latest(folder: Path) -> None:
    """`latest-suite` beside the folder, moved in one step."""
    link = folder.parent / f".latest-{folder.name}"
    link.symlink_to(folder.name)
    link.replace(folder.parent / LATEST)


def _tell(receivers: Sequence[Any], found: SuiteOutcome, reports_url: str, folder: Path) -> None:
    """What was not as expected, since when, and where the reports are; also that all is well, so that silence means
    that nothing was run."""
    if not receivers:
        return
    from harness.drive import notify
    from harness.evidence.finding import Verdict
    from harness.study import outcome

    title = f"{found.name}: {found.verdict}"
    body = f"{outcome.summary(found, reports_url)}\n{folder.name if reports_url else folder.resolve()}"
    told = notify.tell(receivers, title, body, bad=found.verdict is not Verdict.PASS)
    for one in told:
        click.echo(f"told: {one.receiver}" if one.took_it else f"harness: could not tell {one.receiver}", err=True)


def known_promises() -> dict[str, Expected]:
    """What each installed plant promises."""
    from harness.drive import prepare
    from harness.study import expected

    return expected.read(prepare.plants())


def url_of(settings: Settings) -> str:
    """The setting reports_url, "" where there is none; UsageError for what would be no link in a message."""
    url = settings["reports_url"]
    if url and not re.fullmatch(r"https?://[^\s()<>\[\]]+", url):
        raise UsageError(
            f"{settings.origins['reports_url']}: is {url!r}, must be an http or https address without spaces and"
            " brackets, such as https://ci.example.org/runs/7 or https://example.org/reports/{run}/report.html"
        )
    return url


def seconds_of(text: str) -> float:
    """`45m` as 2700; UsageError for anything else than a number above 0 with s, m, h or nothing."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smh]?)", text.strip())
    if found is None or float(found.group(1)) <= 0:
        raise UsageError(
            f"--budget: is {text!r}, must be a number above 0 of seconds, or one with m or h: 300, 45m, 3h"
        )
    return float(found.group(1)) * _UNITS_S[found.group(2)]


def day_of(utc_stamp: str) -> int:
    """The number of the day of `20261124T234501Z`: it picks the planted defects."""
    from datetime import date

    return date(int(utc_stamp[:4]), int(utc_stamp[4:6]), int(utc_stamp[6:8])).toordinal()


def _list(suite: Suite, plan: Plan, budget_s: float) -> int:
    """What would be run, with the reason of each one's place."""
    click.echo(f"suite: {suite.title}")
    for place, one in enumerate(plan.fits, 1):
        click.echo(f"  {place:>2}. {one.trial.label}: about {one.estimate_s:.0f} s; {one.why}")
    for one in plan.left_out:
        click.echo(f"   -  {one.trial.label}: about {one.estimate_s:.0f} s do not fit; {one.why}")
    used_s = sum(one.estimate_s for one in plan.fits)
    click.echo(
        f"{len(plan.fits)} of {len(suite.trials)} trials, about {used_s:.0f} of {budget_s:.0f} s. Nothing is started."
    )
    return 0
