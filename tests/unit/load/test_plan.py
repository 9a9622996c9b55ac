"""The load plan: its file, its process and what it refuses."""

import json
import sys
from pathlib import Path

import msgspec
import pytest

from harness.drive.load.plan import LoadPlan, encode, process_spec, read_plan, require_loopback, require_rate
from harness.errors import InvalidFileError, UsageError
from harness.plan.target import Headers, Versions

PLAN = LoadPlan(
    run_id="r",
    run_dir="/run-dir",
    kit="fake",
    profile="M",
    seed=7,
    users=150,
    seconds_max=900.0,
    service_url="http://127.0.0.1:20000",
    headers=Headers(version="x-v", instance="x-i", track="x-track", fault="x-f"),
    versions=Versions(stable="1.0", canary="1.1"),
)


def test_a_plan_reads_back_as_it_was_written(tmp_path):
    """encode and read_plan are inverse."""
    path = tmp_path / "plan.json"
    path.write_text(encode(PLAN))
    assert PLAN == read_plan(path)


def test_every_problem_of_a_plan_is_listed(tmp_path):
    """Wrong values, unknown keys and missing ones are named together."""
    document = json.loads(encode(PLAN)) | {"users": 0, "run_dir": "here", "sed": 1}
    del document["kit"]
    path = tmp_path / "plan.json"
    path.write_text(json.dumps(document))
    with pytest.raises(InvalidFileError) as raised:
        read_plan(path)
    text = "\n".join(raised.value.problems)
    assert 4 == len(raised.value.problems)
    for part in ("users: is 0", "run_dir: is 'here'", "sed: unknown key", "did you mean 'seed'", "kit is missing"):
        assert part in text


def test_a_drain_shorter_than_an_operation_is_refused(tmp_path):
    """An operation may take total_s, so a shorter drain would always leave some in flight."""
    path = tmp_path / "plan.json"
    path.write_text(encode(msgspec.structs.replace(PLAN, drain_s=5.0)))
    with pytest.raises(InvalidFileError, match=r"drain_s: is 5\.0, below timeouts\.total_s 8\.0"):
        read_plan(path)


@pytest.mark.parametrize("text", ["{", "[]", ""])
def test_a_file_that_is_no_plan_is_refused(tmp_path, text):
    """Broken JSON and a list are problems of the file, not crashes."""
    path = tmp_path / "plan.json"
    path.write_text(text)
    with pytest.raises(InvalidFileError, match=r"plan\.json: 1 problem"):
        read_plan(path)


def test_a_missing_file_is_refused(tmp_path):
    """No file: the message names the variable that pointed to it."""
    with pytest.raises(UsageError, match=r"cannot be read .*HARNESS_LOAD_PLAN"):
        read_plan(tmp_path / "none.json")


def test_the_process_of_a_plan():
    """The whole spec: this Python, Locust without a web page, ready once the load has started."""
    spec = process_spec(PLAN, "/run-dir/config/load-plan.json", Path("/files/locustfile.py"))
    options = ("--headless", "--only-summary", "-u", "150", "-r", "100", "-H", "http://127.0.0.1:20000")
    assert (sys.executable, "-m", "locust", "-f", "/files/locustfile.py", *options) == spec.argv
    assert {"HARNESS_LOAD_PLAN": "/run-dir/config/load-plan.json"} == spec.env
    assert ("grep", "-q", '"load_started"', "/run-dir/timeline/load.ndjson") == spec.ready_argv
    assert ("load", 15, 15.0, False) == (spec.name, spec.stop_signal, spec.stop_s_max, spec.run_once)


@pytest.mark.parametrize("url", ["http://127.0.0.1:80", "http://localhost:1", "http://[::1]:9", "http://127.8.8.8"])
def test_this_machine_is_allowed(url):
    """Every loopback address and localhost; a trailing slash is taken off."""
    assert url == require_loopback(url + "/")


@pytest.mark.parametrize(
    "url",
    [
        "http://192.0.2.1",
        "http://example.com",
        "http://127.0.0.1.example.com",
        "http://127.0.0.1@192.0.2.1",
        "http://0.0.0.0:80",
        "https://127.0.0.1",
        "http://127.0.0.1/api",
        "127.0.0.1:80",
        "",
    ],
)
def test_any_other_host_is_refused(url):
    """Names, tricks and schemes that are not plain HTTP to this machine are refused with the value."""
    with pytest.raises(UsageError, match=r"^host '"):
        require_loopback(url)


def test_the_rate_is_capped():
    """2,000 requests/s pass, more do not."""
    require_rate(2000.0, 400, "L")
    with pytest.raises(UsageError, match="profile L with 401 users is 2005 requests/s"):
        require_rate(2005.0, 401, "L")
