"""Showing a judgement: one HTML page, a Markdown summary for CI, a JUnit file, and the words of the terminal.

`render` is a pure function of the evidence and the findings: no clock, no file, no network, the same bytes
each time. So a report can be drawn again, months later, by a better drawing, from the same directory.

    words.py     every word a reader meets: verdict sentence, checks, edges, units
    advice.py    what to do about each red rule            unsaid.py   what a verdict does not say
    impact.py    who was hurt                              sources.py  where the rows behind a check are
    series.py    requests -> counts per second, the chart's numbers    alerts.py  when each alert was in which state
    drawing.py   scales and lines                          panels.py   the chart's panels
    chart.py     the chart                                 waterfall.py  the chain's durations beside what chance allows
    seconds.py   the chart in numbers                      ledger.py   the writes: attempted, answered, found again
    html.py      the page, from page/*.{html,css,js}       summary.py  summary.md        junit.py  junit.xml

The report judges nothing. Where it subtracts (limits, the ledger), it repeats in numbers what a rule of the
judge says in words; the verdicts on the page are the judge's alone.

Not covered: comparisons of several trials; they are a study's.
"""

from __future__ import annotations

from harness.evidence.finding import Findings
from harness.evidence.run import Evidence


def render(evidence: Evidence, findings: Findings) -> dict[str, bytes]:
    """`report.html`, `summary.md` and `junit.xml` of one judged trial, by file name, UTF-8. Deterministic."""
    # Lazy: the terminal imports `words` without the template engine.
    from harness.report.html import page
    from harness.report.junit import xml
    from harness.report.summary import markdown

    return {
        "report.html": page(evidence, findings).encode(),
        "summary.md": markdown(evidence, findings).encode(),
        "junit.xml": xml(evidence, findings),
    }
