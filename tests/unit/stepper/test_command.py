"""Arguments, the router's call as text, and the promise to stand alone."""

from __future__ import annotations

import argparse
import subprocess
import sys
from urllib.parse import parse_qs, urlsplit

import pytest

from stepper.main import main, parse_names, parse_step_s, parse_steps, parse_url
from stepper.router import EnvoyRouter


def test_steps_are_read() -> None:
    """Weights come as whole numbers with commas."""
    assert (5, 25, 50, 100) == parse_steps("5,25,50,100")


@pytest.mark.parametrize("text", ["", "5,5", "25,5", "0,5", "5,101", "5;25", "5.5"])
def test_steps_that_cannot_be_walked_are_refused(text: str) -> None:
    """Weights must rise within 1 to 100, and the message repeats what was given."""
    with pytest.raises(argparse.ArgumentTypeError, match=repr(text)):
        parse_steps(text)


@pytest.mark.parametrize("text", ["0", "-1", "nan", "inf", "x"])
def test_step_without_a_length_is_refused(text: str) -> None:
    """A step is held for a finite time above 0."""
    with pytest.raises(argparse.ArgumentTypeError, match=repr(text)):
        parse_step_s(text)


@pytest.mark.parametrize(("weight", "stable"), [(0, 100), (5, 95), (100, 0)])
def test_one_call_carries_both_keys(weight: int, stable: int) -> None:
    """Envoy normalises by the sum, so stable's and the canary's weight travel together and add up to 100."""
    router = EnvoyRouter("http://127.0.0.1:1", "stable", "canary", "split.service")
    expected = f"/runtime_modify?split.service.stable={stable}&split.service.canary={weight}"
    assert expected == router.target(weight)


def test_look_asks_for_the_canarys_two_gauges_alone() -> None:
    """The filter is anchored and takes the cluster's name literally, so no other cluster is counted."""
    router = EnvoyRouter("http://127.0.0.1:1", "stable", "canary.v1", "split.service")
    asked = parse_qs(urlsplit(router.stats_target()).query)["filter"]
    assert [r"^cluster\.canary\.v1\.upstream_rq_(pending_)?active$"] == asked


@pytest.mark.parametrize("text", ["", "canary-1", "https://127.0.0.1/team", "http:///team"])
def test_url_that_cannot_be_called_is_refused(text: str) -> None:
    """Only plain HTTP with a host can be called, and the message repeats what was given."""
    with pytest.raises(argparse.ArgumentTypeError, match=repr(text)):
        parse_url(text)


@pytest.mark.parametrize("text", ["", "canary-1,", "canary-1,canary-1"])
def test_names_that_cannot_be_stopped_are_refused(text: str) -> None:
    """Each instance is named once."""
    with pytest.raises(argparse.ArgumentTypeError, match=repr(text)):
        parse_names(text)


def test_url_and_names_are_read() -> None:
    """A trailing slash is dropped; names come with commas."""
    assert "http://127.0.0.1:1/team" == parse_url("http://127.0.0.1:1/team/")
    assert ("canary-1", "canary-2") == parse_names("canary-1,canary-2")


@pytest.mark.parametrize(
    ("given", "token"),
    [
        pytest.param(["--guard-url", "http://127.0.0.1:1"], "", id="no-token"),
        pytest.param([], "secret", id="no-url"),
    ],
)
def test_removal_without_an_owner_to_ask_is_refused(
    given: list[str], token: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A strategy that cannot be carried out ends the command before it serves."""
    monkeypatch.setenv("GUARD_TOKEN", token)
    needed = ["--port", "1", "--router-admin-url", "http://127.0.0.1:1", "--record", "r", "--runtime-prefix", "p"]
    with pytest.raises(SystemExit) as ended:
        main(argv=[*needed, "--strategy", "remove", *given])
    assert 2 == ended.value.code
    assert "--strategy remove needs --guard-url and the environment's GUARD_TOKEN" in capsys.readouterr().err


def test_stepper_imports_nothing_of_the_harness() -> None:
    """It stands where a foreign controller stands in production; loading all of it loads no harness."""
    code = "import sys, stepper.main; print([name for name in sys.modules if name.split('.')[0] == 'harness'])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True)
    assert "[]" == done.stdout.strip()
