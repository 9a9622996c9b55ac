"""The index page: what stands on it, what does not, and that it stands alone."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import replace

import pytest

from harness.evidence.finding import Verdict
from harness.study import history, index
from harness.study.expected import Expected

PLANT = "canary_loses_writes"
PROMISES = {PLANT: Expected(Verdict.FAIL, "data_loss", "vanished", ("data_loss",))}


def page_of(reports):
    return index.page(history.read(reports.path), "reports", PROMISES)


def section(page, anchor):
    """The part of the page from a heading to the next one of its kind."""
    return re.split(r"<section", page.partition(f'id="{anchor}"')[2])[0]


def many(reports, count):
    """`count` rows of eight experiments with all that a row can have, from one real row."""
    reports.add("held")
    (row,) = history.read(reports.path).rows
    names = [f"experiment-with-a-name-{letter}" for letter in "abcdefgh"]
    error = history.ShareError(-3.14159, -9.87654, 4.56789)
    return [
        replace(
            row,
            run=f"20260102T{place:06d}Z-{names[place % 8]}-{place:06x}",
            run_id=str(place),
            opened_utc=f"20260102T{place:06d}Z",
            experiment=names[place % 8],
            seed=2**31 - place,
            verdict=(Verdict.PASS, Verdict.FAIL, Verdict.INCONCLUSIVE)[place % 3],
            check="data_loss",
            rule="aborted_visible",
            detect_s=(12.345 + place % 7, 12.789 + place % 7),
            rollback_s=(13.345 + place % 5, 13.789 + place % 5),
            share_error=error,
            requests_lost=1234 * (place % 2),
            writes_lost=5678,
            mutations_caught=101,
            mutations_count=101,
            has_report=True,
        )
        for place in range(count)
    ]


def test_every_trial_has_its_row(reports):
    """Verdict as sign and word, cause, seed, and the relative link to its report where there is one."""
    with_report, without = reports.add("lost"), reports.add()
    (reports.path / with_report / "report.html").write_text("")
    rows = section(page_of(reports), "trials").split("<tr>")[2:]
    assert 2 == len(rows)
    assert '<td class="v pass">✓ PASS</td>' in rows[0]
    assert '<td class="v fail">✗ FAIL</td>' in rows[1]
    assert "data_loss / vanished" in rows[1]
    assert f'href="{with_report}/report.html"' in rows[1]
    assert without not in rows[0]


def test_page_stands_alone():
    """No address of another host, no script, and a policy that allows this very style and nothing else."""
    page = index.page(history.History((), (), {}), "reports", {})
    assert [] == re.findall(r"(?:src|href)=\"?(?:https?:)?//|url\(|@import|<script", page)
    style = re.search(r"(?s)<style>(.*?)</style>", page).group(1)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page).group(1).replace("&#39;", "'")
    assert f"default-src 'none'; style-src 'sha256-{digest}'; script-src 'none'; base-uri 'none'" == policy
    assert not re.search(r"<[^>]* style=", page)  # which the policy would not let through
    assert "No judged trial is in this folder yet." in page


def test_planted_trials_stand_apart(reports):
    """A planted trial has its own section, says whether it was found, and is in no line, no tally, no other table."""
    reports.add()
    reports.add()
    before = page_of(reports)
    found, missed = reports.add("lost", plant=PLANT), reports.add("passing", plant=PLANT)
    page = page_of(reports)
    apart = section(page, "planted")
    assert ["not found", "found"] == re.findall(r"</span> (not found|found|open)</span>", apart)
    assert "2 trials and 2 with a planted defect" in page
    assert PLANT not in section(page, "trials")
    for part in ("now", "time", "trials"):
        assert section(before, part) == section(page, part)
    assert {found, missed} == {row.run for row in history.read(reports.path).rows if row.plant}


def test_drawing_has_a_dot_a_trial(reports):
    """Each lane and each measure has one dot for each trial that has it; a hold has no rollback time."""
    for kind in ("held", "held", "lost", "passing"):
        reports.add(kind, slug="canary-5xx")
    drawn = section(page_of(reports), "time")
    lanes = dict(re.findall(r'<path class="lane (\w+)" d="([^"]*)"', drawn))
    assert {"pass": 3, "fail": 1} == {name: path.count("h0") for name, path in lanes.items()}
    dots = [path.count("h0") for path in re.findall(r'<path class="dots" d="([^"]*)"', drawn)]
    assert [2, 4, 4, 4] == dots
    assert "not measured" not in drawn


def test_values_are_drawn_to_scale(reports):
    """The highest value stands at the top, 0 on the dashed line, one half between them."""
    rows = [replace(row, requests_lost=count) for row, count in zip(many(reports, 24)[::8], (0, 5, 10), strict=True)]
    drawn = section(index.page(history.History(tuple(rows), (), {}), "reports", {}), "time")
    (zero,) = {float(y) for y in re.findall(r'<path class="zero" d="M0 ([\d.]+)H', drawn.split("Lost requests")[-1])}
    heights = [float(y) for y in re.findall(r"M[\d.]+ ([\d.]+)h0", drawn.split("Lost requests")[-1])]
    assert heights == pytest.approx([zero, (zero + 6) / 2, 6])


def test_change_of_level_is_marked_and_said(reports):
    """An upright line between the last trial of the old level and the first of the new one, and a sentence."""
    rows = [row for row in many(reports, 2000) if row.experiment.endswith("-a")][:40]
    rows = [
        replace(row, rollback_s=(2.0, 2.0) if place < 25 else (5.0, 5.0), requests_lost=0, detect_s=(1.0, 1.0))
        for place, row in enumerate(rows)
    ]
    page = index.page(history.History(tuple(rows), (), {}), "reports", {})
    drawn = section(page, "time")
    (mark,) = re.findall(r'<path class="marks" d="M([\d.]+) 0V', drawn)
    places = [float(x) for x in re.findall(r"M([\d.]+) [\d.]+h0", drawn.split('class="dots" d="')[1].split('"')[0])]
    assert places[24] < float(mark) < places[25]
    told = f"{index.when(rows[25].opened_utc)} ▲ from 2 to 5 s (p below 0.001), worse"
    assert told in drawn
    assert told in section(page, "now")


def test_change_between_equal_medians_is_worse_where_the_mean_is(reports):
    """Lost requests in two of five runs, where there were none: for the worse, and not from 0 to 0."""
    rows = [row for row in many(reports, 2000) if row.experiment.endswith("-a")][:120]
    lost = [0] * 60 + [2, 0, 4, 0, 0] * 12
    rows = [
        replace(row, rollback_s=(2.0, 2.0), detect_s=(1.0, 1.0), share_error=None, requests_lost=count)
        for row, count in zip(rows, lost, strict=True)
    ]
    told = section(index.page(history.History(tuple(rows), (), {}), "reports", {}), "now")
    assert "▲ from 0 to 1.2" in told
    assert ", worse" in told
    assert "better" not in told


def test_one_trial_alone_is_not_drawn(reports):
    """There is nothing to compare; it is said, and the table does not link to a drawing."""
    reports.add()
    page = page_of(reports)
    assert "<svg" not in page
    assert "Not drawn, since one trial alone" in page
    assert 'href="#experiment' not in page


def test_unlike_trials_are_not_compared(reports):
    """Another target or profile is a series of its own."""
    reports.add()
    reports.add(load={"profile": "M", "seed": 7})
    assert 2 == section(page_of(reports), "now").count("the only trial")


def test_what_was_left_out_is_on_the_page(reports):
    """A directory without a row stands at the end, with the reason."""
    reports.add()
    (reports.path / "strange").mkdir()
    assert "no manifest.json" in section(page_of(reports), "left-out")


def test_texts_of_a_trial_are_only_text(reports):
    """Names, titles and causes of a manifest cannot bring tags or links with them."""
    evil = '<img src="//x">"><script>1</script>'
    for plant in ("", evil):
        name = reports.add(slug="x", plant=plant, experiment={"slug": evil, "title": evil})
        (reports.path / name / "report.html").write_text("")
    page = page_of(reports)
    assert "<img" not in page
    assert "<script" not in page


def test_two_thousand_trials_fit(reports):
    """2,000 trials with everything that a row can have stay below 950 kB; the same history gives the same bytes."""
    found = history.History(tuple(many(reports, 2000)), (), {})
    page = index.page(found, "reports", {})
    assert 2000 == section(page, "trials").count("report.html")
    assert len(page.encode()) <= 950_000
    assert page == index.page(found, "reports", {})


def test_more_than_fits_is_counted(reports):
    """Beyond the bound the oldest are left to `harness trend`, and the page says how many."""
    rows = many(reports, index.TABLE_ROWS_MAX + 30)
    page = index.page(history.History(tuple(rows), (), {}), "reports", {})
    assert "30 older ones" in section(page, "trials")
    assert rows[0].run not in page
    assert rows[-1].run in page
    assert f"the newest {index.CHART_RUNS_MAX} of 254" in section(page, "time")
