"""Envoy's admin port, against answers as Envoy 1.40 writes them."""

from __future__ import annotations

import httpx
import pytest

from harness.drive import traffic
from harness.drive.traffic.envoy import EnvoyRouter
from harness.errors import DriveError, UsageError


class FakeEnvoy:
    """Holds a runtime; /runtime_modify changes it."""

    def __init__(self, **runtime):
        self.runtime = {f"split.service.{name}": value for name, value in runtime.items()}
        self.asked = []

    def __call__(self, request):
        self.asked.append(f"{request.method} {request.url.raw_path.decode()}")
        if request.url.path == "/runtime_modify":
            self.runtime.update(request.url.params)
            return httpx.Response(200, text="OK\n")
        entries = {name: {"final_value": value, "layer_values": ["", value]} for name, value in self.runtime.items()}
        return httpx.Response(200, json={"layers": ["static", "admin"], "entries": entries})


@pytest.fixture(name="router_of")
def _router_of():
    opened = []

    def build(server):
        opened.append(EnvoyRouter("http://e", transport=httpx.MockTransport(server)))
        return opened[-1]

    yield build
    for router in opened:
        router.close()


@pytest.mark.parametrize(
    ("stable", "canary", "expected"), [("100", "0", 0.0), ("75", "25", 25.0), ("0", "100", 100.0), ("9990", "10", 0.1)]
)
def test_weight_is_the_canarys_part_of_the_sum(router_of, stable, canary, expected):
    """Percent of the sum, whatever the sum is."""
    assert expected == router_of(FakeEnvoy(stable=stable, canary=canary)).read_weight().weight


def test_a_canary_raised_alone_has_less_than_it_looks(router_of):
    """30 beside a stable left at 100 is 23 %, which is what Envoy does with it."""
    assert pytest.approx(23.08, abs=0.01) == router_of(FakeEnvoy(stable="100", canary="30")).read_weight().weight


@pytest.mark.parametrize(
    ("weight", "query"),
    [
        (25, "split.service.canary=25&split.service.stable=75"),
        (0.1, "split.service.canary=10&split.service.stable=9990"),
    ],
)
def test_weight_is_set_by_one_call_with_both_keys(router_of, weight, query):
    """Both in one POST: between two calls the sum would be wrong."""
    envoy = FakeEnvoy(stable="100", canary="0")
    router = router_of(envoy)
    router.set_weight(weight)
    assert envoy.asked == [f"POST /runtime_modify?{query}"]
    assert weight == router.read_weight().weight


def test_read_is_bracketed_by_two_instants(router_of):
    """The weight was true between lo_ns and hi_ns."""
    read = router_of(FakeEnvoy(stable="100", canary="0")).read_weight()
    assert 0 < read.lo_ns <= read.hi_ns


def test_an_envoy_without_the_keys_is_not_ours(router_of):
    """Another Envoy on the port is noticed."""
    with pytest.raises(DriveError, match="does not run the harness's config"):
        router_of(FakeEnvoy(other="1")).read_weight()


def test_both_weights_nought_is_an_error(router_of):
    """No weight can be computed and every request is answered 404."""
    with pytest.raises(DriveError, match="both weights are 0"):
        router_of(FakeEnvoy(stable="0", canary="0")).read_weight()


def test_a_refused_change_is_an_error_with_envoys_words(router_of):
    """An answer other than 200 means the weight was not taken."""
    with pytest.raises(DriveError, match="503 No admin layer specified"):
        router_of(lambda request: httpx.Response(503, text="No admin layer specified")).set_weight(5)


def test_no_answer_is_an_error_that_names_the_call(router_of):
    """A refused connection says which call and where to look."""

    def refuses(request):
        raise httpx.ConnectError("refused")

    with pytest.raises(DriveError, match=r"GET http://e/runtime: ConnectError: refused; .*logs/envoy"):
        router_of(refuses).read_weight()


def test_a_typo_in_the_kind_is_refused_with_the_nearest(build):
    """`envoi` is no router; no other one is taken instead."""
    with pytest.raises(UsageError, match="router 'envoi' is unknown; known: envoy; did you mean 'envoy'"):
        traffic.build("envoi", build().endpoints)


def test_known_kinds_can_be_built(build):
    """Every kind that is listed builds a router for the stack."""
    for kind in traffic.known():
        traffic.build(kind, build().endpoints).close()
    assert "envoy" in traffic.known()
