"""Many trials: what a folder of run directories shows that no single one can.

    history.py        run directories -> rows, with every directory that could not be read and why
    series.py         rows -> numbers over time, one series an experiment, target and profile
    change_points.py  where such a series changes its level
    index.py          reports/index.html, from page/          trend.py   the same as text and as JSON
    diff.py           two runs side by side
    expected.py       what a planted defect promises
    order.py          a suite's trials, the most informative first, within a budget
    outcome.py        a suite's trials, once run -> suite.json, summary.md, junit.xml

Pure over the files: no clock, no network, the same folder gives the same bytes. It judges no trial; it compares
what the judge has said.
"""
