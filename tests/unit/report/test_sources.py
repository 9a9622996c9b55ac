"""Links to the rows of evidence, and the line that shows them."""

import subprocess
import sys
from urllib.parse import unquote

from harness.evidence import run
from harness.judge import ORDER, judge
from harness.report import sources
from harness.testing import histories


def written(history, run_dir):
    """A history on disk, read again."""
    histories.write(history, run_dir)
    return run.load(run_dir)


def test_every_check_has_its_places():
    """No check is without files, and each place is one of the run directory's."""
    assert set(ORDER) == set(sources.PLACES)
    folders = {place.partition("/")[0] for places in sources.PLACES.values() for place in places}
    assert set() == folders - {*run.FOLDERS, "SEAL", "manifest.json", "journal.json"}


def test_links_are_files_that_are_there(tmp_path):
    """Every link of every check leads to a file beside the page."""
    evidence = written(histories.passing(), tmp_path / "run")
    links = [link for check in judge(evidence).checks for _, link in sources.source(check, evidence).files]
    assert 20 < len(links)
    assert [] == [link for link in links if not (tmp_path / "run" / unquote(link)).is_file()]


def test_line_shows_the_row_that_a_red_check_names(tmp_path):
    """Run as it stands inside the run directory, the line prints the operation that vanished, and only that."""
    wanted = histories.op_id(0)
    lost = histories.dropped(histories.passing(), "store", lambda row: row["op_id"] == wanted)
    evidence = written(lost, tmp_path / "run")
    check = next(check for check in judge(evidence).checks if check.id == "data_loss")
    line = sources.source(check, evidence).line.replace("python ", f"{sys.executable} ", 1)
    shown = subprocess.run(["sh", "-c", line], cwd=tmp_path / "run", check=True, capture_output=True, text=True).stdout
    assert 1 == shown.count("'op_id'")
    assert f"'op_id': '{wanted}'" in shown


def test_lines_of_a_whole_trial_run(tmp_path):
    """The line of each check comes to its end and prints something, where there is something to print."""
    evidence = written(histories.passing(), tmp_path / "run")
    lines = {check.id: sources.source(check, evidence).line for check in judge(evidence).checks}
    assert {} == {name: line for name, line in lines.items() if not line}
    script = "\n".join(f"({line}) | wc -c" for line in lines.values()).replace("python ", f"{sys.executable} ")
    done = subprocess.run(["sh", "-c", script], cwd=tmp_path / "run", check=False, capture_output=True, text=True)
    assert "" == done.stderr
    printed = dict(zip(lines, map(int, done.stdout.split()), strict=True))
    assert {"evidence"} == {name for name, count in printed.items() if count == 0}  # no part failed


def test_evidence_that_was_never_sealed_has_no_line(trials):
    """Without a table to read there is no line, and without files no link."""
    evidence, findings = trials.empty()
    found = [sources.source(check, evidence) for check in findings.checks]
    assert {""} == {source.line for source in found}
    assert [("manifest.json", "manifest.json")] == [file for source in found for file in source.files]
