"""The plain probes without a server: what a counter's rise is, what is refused before anything is asked."""

from __future__ import annotations

import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path

import pytest
from chaoslib.exceptions import ActivityFailed

from harness.chaos import plain
from harness.chaos.plain import alerts, asking
from harness.chaos.plain.asking import Series
from harness.chaos.plain.share import rise

ROOT = Path(__file__).parents[3]
EXPERIMENT = ROOT / "experiments" / "plain" / "alert-and-writes.yaml"
PROMETHEUS = "http://127.0.0.1:9"  # discard: never asked in these tests
URL = "http://127.0.0.1:9/items/{id}"


@pytest.mark.parametrize(
    ("samples", "as_canary", "as_total"),
    [
        ([(8, 5), (9, 5), (11, 5), (12, 5)], 0, 0),  # stands still
        ([(9, 5), (11, 6), (12, 9)], 4, 4),  # counted from the last sample before the window
        ([(9, 5), (10, 7), (11, 7)], 0, 0),  # a step before the window's start is not the window's
        ([(9, 50), (11, 2), (12, 3)], 3, 3),  # a reset counts whole
        ([(11, 4), (12, 6)], 6, 2),  # new in the window: from 0 for the canary, from its first value for the total
        ([(8, 5), (9, 6)], 0, 0),  # ended before the window
    ],
)
def test_rise_of_a_counter(samples, as_canary, as_total):
    """By hand, from t = 10 on, in both readings."""
    series = Series({}, tuple(samples))
    assert (as_canary, as_total) == (rise(series, 10, new_from_zero=True), rise(series, 10, new_from_zero=False))


def test_selector_quotes_values():
    """A value with quotes, braces or other alphabets stays one value."""
    assert 'ALERTS{a="x\\"}",b="é"}' == asking.selector("ALERTS", {"a": 'x"}', "b": "é"})


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"within_s": 0}, r"within_s is 0, must be a number from 1 to 86400"),
        ({"within_s": "30"}, r"within_s is '30', must be a number"),
        ({"within_s": True}, r"within_s is True, must be a number"),
        ({"within_s": float("nan")}, r"within_s is nan, must be a number"),
        ({"prometheus_url": "127.0.0.1:9090"}, r"prometheus_url is '127.0.0.1:9090', must look like http://"),
    ],
)
@pytest.mark.parametrize("probe", [plain.alert_fired, plain.alert_not_fired])
def test_alert_probe_refuses_nonsense(probe, given, says):
    """A number out of its bounds, a text for a number and an address without a scheme are refused."""
    arguments = {"prometheus_url": PROMETHEUS, "alert": "A", "within_s": 30, **given}
    with pytest.raises(ActivityFailed, match=says):
        probe(**arguments)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"for_s": 1}, r"for_s is 1, must be a number from 2 to 43200"),
        ({"min_requests": 0}, r"min_requests is 0, must be a number from 1 to"),
    ],
)
def test_share_probe_refuses_nonsense(given, says):
    """A window that holds no two samples, and a least number of requests that would let no traffic pass."""
    arguments = {"prometheus_url": PROMETHEUS, "query_canary": "a", "query_total": "b", "for_s": 30, "min_requests": 10}
    with pytest.raises(ActivityFailed, match=says):
        plain.share_is_zero(**arguments | given)


class Counted:
    """A Prometheus at 60 s past the epoch with one series for the canary and one for all, sampled each second."""

    now_s = 60.0

    def __init__(self, canary, from_s=0, until_s=60, every_s=1):
        counted = tuple((at_s, canary) for at_s in range(from_s, until_s + 1, every_s))
        self.series = {
            "canary": [Series({}, counted)],
            "total": [Series({}, tuple((at_s, at_s) for at_s in range(61)))],
        }

    def samples(self, selector, window_s):
        return self.series[selector]


@pytest.mark.parametrize(
    ("server", "says"),
    [
        (Counted(5.0), None),
        (Counted(5.0, until_s=57), None),  # two scrapes failed
        (Counted(5.0, until_s=56), r"query_canary: a series of canary stopped 4\.0 s ago"),
        (Counted(5.0, until_s=40, every_s=10), r"query_canary: a series of canary stopped 20\.0 s ago"),  # half of 30
        (Counted(5.0, until_s=30), r"query_canary: canary has no sample in the last 30 s"),
        (Counted(0.0, from_s=59, until_s=59), r"query_canary: a series of canary has one sample only"),
        (Counted(float("nan")), r"query_canary: canary rose by nan: a sample of it is no finite number"),
    ],
)
def test_zero_of_a_counter_that_stopped_or_is_no_number_is_refused(monkeypatch, server, says):
    """A canary's counter proves a zero only while it is sampled as usual, and only with numbers."""
    monkeypatch.setattr(asking, "connected", lambda *_: nullcontext(server))
    arguments = {"prometheus_url": PROMETHEUS, "query_canary": "canary", "query_total": "total"}
    arguments |= {"for_s": 30, "min_requests": 10}
    if says is None:
        assert plain.share_is_zero(**arguments)
        return
    with pytest.raises(ActivityFailed, match=says):
        plain.share_is_zero(**arguments)


def test_total_that_is_no_number_is_refused(monkeypatch):
    """A sample of the total that is NaN is no traffic."""
    server = Counted(5.0)
    server.series["total"] = [Series({}, tuple((at_s, float("nan")) for at_s in range(61)))]
    monkeypatch.setattr(asking, "connected", lambda *_: nullcontext(server))
    with pytest.raises(ActivityFailed, match=r"query_total: total rose by nan"):
        plain.share_is_zero(PROMETHEUS, "canary", "total", 30, 10)


def test_missing_client_names_the_extra(monkeypatch):
    """Where prometheus-api-client is not installed, the probe says which extra has it."""
    monkeypatch.setitem(sys.modules, "prometheus_api_client", None)
    with pytest.raises(ActivityFailed, match=r"with its extra \[probes\]"):
        plain.alert_fired(PROMETHEUS, "A", 30)


class Told:
    """A Prometheus that says what the test wants of one rule, one minute past the epoch."""

    now_s = 60.0

    def __init__(self, **rule):
        self.rule = {"name": "A", "health": "ok", "lastEvaluation": "1970-01-01T00:00:57.123456789Z", **rule}

    def status(self, path):
        assert "rules?type=alert" == path
        return {"groups": [{"interval": 1, "rules": [self.rule]}]}


@pytest.mark.parametrize(
    ("rule", "says"),
    [
        ({"name": "B"}, r"no alert rule 'A'; known: B"),
        ({"health": "unknown"}, r"the rule of A is unknown: never evaluated"),
        ({"health": "err", "lastError": "bad"}, r"the rule of A is err: bad"),
        ({"lastEvaluation": "1970-01-01T00:00:56.9Z"}, r"was evaluated 3\.1 s ago; 3 s are allowed"),
    ],
)
def test_rule_that_is_not_evaluated_is_refused(rule, says):
    """Of a rule that is not there, has an error or stands still, silence would be no answer; a late one is let pass."""
    assert alerts.require_evaluated(Told(), "A") is None
    with pytest.raises(ActivityFailed, match=says):
        alerts.require_evaluated(Told(**rule), "A")


@pytest.mark.parametrize(
    ("name", "text", "given", "says"),
    [
        ("a.txt", "x", {}, r"must end in \.jsonl, \.ndjson, \.csv"),
        ("a.jsonl", "", {}, r"has 0 writes, must have 1 to 1000000"),
        ("a.csv", "id\n", {}, r"has 0 writes"),
        ("a.jsonl", '{"id": 1}\n{"id": \n', {}, r"line 2: Expecting value"),
        ("a.jsonl", "[1]\n", {}, r"line 1: is \[1\], must be an object"),
        ("a.jsonl", '{"id": 1}\n{"key": 2}\n', {}, r"row 2 has no 'id'; fields: key"),
        ("a.csv", "id,key\n,2\n", {}, r"row 1 has no 'id'; fields: id, key"),
        ("a.jsonl", '{"id": 1}\n', {"read_url": "http://127.0.0.1:9/items"}, r"lacks \{id\}: it would read one thing"),
        ("a.jsonl", '{"id": 1}\n', {"read_url": "items/{id}"}, r"must look like http://127\.0\.0\.1:8080/items/\{id\}"),
        ("a.jsonl", '{"id": 1}\n', {"read_url": URL + "{ke}"}, r"\{ke\} is no field of the ledger; fields: id"),
        ("a.jsonl", '{"id": 1}\n', {"concurrency": 33}, r"concurrency is 33, must be a number from 1 to 32"),
        ("a.jsonl", '{"id": 1}\n', {"within_s": 0}, r"within_s is 0, must be"),
        ("a.jsonl", '{"id": 1}\n', {"loss_rate_detectable_max": 5}, r"loss_rate_detectable_max is 5, must be"),
    ],
)
def test_writes_probe_refuses_nonsense(tmp_path, name, text, given, says):
    """A ledger that cannot be read or is empty, and an address that would read nothing of it, say where and why."""
    (tmp_path / name).write_text(text)
    with pytest.raises(ActivityFailed, match=says):
        plain.no_lost_writes(**{"ledger": str(tmp_path / name), "read_url": URL, **given})


def test_ledger_that_is_not_there_is_named(tmp_path):
    """A wrong path is no empty ledger."""
    with pytest.raises(ActivityFailed, match=r"no\.jsonl: .*No such file"):
        plain.no_lost_writes(str(tmp_path / "no.jsonl"), URL)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("old", "new", "code"), [("", "", 0), ("within_s: 60", "within: 60", 1), ("no_lost_w", "w", 1)]
)
def test_shipped_experiment_is_valid(tmp_path, old, new, code):
    """`chaos validate` takes the example as it is, and refuses it with a slip in an argument or a name."""
    text = EXPERIMENT.read_text()
    assert old in text
    (tmp_path / "x.yaml").write_text(text.replace(old, new) if old else text)
    argv = [sys.executable, "-m", "chaostoolkit", "--no-version-check", "--no-log-file", "validate", "x.yaml"]
    done = subprocess.run(argv, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert code == done.returncode, done.stdout + done.stderr
