"""The whole local stack, started from its spec: weights, access log, alerts, receivers, store."""

from __future__ import annotations

import itertools
import json
import threading
from collections import Counter
from pathlib import Path

import httpx
import psycopg
import pytest

from harness import clock
from harness.drive import alerts, traffic
from harness.drive.stack import ports
from harness.drive.stack.postgres import OWNER
from harness.errors import DriveError, UsageError

pytestmark = pytest.mark.integration
CANARY_RATIO = 'track_version:http_requests_5xx:ratio_rate5s{track="canary"}'
PACE = threading.Event()  # never set: a pause between two looks


@pytest.fixture(name="router")
def _router(stack):
    adapter = traffic.build("envoy", stack.spec.endpoints)
    yield adapter
    adapter.set_weight(0)
    adapter.close()


@pytest.fixture(name="watched")
def _watched(stack):
    parts = alerts.build("prometheus", stack.spec.endpoints)
    yield parts
    parts.close()


def ask(stack, count, marker):
    """`count` requests through the router, one after another."""
    with httpx.Client(base_url=stack.spec.endpoints.service_url, timeout=5, trust_env=False) as client:
        return [client.get("/work", headers={"x-request-id": f"{marker}-{index}"}) for index in range(count)]


def set_error_share(stack, track, share):
    """Let the instances of a track answer 503 to this share of requests."""
    headers = {"authorization": f"Bearer {stack.spec.endpoints.control_token}"}
    for instance in stack.spec.endpoints.instances:
        if instance.track == track:
            answer = httpx.post(f"{instance.control_url}/errors?share={share}", headers=headers, timeout=5)
            assert answer.status_code == 200


class Traffic:
    """About 100 requests a second through the router until it is left, 6000 at most."""

    def __init__(self, stack):
        self.stack = stack
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)

    def run(self):
        with httpx.Client(base_url=self.stack.spec.endpoints.service_url, timeout=5, trust_env=False) as client:
            for index in range(6000):
                if self.stopping.wait(0.01):
                    return
                client.get("/work", headers={"x-request-id": f"traffic-{index}"})

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stopping.set()
        self.thread.join(5)


def within(s_max, holds):
    """Whether `holds()` becomes true within `s_max`."""
    give_up_ns = clock.monotonic_ns() + int(s_max * clock.NS_PER_S)
    while clock.monotonic_ns() < give_up_ns:
        if holds():
            return True
        PACE.wait(0.05)
    return False


@pytest.mark.parametrize(("weight", "low", "high"), [(0, 0, 0), (50, 65, 135), (100, 200, 200)])
def test_router_sends_the_canary_its_weight(stack, router, weight, low, high):
    """Of 200 requests the canary gets none at 0, all at 100, and at 50 a number within 5 standard deviations."""
    router.set_weight(weight)
    read = router.read_weight()
    counts = Counter(answer.headers["x-track"] for answer in ask(stack, 200, f"weight{weight}"))
    assert weight == read.weight
    assert read.lo_ns < read.hi_ns
    assert low <= counts["canary"] <= high
    assert 200 == counts["canary"] + counts["stable"]


def test_a_fraction_of_a_percent_is_a_weight(stack, router):
    """0.1 % is set and read back as 0.1 %."""
    router.set_weight(0.1)
    read = router.read_weight()
    assert pytest.approx(0.1) == read.weight


def test_weights_that_add_up_to_nothing_are_an_error(stack, router):
    """Both weights 0 is no weight of the canary: reading it fails and says what Envoy would do."""
    admin = stack.spec.endpoints.router_admin_url
    httpx.post(f"{admin}/runtime_modify?split.service.stable=0&split.service.canary=0", timeout=5)
    with pytest.raises(DriveError, match="both weights are 0"):
        router.read_weight()
    router.set_weight(0)


def test_request_id_reaches_the_service_and_the_access_log_untouched(stack, router):
    """The id that a client sends is the one that the service sees and that the router's log keeps."""
    router.set_weight(0)
    begun_wall_ns = clock.wall_ns()
    # 36 characters in the shape of a UUID: Envoy would write its trace decision into such an id unless told not to.
    marker = "8d1e5f0a-1111-4222-8333-00000000000"
    answers = ask(stack, 5, marker)
    ids = [f"{marker}-{index}" for index in range(5)]
    log = stack.run_dir / "routing" / "envoy.ndjson"

    def lines():
        return [
            line for line in map(json.loads, log.read_text().splitlines()) if (line["op_id"] or "").startswith(marker)
        ]

    assert ids == [answer.text.strip() for answer in answers]
    assert within(2, lambda: len(lines()) == 5)
    found = lines()
    assert ids == [line["op_id"] for line in found]
    assert {"stable"} == {line["cluster"] for line in found}
    assert {(200, 1, "-", "GET", "/work")} == {
        (line["status"], line["attempts"], line["flags"], line["method"], line["path"]) for line in found
    }
    # 1 ms: Envoy stamps with its own look at the same clock.
    assert all(begun_wall_ns - clock.NS_PER_MS <= int(line["start_wall_ns"]) <= clock.wall_ns() for line in found)
    assert all(line["duration_ms"] == line["duration_us"] // 1000 for line in found)


def test_a_dead_track_is_named_on_the_routers_own_error(stack, router):
    """When no instance of the canary listens, Envoy's own 503 carries x-track: canary."""
    canary = next(spec for spec in stack.spec.processes if spec.name == "canary-1")
    process = stack.starter.running["canary-1"]
    process.terminate()
    process.wait(5)
    try:
        router.set_weight(100)
        answer = ask(stack, 1, "dead")[0]
    finally:
        stack.starter.running["canary-1"] = stack.starter.spawn(canary)
        assert within(10, lambda: stack.starter.is_ready(canary))
    assert (503, "canary") == (answer.status_code, answer.headers["x-track"])


def test_errors_of_the_canary_are_told_and_resolve(stack, watched, router):
    """A canary that answers 503 is told to recorder and controller within 10 s, and resolves once mended."""
    prometheus = watched.metrics
    router.set_weight(50)
    with Traffic(stack):
        # A rate needs samples from before the fault.
        assert within(10, lambda: 0.0 in [sample.value for sample in prometheus.fetch_samples(CANARY_RATIO, 2)])
        assert [] == stack.recorder.about("CanaryErrorRatioHigh")
        broken_ns = clock.monotonic_ns()
        set_error_share(stack, "canary", 0.5)
        told_ns, path, firing = stack.recorder.wait_for("CanaryErrorRatioHigh", "firing", s_max=10)
        active = prometheus.active_alerts()
        set_error_share(stack, "canary", 0)
        _, _, resolved = stack.recorder.wait_for("CanaryErrorRatioHigh", "resolved", s_max=15)
    samples = prometheus.fetch_samples('{__name__=~"ALERTS|.+:.+"}', 40)

    assert "/harness-recorder" == path
    # The rule needs one second of `for` after the window's third error: sooner would be another rule.
    assert 1.0 < (told_ns - broken_ns) / clock.NS_PER_S < 10.0
    labels = {"track": "canary", "version": "1.1", "action": "rollback", "severity": "critical"}
    assert {"alertname": "CanaryErrorRatioHigh", **labels} == firing["alerts"][0]["labels"]
    assert firing["alerts"][0]["fingerprint"] == resolved["alerts"][0]["fingerprint"]
    assert {("CanaryErrorRatioHigh", "firing")} == {
        (alert.name, alert.state) for alert in active if alert.name != "Watchdog"
    }
    labels_seen = [json.loads(sample.labels_json) for sample in samples if sample.name == "ALERTS"]
    states = {seen["alertstate"] for seen in labels_seen if seen["alertname"] == "CanaryErrorRatioHigh"}
    assert {"pending", "firing"} == states
    assert "CanaryErrorRatioHigh" in told_to_the_stepper(stack)


def test_the_watchdog_is_told_to_the_recorder_again_and_again_and_to_nobody_else(stack):
    """Within two repetitions the recorder hears of it twice; the controller never does."""
    assert within(25, lambda: len(stack.recorder.about("Watchdog")) >= 2)
    first, second = stack.recorder.about("Watchdog")[:2]
    labels = {"alertname": "Watchdog", "action": "none", "severity": "none"}
    assert [labels] == [alert["labels"] for alert in first[2]["alerts"]]
    # It is repeated at the first flush of the group, one second apart, after ten seconds.
    assert 9.5 < (second[0] - first[0]) / clock.NS_PER_S < 13
    assert "Watchdog" not in told_to_the_stepper(stack)


def test_a_dead_canary_is_told_while_requests_reach_it(stack, watched, router):
    """From its death on Envoy refuses what the router sends it; CanaryDown names its version after one window."""
    canary = next(spec for spec in stack.spec.processes if spec.name == "canary-1")
    routed = 'track:router_requests:increase5s{track="canary"}'
    last_seen = 'track_version:http_requests:last_seen{version="1.1"}'
    router.set_weight(50)
    with Traffic(stack):
        assert within(10, lambda: watched.metrics.fetch_samples(last_seen, 2) != [])
        assert within(10, lambda: any(sample.value > 0 for sample in watched.metrics.fetch_samples(routed, 2)))
        died_ns = clock.monotonic_ns()
        stack.starter.running["canary-1"].kill()
        stack.starter.running["canary-1"].wait(5)
        try:
            told_ns, _, firing = stack.recorder.wait_for("CanaryDown", "firing", s_max=15)
        finally:
            stack.starter.running["canary-1"] = stack.starter.spawn(canary)
            assert within(10, lambda: stack.starter.is_ready(canary))
        stack.recorder.wait_for("CanaryDown", "resolved", s_max=15)
    labels = {"track": "canary", "version": "1.1", "action": "rollback", "severity": "critical"}
    assert [{"alertname": "CanaryDown", **labels}] == [alert["labels"] for alert in firing["alerts"]]
    # `for` is 5 s from the evaluation that missed it; one scrape, one evaluation and the delivery come on top.
    assert 5.0 < (told_ns - died_ns) / clock.NS_PER_S < 9.0


def told_to_the_stepper(stack):
    """The alerts in the stepper's own record of webhooks."""
    record = [json.loads(line) for line in (stack.run_dir / "timeline" / "stepper.ndjson").read_text().splitlines()]
    return {alert["name"] for event in record if event["kind"] == "webhook_received" for alert in event["alerts"]}


def test_samples_are_as_they_were_stored(stack, watched):
    """A recorded series has one sample a second, stamped by the evaluation, with nothing filled in or left out."""
    prometheus = watched.metrics
    error_counts = 'track_version:http_requests_5xx:increase5s{track="canary"}'
    assert within(10, lambda: len(prometheus.fetch_samples(error_counts, 6)) >= 5)
    samples = prometheus.fetch_samples(error_counts, 6)
    assert {1000} == {after.wall_ms - before.wall_ms for before, after in itertools.pairwise(samples)}
    assert {'{"track":"canary","version":"1.1"}'} == {sample.labels_json for sample in samples}


def test_receivers_are_resolved_from_the_live_configuration(stack, watched):
    """A canary alert would be told to the stepper and the recorder, at their own URLs, and to nobody else."""
    endpoints = stack.spec.endpoints
    resolved = watched.receivers.resolve_receivers(
        {"alertname": "CanaryErrorRatioHigh", "track": "canary", "version": "1.1"}
    )
    assert watched.receivers.ready()
    assert [
        ("stepper", f"{endpoints.controller_url}/webhook"),
        ("harness-recorder", endpoints.recorder_url),
    ] == resolved
    assert [] == alerts.not_allowed(resolved, ["stepper", "harness-recorder"])
    assert [f"harness-recorder ({endpoints.recorder_url})"] == alerts.not_allowed(resolved, ["stepper"])
    of_watchdog = watched.receivers.resolve_receivers({"alertname": "Watchdog"})
    assert [("harness-recorder", endpoints.recorder_url)] == of_watchdog


def test_rules_loaded_are_those_of_the_chart(stack, watched):
    """Prometheus runs twenty rules in one group, all healthy, each second."""
    prometheus = watched.metrics
    assert prometheus.ready()
    assert within(5, lambda: all(rule.health != "unknown" for rule in prometheus.rules_loaded()))
    rules = prometheus.rules_loaded()
    assert {("canary", 1.0, "ok", "")} == {(rule.group, rule.evaluation_s, rule.health, rule.error) for rule in rules}
    assert [
        ("CanaryErrorRatioHigh", 1.0, "rollback"),
        ("CanaryLatencyHigh", 1.0, "rollback"),
        ("CanaryDown", 5.0, "rollback"),
        ("CanaryCpuSaturated", 1.0, "rollback"),
        ("CanaryMemorySaturated", 1.0, "rollback"),
        ("ServiceErrorRatioHigh", 1.0, "hold"),
        ("Watchdog", 10.0, "none"),
    ] == [(rule.name, rule.for_s, rule.labels["action"]) for rule in rules if rule.kind == "alerting"]
    assert 13 == sum(rule.kind == "recording" for rule in rules)


def test_no_rule_evaluation_was_missed(stack, watched):
    """The counter of skipped evaluations is scraped, and it is 0."""
    prometheus = watched.metrics
    counter = "prometheus_rule_group_iterations_missed_total"
    assert within(5, lambda: prometheus.fetch_samples(counter, 10) != [])
    samples = prometheus.fetch_samples(counter, 10)
    assert {0.0} == {sample.value for sample in samples}


def test_reader_may_read_what_the_owner_migrates_and_write_nothing(stack):
    """The scan's role sees the migrated table; a write fails, also after the read-only default is switched off."""
    with psycopg.connect(stack.spec.endpoints.store_reader_dsn, connect_timeout=5, autocommit=True) as reader:
        assert [("first",)] == reader.execute("SELECT text FROM note").fetchall()
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            reader.execute("INSERT INTO note VALUES ('second')")
        reader.execute("SET default_transaction_read_only = off")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            reader.execute("INSERT INTO note VALUES ('second')")


def test_store_is_durable(stack):
    """Acknowledged writes are on disk: fsync, synchronous_commit and full_page_writes are on."""
    with psycopg.connect(stack.spec.endpoints.store_dsn, connect_timeout=5) as owner:
        settings = owner.execute(
            "SELECT name, setting FROM pg_settings WHERE name IN ('fsync', 'synchronous_commit', 'full_page_writes')"
        ).fetchall()
    assert {"fsync": "on", "full_page_writes": "on", "synchronous_commit": "on"} == dict(settings)


def test_reader_sees_an_open_transaction_of_the_owner(stack):
    """The state of the service's sessions is visible to the reader, who must tell when it is quiescent."""
    endpoints = stack.spec.endpoints
    with (
        psycopg.connect(endpoints.store_dsn, connect_timeout=5) as owner,
        psycopg.connect(endpoints.store_reader_dsn, connect_timeout=5) as reader,
    ):
        owner.execute("SELECT 1")
        states = reader.execute("SELECT state FROM pg_stat_activity WHERE usename = %s", [OWNER]).fetchall()
    assert [("idle in transaction",)] == states


def test_every_server_listens_on_loopback_alone(stack):
    """Each port of the lease is bound on 127.0.0.1, and no process of the stack listens anywhere else."""
    listening = {}
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        _, local, _, state = line.split()[:4]
        address, port = local.split(":")
        if state == "0A":
            listening.setdefault(int(port, 16), set()).add(address)
    recorder = int(stack.spec.endpoints.recorder_url.split(":")[2].split("/")[0])
    wanted = {port for process in stack.spec.processes for port in process.ports} | {recorder}
    assert set(stack.spec.locked_ports) == wanted
    assert {frozenset({"0100007F"})} == {frozenset(listening[port]) for port in wanted}


def test_ports_of_a_running_stack_are_not_leased_again(stack, tmp_path):
    """A lease with another lock folder is refused a port on which a server listens."""
    port = stack.spec.locked_ports[0]
    with pytest.raises(UsageError, match=f"port {port}: in use"):
        ports.reserve(0, tmp_path, fixed=[port])


def test_postgres_is_the_very_process_that_was_started(stack):
    """The wrapper that takes root away execs: the process of the spec is the server itself."""
    process = stack.starter.running["postgres"]
    assert "postgres" == Path(f"/proc/{process.pid}/exe").readlink().name
