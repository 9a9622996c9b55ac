"""Who would be told, by literal configurations. tests/integration compares the same walk with amtool."""

from __future__ import annotations

import httpx
import pytest
import yaml

from harness.drive.alerts import Alertmanager, not_allowed
from harness.drive.alerts.alertmanager import resolve
from harness.errors import DriveError

LABELS = {"alertname": "CanaryErrorRatioHigh", "track": "canary", "severity": "critical"}


def configuration(routes="[]", receivers="[{name: root}, {name: a}, {name: b}]"):
    """A configuration whose receivers each have one webhook called after them."""
    document = yaml.safe_load(f"{{route: {{receiver: root, routes: {routes}}}, receivers: {receivers}}}")
    for receiver in document["receivers"]:
        if set(receiver) == {"name"}:
            receiver["webhook_configs"] = [{"url": f"http://{receiver['name']}"}]
    return document


def told(document, labels=LABELS):
    return [who for who, _ in resolve(document, labels)]


@pytest.mark.parametrize(
    ("routes", "expected"),
    [
        ("[]", ["root"]),
        ("[{receiver: a, match: {track: canary}}]", ["a"]),
        ("[{receiver: a, match: {track: stable}}]", ["root"]),
        ("[{receiver: a, match_re: {track: 'can.*'}}]", ["a"]),
        ("[{receiver: a, match_re: {track: 'can'}}]", ["root"]),  # anchored
        ("""[{receiver: a, matchers: ['track="canary"']}]""", ["a"]),
        ("[{receiver: a, matchers: [track = canary]}]", ["a"]),
        ("""[{receiver: a, matchers: ['track!="canary"']}]""", ["root"]),
        ("""[{receiver: a, matchers: ['track=~"canary|stable"']}]""", ["a"]),
        ("""[{receiver: a, matchers: ['track!~"can.*"']}]""", ["root"]),
        ("""[{receiver: a, matchers: ['team=""']}]""", ["a"]),  # an absent label is empty
        ("""[{receiver: a, matchers: ['{track="canary", severity=~"crit.*"}']}]""", ["a"]),
        ("""[{receiver: a, matchers: ['track=~"canary,stable|canary"']}]""", ["a"]),  # a comma in quotes
        ("[{receiver: a, match: {track: canary}}, {receiver: b, match: {track: canary}}]", ["a"]),
        ("[{receiver: a, continue: true}, {receiver: b}]", ["a", "b"]),
        ("[{receiver: a, continue: true, match: {track: stable}}, {receiver: b}]", ["b"]),
        ("[{receiver: a, routes: [{receiver: b, match: {severity: critical}}]}]", ["b"]),
        ("[{receiver: a, routes: [{receiver: b, match: {severity: warning}}]}]", ["a"]),
        ("[{receiver: a, routes: [{match: {severity: critical}}]}]", ["a"]),  # inherited
        ("[{receiver: a, continue: true}, {receiver: a}]", ["a"]),  # each once
    ],
)
def test_route_tree_is_walked_as_alertmanager_walks_it(routes, expected):
    """First matching child, the next ones only after `continue`, the route itself where no child matches."""
    assert expected == told(configuration(routes))


def test_a_receiver_named_after_its_webhooks_tells_each_part():
    """Two webhooks, two parts of the name, in their order."""
    receivers = "[{name: root+log, webhook_configs: [{url: http://1}, {url: http://2}]}]"
    document = {**configuration(receivers=receivers), "route": {"receiver": "root+log"}}
    assert resolve(document, LABELS) == [("root", "http://1"), ("log", "http://2")]


@pytest.mark.parametrize(
    "extra",
    ["webhook_configs: [{url: http://1}, {url: http://2}, {url: http://3}]", "pagerduty_configs: [{service_key: x}]"],
)
def test_a_name_that_says_less_than_it_tells_is_not_taken_apart(extra):
    """A third integration makes the whole name stand for each, and that name is in nobody's list."""
    receivers = f"[{{name: root+log, webhook_configs: [{{url: http://1}}, {{url: http://2}}], {extra}}}]"
    if extra.startswith("webhook"):
        receivers = f"[{{name: root+log, {extra}}}]"
    document = {**configuration(receivers=receivers), "route": {"receiver": "root+log"}}
    resolved = resolve(document, LABELS)
    assert {"root+log"} == {who for who, _ in resolved}
    assert len(resolved) == 3
    assert len(not_allowed(resolved, ["root", "log"])) == 3


def test_a_receiver_that_tells_nobody_resolves_to_nobody():
    """A black hole has nothing to refuse."""
    document = configuration()
    del document["receivers"][0]["webhook_configs"]
    assert resolve(document, LABELS) == []


def test_not_allowed_lists_everybody_else_once():
    """Allowed names are left out whatever their place is."""
    resolved = [("pager", "http://p"), ("stepper", "http://s"), ("pager", "http://p")]
    assert not_allowed(resolved, ["stepper"]) == ["pager (http://p)"]


def test_a_matcher_that_is_not_understood_is_an_error():
    """Unknown is not allowed: who would be told cannot be said."""
    with pytest.raises(DriveError, match="is not understood"):
        told(configuration("[{receiver: a, matchers: ['track']}]"))


def test_the_live_configuration_is_asked_for():
    """GET /api/v2/status, and the configuration as Alertmanager holds it."""
    asked = []

    def server(request):
        asked.append(request.url.path)
        return httpx.Response(200, json={"config": {"original": yaml.safe_dump(configuration())}})

    alertmanager = Alertmanager("http://a", httpx.MockTransport(server))
    assert alertmanager.resolve_receivers(LABELS) == [("root", "http://root")]
    assert asked == ["/api/v2/status"]
    alertmanager.close()
