"""`locust -f` without a trial: the split it prints, what it refuses, and its exit codes."""

import re

import pytest

pytestmark = [pytest.mark.integration, pytest.mark.slow]


def test_it_sends_the_whole_plan_and_prints_the_split(locust, service):
    """`-u 20 -t 2s` sends 2 s of the profile, prints the split by version and leaves with 0."""
    process = locust.alone("-u", "20", "-t", "2s", "-H", service.url, "--seed", "5", "--only-summary")
    output, errors = process.communicate(timeout=30)
    planned = int(re.search(r"(\d+) arrivals", errors)[1])
    row = next(line for line in output.splitlines() if line.startswith("1.1 "))
    assert 0 == process.returncode
    assert ["1.1", str(planned), "100.0", str(planned), "0", "0"] == row.split()[:6]
    assert planned == service.seen.total()
    assert f"sent {planned}, never sent 0; schedule lag" in output


def test_users_scale_the_rate(locust, service):
    """Half of the profile's users are half of its rate."""
    process = locust.alone("-u", "10", "-t", "1s", "-H", service.url, "--only-summary")
    _, errors = process.communicate(timeout=30)
    assert "10 users, seed 7" in errors
    assert "50.0 a second" in errors


def test_locusts_own_statistics_have_the_operations_by_kind(locust, service, tmp_path):
    """--csv gets one row per kind, with failures counted."""
    process = locust.alone("-u", "20", "-t", "1s", "-H", service.url, "--only-summary", "--csv", "own")
    process.communicate(timeout=30)
    lines = (tmp_path / "own_stats.csv").read_text().splitlines()
    counts = {line.split(",")[1]: int(line.split(",")[2]) for line in lines[1:]}
    assert {"read", "write", "Aggregated"} == set(counts)
    assert service.seen.total() == counts["Aggregated"]


def test_a_run_that_sent_nothing_is_not_green(locust, service):
    """No arrival at all exits with 2: no evidence is no success."""
    process = locust.alone("-u", "1", "-t", "1s", "-H", service.url, "--profile", "slow", "--only-summary")
    output, _ = process.communicate(timeout=30)
    assert 2 == process.returncode
    assert "sent 0, never sent 0" in output


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (("-H", "http://192.0.2.1:80"), "host 'http://192.0.2.1:80' is not this machine: load goes to 127.0.0.1"),
        (("-H", "http://127.0.0.1@192.0.2.1"), "is not this machine"),
        ((), "host '': must look like http://127.0.0.1:8080"),
        (("-H", "http://127.0.0.1:1", "--profile", "N"), "profile 'N' is not one of the kit's; known: M, broken, slow"),
        (("-H", "http://127.0.0.1:1", "-u", "401"), "is 2005 requests/s, more than the 2000"),
        (("-H", "http://127.0.0.1:1", "--load-plan", "no.json"), "no.json: cannot be read"),
    ],
)
def test_what_cannot_run_is_refused_in_one_line(locust, options, line):
    """Hosts off loopback, unknown profiles, excessive rates and missing plans exit with 64 before anything is sent."""
    process = locust.alone("-t", "1s", *options)
    _, errors = process.communicate(timeout=30)
    own = [text for text in errors.splitlines() if not text.startswith("[")]
    assert 64 == process.returncode
    assert 1 == len(own)
    assert line in own[0]


def test_a_locustfile_beside_the_shell_may_be_named_like_its_kit(locust, service):
    """Started in the locustfile's own folder, where its name hides the kit's package, the kit is still found."""
    locust.cwd = locust.locustfile.parent
    process = locust.alone("-u", "20", "-t", "1s", "-H", service.url, "--only-summary")
    _, errors = process.communicate(timeout=30)
    assert "kit fake" in errors
    assert 0 == process.returncode
