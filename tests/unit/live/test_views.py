"""Plain lines and objects, from the events of one literal trial, and from a run directory."""

from __future__ import annotations

import json
from dataclasses import replace

from harness.drive.live import Live, Tail
from harness.drive.live.views import Lines, Objects, verdict_object
from harness.evidence.finding import Headline, Verdict
from harness.evidence.format import Kind
from harness.judge import judge
from harness.testing import histories as h

# As `harness run` has printed them since its first version; scripts read them.
AROUND_THE_FAULT = """\
00:15 -- fault
00:15 fault     weight  50.0 %  share  50.0 %    20 req/s  stable  0.0 % errors  canary  0.0 % errors
00:16 fault     weight  50.0 %  share  50.0 %    20 req/s  stable  0.0 % errors  canary  0.0 % errors
00:16    fault http_5xx on canary-1: {'share': 0.3, 'deadline_s': 60.0}
00:16 -- detect
00:17 detect    weight  50.0 %  share  50.0 %    20 req/s  stable  0.0 % errors  canary 30.0 % errors
00:18 detect    weight  50.0 %  share  50.0 %    20 req/s  stable  0.0 % errors  canary 30.0 % errors
00:19 detect    weight  50.0 %  share  50.0 %    20 req/s  stable  0.0 % errors  canary 30.0 % errors  \
CanaryErrorRatioHigh pending
00:19    decided: roll_back to 0 %: CanaryErrorRatioHigh fires for the canary
00:19    outcome: rolled_back
00:19 -- rollback
00:20 rollback  weight   0.0 %  share  25.0 %    20 req/s  stable  0.0 % errors  canary 40.0 % errors  \
CanaryErrorRatioHigh firing
00:21 rollback  weight   0.0 %  share   0.0 %    20 req/s  stable  0.0 % errors  CanaryErrorRatioHigh firing"""
STOOD_OUT = """\
00:00 -- open
00:05 -- baseline
00:10 -- canary
00:10    decided: step to 50 %: step
00:15 -- fault
00:16    fault http_5xx on canary-1: {'share': 0.3, 'deadline_s': 60.0}
00:16 -- detect
00:18    alert CanaryErrorRatioHigh pending
00:19    alert CanaryErrorRatioHigh firing
00:19    decided: roll_back to 0 %: CanaryErrorRatioHigh fires for the canary
00:19    outcome: rolled_back
00:19 -- rollback
00:22    fault http_5xx healed
00:25    alert CanaryErrorRatioHigh inactive
00:30 -- verify
00:37 -- close"""


def shown(pairs, view_class, **options):
    """Every line that a view writes."""
    lines = []
    view = view_class(lines.append, lines.append, **options)
    for state, event in pairs:
        view.event(state, event)
    view.end()
    return lines


def test_plain_lines_around_the_fault(steps):
    """A line a second with the alerts in it, and between them what was decided and done."""
    lines = shown(steps(), Lines)
    assert 30 == sum("req/s" in line for line in lines)
    begin = lines.index("00:15 -- fault")
    expected = AROUND_THE_FAULT.splitlines()
    assert expected == lines[begin : begin + len(expected)]


def test_plain_lines_of_a_trial_that_has_ended(steps):
    """Without the seconds there is what stood out, and the alerts stand among it."""
    assert STOOD_OUT.splitlines() == shown(steps(), Lines, seconds=False)


def test_second_without_answers_in_plain_lines(steps):
    """Where nobody answered the share is not known, and nobody has errors."""
    state, _ = steps(0.5)[-1]
    event = h.event(1.0, "load", Kind.LOAD_TICK, sent=3, versions={})
    expected = ["00:07 baseline  weight   0.0 %  share     -       3 req/s  "]
    assert expected == shown([(state.after(event), event)], Lines)


def test_objects_are_seconds_and_what_stood_out(steps):
    """The objects have the kinds of the timeline, and one `second` for each second of load."""
    objects = [json.loads(line) for line in shown(steps(), Objects)]
    kinds = [one["kind"] for one in objects]
    assert 30 == kinds.count("second")
    assert len(STOOD_OUT.splitlines()) == len(kinds) - 30
    assert {"second", "phase", "decided", "fault_on", "alert_seen", "outcome", "fault_healed"} == set(kinds)
    assert sorted(one["t_s"] for one in objects) == [one["t_s"] for one in objects]


def test_object_of_a_second(steps):
    """A second has phase, weight, share, rates, errors and p95 by track, alerts and faults."""
    objects = [json.loads(line) for line in shown(steps(14.1), Objects)]
    expected = {
        "kind": "second",
        "t_s": 20.001,
        "phase": "rollback",
        "weight_percent": 0.0,
        "share_percent": 25.0,
        "rate_rps": 20,
        "versions": {
            "stable": {"version": "1.0", "rate_rps": 15, "errors_percent": 0.0, "p95_ms": 6.0},
            "canary": {"version": "1.1", "rate_rps": 5, "errors_percent": 40.0, "p95_ms": 6.0},
        },
        "alerts": {"CanaryErrorRatioHigh": "firing"},
        "faults": {"http_5xx": ["canary-1"]},
    }
    assert expected == objects[-1]


def test_object_of_an_event(steps):
    """An event has its words and the fields of the timeline as they are."""
    (decided,) = [json.loads(line) for line in shown(steps(), Objects) if "roll_back" in line]
    says = "decided: roll_back to 0 %: CanaryErrorRatioHigh fires for the canary"
    assert ("decided", 19.42, "detect", "stepper", says) == tuple(
        decided[name] for name in ("kind", "t_s", "phase", "source", "says")
    )
    assert (0, h.ALERT) == (decided["data"]["weight"], decided["data"]["alert"])


def test_object_of_the_verdict():
    """The last object has verdict, headline, directory and exit code."""
    headline = Headline(check="alert", rule="fired", says="No alert fired")
    findings = replace(judge(h.passing()), verdict=Verdict.FAIL, headline=headline)
    expected = {
        "kind": "verdict",
        "verdict": "FAIL",
        "headline": {"check": "alert", "rule": "fired", "says": "No alert fired"},
        "run_dir": "/runs/one",
        "exit_code": 1,
    }
    assert expected == json.loads(json.dumps(verdict_object(findings, "/runs/one", 1)))


def test_following_gives_what_the_events_give(trial, steps, tmp_path):
    """A run directory on disk, read through every timeline file, shows what the events in memory show."""
    h.write(trial, tmp_path / "run")
    lines = []
    live = Live(tmp_path / "run", Lines(lines.append, lines.append))
    live.show()
    live.show()
    assert shown(steps(), Lines) == lines


def test_line_that_is_no_event_is_told(tmp_path):
    """A damaged line is an error among the others, which are still read; one that is not whole yet waits."""
    (tmp_path / "timeline").mkdir()
    path = tmp_path / "timeline" / "control.ndjson"
    whole = b'{"t_ns":5000000000,"source":"control","kind":"phase","phase":"open"}\n'
    path.write_bytes(whole + b'{"t_ns":6\n{"t_ns":1,"source":"control","kind":"dance"}\n' + whole[:20])
    lines = []
    live = Live(tmp_path, Lines(lines.append, lines.append))
    live.show()
    starts = ["00:00 -- open", "00:00    error in timeline/control.ndjson: a line cannot", "00:00    error in timeline"]
    assert [True] * 3 == [line.startswith(start) for line, start in zip(lines, starts, strict=True)]
    path.write_bytes(path.read_bytes() + whole[20:])
    live.show()
    assert "00:00 -- open" == lines[3]


def test_tail_gives_each_line_once(tmp_path):
    """A file that is not there yet has no lines, and what was read does not come again."""
    path = tmp_path / "control.ndjson"
    tail = Tail(path)
    assert [] == tail.new()
    path.write_text('{"t_ns":1,"source":"s","kind":"clock"}\n')
    assert [["clock"], []] == [[record["kind"] for record in tail.new()] for _ in range(2)]
