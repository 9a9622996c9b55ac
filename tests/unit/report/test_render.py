"""The three files as a whole: golden bytes, determinism, bounds, and evidence that tries to break out."""

import json
import re
import time
from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pytest

from harness.evidence.finding import Headline
from harness.judge import judge
from harness.report import render, series, words
from harness.testing import histories

NAMES = ("rolled_back", "lost_writes", "interrupted", "promoted", "empty")
PAGE_BYTES_MAX = 950_000
HOSTILE = "<script>alert(1)</script> | `x` \x1b[31m\x00\ud800 [y](z) ]]> \"'&"


@pytest.mark.parametrize(
    ("trial", "file"),
    [
        ("rolled_back", "report.html"),
        ("empty", "report.html"),
        *((trial, file) for trial in NAMES for file in ("summary.md", "junit.xml")),
    ],
)
def test_golden(trials, golden, trial, file):
    """Each file is the stored one, byte for byte."""
    found = render(*trials.ALL[trial]())[file]
    assert golden(f"{trial}/{file}", found) == found


def test_same_bytes_twice(trials):
    """The same trial renders to the same bytes, wherever its directory stands."""
    evidence, findings = trials.rolled_back()
    moved = replace(evidence, run_dir=f"/somewhere/else/{trials.RUN_ID}")
    assert render(evidence, findings) == render(moved, findings)


@pytest.mark.parametrize("trial", NAMES)
def test_page_is_one_file_below_its_bound(trials, trial):
    """No page loads anything, it links only to files of its run directory, and each is below 950 kB."""
    evidence, findings = trials.ALL[trial]()
    page = render(evidence, findings)["report.html"].decode()
    assert [] == re.findall(r"""src\s*=|@import|url\((?!#)""", page)
    assert set() == set(re.findall(r"""href\s*=\s*["']([^#][^"']*)""", page)) - set(evidence.files)
    assert PAGE_BYTES_MAX > len(page)


@pytest.mark.slow
def test_long_trial_stays_below_the_bound(trials):
    """Two hours of seconds, thousands of problems and huge measured lists still fit."""
    evidence, findings = trials.rolled_back()
    columns = dict(evidence.operations)
    columns["sent_ns"] = trials.START_NS + np.linspace(0, 7200e9, columns["sent_ns"].size).astype(np.int64)
    check = trials.check(
        "data_loss",
        "FAIL",
        "x" * 100_000,
        *((f"r{number}", True, "FAIL", "y" * 2_000) for number in range(200)),
        **{f"m{number}": [f"op-{each}" for each in range(5_000)] for number in range(200)},
    )
    evidence = replace(evidence, operations=columns, problems=tuple(f"odd {number}" * 50 for number in range(5_000)))
    page = render(evidence, replace(findings, checks=(*findings.checks, check)))["report.html"]
    assert PAGE_BYTES_MAX > len(page)


@pytest.fixture(scope="module")
def million(trials):
    """Ten minutes with a million operations: as many bins as there are, eight alerts that change all the time."""
    evidence, findings = trials.lost_writes()
    count = 1_000_000
    place = np.arange(count) % evidence.operations["op_id"].size
    columns = {name: values[place] for name, values in evidence.operations.items()}
    columns["op_id"] = np.array([f"{trials.RUN_ID}-{number}" for number in range(count)], dtype=object)
    columns["sent_ns"] = trials.START_NS + np.linspace(0, 597e9, count).astype(np.int64)
    columns["done_ns"] = columns["sent_ns"] + (place % 977 + 1) * 300_000
    writes = columns["seq"] >= 0
    taken = {name: columns[name][writes] for name in evidence.store.rows if name in columns}
    extra = {"written_by": columns["version"][writes], "position": np.zeros(int(writes.sum()), dtype=np.int64)}
    read = replace(evidence.store, rows={**taken, **extra})
    names = [f"Alert{number}OfAVeryLongName" for number in range(8)]
    states = ((float(second), ("pending", "firing")[second // 3 % 2]) for second in range(597))
    samples = trials.alert_samples(*states, rule=(0, 597))
    texts = [json.loads(text) for text in samples["labels"]]
    samples["labels"] = np.array(
        [json.dumps(text | {"alertname": names[place % 8]}) for place, text in enumerate(texts)], dtype=object
    )
    manifest = trials.manifest()
    manifest["expect"] = manifest["expect"] | {"alerts_required": names}
    changes = {"operations": columns, "samples": samples, "manifest": manifest, "service": read, "store": read}
    return replace(evidence, **changes), findings


@pytest.mark.slow
def test_a_million_operations_stay_below_the_bound(million):
    """The page of a million operations is no larger than its bound, and every operation is in one of its bins."""
    evidence, findings = million
    began_s = time.perf_counter()
    page = render(evidence, findings)["report.html"]
    print(f"a million operations: {time.perf_counter() - began_s:.1f} s, {len(page) / 1000:.0f} kB")
    assert PAGE_BYTES_MAX > len(page)
    counts = series.count(evidence, series.zero(evidence, findings).t_ns)
    assert (1_000_000, 1) == (counts.count, counts.bin_s)
    assert 590 < counts.start_s.size <= series.BINS_MAX


@pytest.mark.slow
def test_wider_bins_are_said(million):
    """A trial longer than its bins says on the page how wide they became."""
    evidence, findings = million
    sent_ns = evidence.operations["sent_ns"]
    longer = {**evidence.operations, "sent_ns": sent_ns + (sent_ns - sent_ns[0]) * 4}
    page = render(replace(evidence, operations=longer), findings)["report.html"].decode()
    assert "its seconds are merged to bins of 5 s" in page
    assert "are merged to bins" not in render(evidence, findings)["report.html"].decode()


def hostile(trials):
    """A trial whose every free text tries to break out."""
    evidence, findings = trials.lost_writes()
    columns = {name: values.copy() for name, values in evidence.operations.items()}
    for name in ("error", "kind", "key", "instance"):
        columns[name][:] = HOSTILE
    manifest = json.loads(json.dumps(evidence.manifest))
    for part in (manifest["experiment"], manifest["target"]):
        part.update({"title": HOSTILE, "name": HOSTILE, "path": HOSTILE, "document": {"description": HOSTILE}})
    manifest |= {"plant": HOSTILE, "command": HOSTILE, "settings": {HOSTILE: {"value": HOSTILE, "origin": HOSTILE}}}
    manifest["versions"] = {"stable": "1.0", "canary": HOSTILE}
    check = replace(findings.checks[0], id=HOSTILE, summary=HOSTILE, measured={HOSTILE: [HOSTILE]})
    return (
        replace(
            evidence,
            operations=columns,
            manifest=manifest,
            problems=(HOSTILE,),
            complete=False,
            config_files=(HOSTILE,),
        ),
        replace(
            findings,
            experiment=HOSTILE,
            target=HOSTILE,
            not_asked=(HOSTILE,),
            checks=(check, *findings.checks[1:]),
            headline=Headline(HOSTILE, HOSTILE, HOSTILE),
        ),
    )


def test_page_escapes_evidence(trials):
    """A script tag in any text of the evidence is shown, never a tag of the page."""
    page = render(*hostile(trials))["report.html"].decode()
    assert 1 == page.count("<script")
    assert 20 < page.count("&lt;script&gt;alert(1)")
    assert [] == re.findall("[\x00-\x08\x0b-\x1f]", page)


def test_summary_escapes_evidence(trials):
    """No text of the evidence opens a tag, a table cell or a link of the summary."""
    text = render(*hostile(trials))["summary.md"].decode()
    outside_code = text.partition("```sh")[0]
    assert 0 == outside_code.count("<script")
    assert [] == re.findall(r"(?<!\\)\]\(", outside_code)
    assert {4} == {len(re.findall(r"(?<!\\)\|", line)) for line in outside_code.splitlines() if line.startswith("|")}


def test_junit_escapes_evidence(trials):
    """Texts that XML cannot hold are replaced, and the file still parses."""
    root = ElementTree.fromstring(render(*hostile(trials))["junit.xml"])
    assert 1 == len(root.findall(".//testcase[@name='data_loss']/failure"))


def test_terminal_escapes_evidence(trials):
    """No control character of the evidence reaches the terminal."""
    text = words.checks_table(hostile(trials)[1])
    assert [] == re.findall("[\x00-\x09\x0b-\x1f]", text)


def test_promoted_trial_speaks_of_no_rollback(trials):
    """A promoted trial's page says so without the words of a rollback."""
    page = render(*trials.promoted())["report.html"].decode()
    assert "no canary alert fired" in page
    assert "back on the stable version" not in page


@pytest.mark.parametrize("history", [histories.passing, histories.promoted])
def test_judged_history_renders(history):
    """The literal histories that the judge passes give a page that says PASS, its numbers those of the findings."""
    evidence = history()
    findings = judge(evidence)
    page = render(evidence, findings)["report.html"].decode()
    assert '<h1 class="verdict pass">' in page
    assert [] == [check.summary for check in findings.checks if check.summary not in page]
