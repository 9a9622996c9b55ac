"""The local stack as data."""

from __future__ import annotations

import pytest
import yaml

from harness.drive.alerts.alertmanager import resolve
from harness.drive.stack import local, prometheus_config, rules
from harness.plan.experiment import Rollout
from porttrack.kit import PortTrackKit

REMOVE = Rollout(steps=(50, 100), step_s=15.0, strategy="remove")


def process(spec, name):
    (found,) = (process for process in spec.processes if process.name == name)
    return found


def test_same_arguments_give_the_same_spec(build):
    """Building is pure: twice the same spec."""
    assert build() == build()


def test_processes_and_what_they_wait_for(build):
    """Every process of the stack with the names it is started after."""
    assert {
        "initdb": (),
        "postgres": ("initdb",),
        "store": ("postgres",),
        "migrate": ("store",),
        "stable-1": ("migrate",),
        "stable-2": ("migrate",),
        "canary-1": ("migrate",),
        "envoy": (),
        "prometheus": ("alertmanager",),
        "alertmanager": (),
        "stepper": ("envoy",),
    } == {process.name: process.after for process in build().processes}


def test_what_ends_by_itself_is_run_once_and_the_rest_says_when_it_is_ready(build):
    """initdb, store and migrate are awaited to their end; every server has a way to tell that it serves."""
    spec = build()
    assert {"initdb", "store", "migrate"} == {process.name for process in spec.processes if process.run_once}
    assert all(process.ready_url or process.ready_argv for process in spec.processes if not process.run_once)


def test_every_port_is_used_once_and_locked(build, target):
    """Ports of processes and recorder are the lease, each for one purpose."""
    spec = build()
    recorder = int(spec.endpoints.recorder_url.split("/")[2].split(":")[1])
    used = [port for process in spec.processes for port in process.ports] + [recorder]
    assert list(spec.locked_ports) == sorted(used)
    assert local.port_count(target, PortTrackKit()) == len(used)


def test_the_first_port_is_the_service(build):
    """A fixed port for the service is given as the first one."""
    assert build().endpoints.service_url == "http://127.0.0.1:20000"


def test_a_wrong_number_of_ports_is_a_programmers_mistake(build):
    """One port too few stops at once and says how many are needed."""
    with pytest.raises(AssertionError, match="13 ports are needed, 12 were given"):
        build(ports=range(20_000, 20_012))


def test_only_root_wraps_postgres_in_a_user_namespace(build):
    """As root initdb and postgres run as another user; as anybody else they run as they are."""
    wrapped, plain = build(as_root=True), build(as_root=False)
    assert ("unshare", "/b/pg/initdb") == (process(wrapped, "initdb").argv[0], process(plain, "initdb").argv[0])
    assert process(wrapped, "postgres").argv[5:] == process(plain, "postgres").argv
    assert process(wrapped, "postgres").argv[4] == "--"


def test_postgres_is_durable_on_loopback_and_stops_fast(build):
    """fsync and synchronous_commit are on, no socket file, TCP on loopback only, SIGINT to stop."""
    postgres = process(build(), "postgres")
    settings = {part for flag, part in zip(postgres.argv, postgres.argv[1:], strict=False) if flag == "-c"}
    assert {"fsync=on", "synchronous_commit=on", "listen_addresses=127.0.0.1", "unix_socket_directories="} <= settings
    assert postgres.stop_signal == 2


def test_instances_get_their_release_and_the_secret_by_environment_only(build):
    """Stable serves 1.0, the canary 1.1; the token is in no command line and in no file."""
    spec = build()
    releases = {
        name: process(spec, name).argv[process(spec, name).argv.index("--release") + 1]
        for name in ("stable-1", "stable-2", "canary-1")
    }
    assert {"stable-1": "1.0", "stable-2": "1.0", "canary-1": "1.1"} == releases
    assert {"the token"} == {process(spec, name).env["PORTTRACK_CONTROL_TOKEN"] for name in releases}
    assert not any("the token" in text for text in spec.files.values())
    assert not any("the token" in part for each in spec.processes for part in each.argv)


def test_stepper_knows_its_steps_the_router_and_nothing_of_the_harness(build):
    """The controller's whole command line."""
    assert process(build(), "stepper").argv == (
        *("/python", "-m", "stepper", "--port", "20005", "--router-admin-url", "http://127.0.0.1:20001"),
        *("--steps", "5,25,50,100", "--step-s", "15", "--record", "/run/timeline/stepper.ndjson"),
        *("--stable", "stable", "--canary", "canary", "--runtime-prefix", "split.service"),
        *("--canary-version", "1.1", "--strategy", "shift", "--team-url", "http://127.0.0.1:20006/team"),
    )
    assert process(build(), "stepper").env == {}


def test_a_stepper_that_removes_knows_who_stops_instances(build):
    """The door's address and the names behind it stand in the command line; its token only in the environment."""
    spec = build(rollout=REMOVE, guard_url="http://127.0.0.1:29999", guard_token="the guard's token")
    stepper = process(spec, "stepper")
    assert stepper.argv[-8:] == (
        *("--strategy", "remove", "--team-url", "http://127.0.0.1:20006/team"),
        *("--guard-url", "http://127.0.0.1:29999", "--canary-instances", "canary-1"),
    )
    assert stepper.env == {"GUARD_TOKEN": "the guard's token"}
    assert not any("the guard's token" in text for text in spec.files.values())


@pytest.mark.parametrize("missing", ["guard_url", "guard_token"])
def test_removal_without_somebody_who_stops_is_a_programmers_mistake(build, missing):
    """The strategy remove with half of the door stops at once."""
    door = {"guard_url": "http://127.0.0.1:29999", "guard_token": "a token", missing: ""}
    with pytest.raises(AssertionError, match="remove needs somebody who stops the canary"):
        build(rollout=REMOVE, **door)


def test_alertmanager_starts_where_its_template_is_found(build):
    """The fetched Alertmanager needs its own folder; its other paths are absolute."""
    alertmanager = process(build(), "alertmanager")
    assert alertmanager.cwd == "/b/debian"
    assert "--config.file=/run/config/alertmanager.yaml" in alertmanager.argv
    assert "--cluster.listen-address=" in alertmanager.argv


RECORDER = {"url": "http://127.0.0.1:20006/harness-recorder", "send_resolved": True, "max_alerts": 0}


def test_alertmanager_tells_controller_and_recorder_together_and_the_recorder_of_the_watchdog(build):
    """One receiver named after whom it tells for all alerts but one; the Watchdog's is repeated every ten seconds."""
    configuration = yaml.safe_load(build().files["config/alertmanager.yaml"])
    stepper = {"url": "http://127.0.0.1:20005/webhook", "send_resolved": True, "max_alerts": 0}
    assert configuration == {
        "route": {
            "receiver": "stepper+harness-recorder",
            "group_by": ["alertname", "track", "version"],
            "group_wait": "0s",
            "group_interval": "1s",
            "repeat_interval": "1h",
            "routes": [
                {"receiver": "harness-recorder", "matchers": ['alertname="Watchdog"'], "repeat_interval": "10s"}
            ],
        },
        "receivers": [
            {"name": "stepper+harness-recorder", "webhook_configs": [stepper, RECORDER]},
            {"name": "harness-recorder", "webhook_configs": [RECORDER]},
        ],
    }


@pytest.mark.parametrize(
    ("alert", "told"),
    [
        ("CanaryErrorRatioHigh", ["stepper", "harness-recorder"]),
        ("ServiceErrorRatioHigh", ["stepper", "harness-recorder"]),
        ("Watchdog", ["harness-recorder"]),
    ],
)
def test_who_is_told_of_an_alert(build, alert, told):
    """By the same walk that decides before a fault whether somebody would be woken."""
    configuration = yaml.safe_load(build().files["config/alertmanager.yaml"])
    assert told == [who for who, _ in resolve(configuration, {"alertname": alert, "track": "canary"})]


def test_production_timing_waits_and_repeats_as_production_does():
    """A first notification after 10 s, the next of a group after 60, the Watchdog every five minutes."""
    text = prometheus_config.render_alertmanager(rules.PRODUCTION, {"a": "http://a", "b": "http://b"}, watchdog_to="b")
    route = yaml.safe_load(text)["route"]
    assert ("10s", "60s", "300s") == (
        route["group_wait"],
        route["group_interval"],
        route["routes"][0]["repeat_interval"],
    )


def test_prometheus_counts_requests_at_the_router_too(build):
    """Envoy's own count by cluster is scraped, that alone, and named as the rules name it."""
    configuration = yaml.safe_load(build().files["config/prometheus.yaml"])
    (job,) = (job for job in configuration["scrape_configs"] if job["job_name"] == "router")
    assert {"filter": [r"^cluster\.(stable|canary)\.upstream_rq_completed$"]} == job["params"]
    assert [{"targets": ["127.0.0.1:20001"]}] == job["static_configs"]
    (renamed,) = (one for one in job["metric_relabel_configs"] if one.get("target_label") == "__name__")
    assert ("envoy_cluster_upstream_rq_completed", "router_requests_total") == (
        renamed["regex"],
        renamed["replacement"],
    )
    assert "router_requests_total" in build().files["config/rules.yaml"]


def test_prometheus_labels_targets_with_their_track_and_nothing_else(build):
    """Stable's two instances and the canary, by track; scrape and evaluation each second."""
    configuration = yaml.safe_load(build().files["config/prometheus.yaml"])
    assert configuration["scrape_configs"][0]["static_configs"] == [
        {"targets": ["127.0.0.1:20007", "127.0.0.1:20009"], "labels": {"track": "stable"}},
        {"targets": ["127.0.0.1:20011"], "labels": {"track": "canary"}},
    ]
    assert {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"} == configuration["global"]
    assert configuration["rule_files"] == ["/run/config/rules.yaml"]


def test_the_rules_are_those_of_the_chart(build):
    """The stack runs the text that is rendered for the target's timing."""
    assert build().files["config/rules.yaml"] == rules.render(rules.DRILL)


def test_envoy_starts_with_everything_on_stable(build):
    """Canary weight 0 in the route and in the runtime, no retry policy, the track's header overwrites."""
    bootstrap = yaml.safe_load(build().files["config/envoy.yaml"])
    (listener,) = bootstrap["static_resources"]["listeners"]
    manager = listener["filter_chains"][0]["filters"][0]["typed_config"]
    route = manager["route_config"]["virtual_hosts"][0]["routes"][0]["route"]
    assert {"timeout", "weighted_clusters"} == set(route)
    assert [("stable", 100), ("canary", 0)] == [
        (cluster["name"], cluster["weight"]) for cluster in route["weighted_clusters"]["clusters"]
    ]
    assert bootstrap["layered_runtime"]["layers"][0]["static_layer"] == {
        "split.service.stable": 100,
        "split.service.canary": 0,
    }
    assert route["weighted_clusters"]["clusters"][1]["response_headers_to_add"] == [
        {"append_action": "OVERWRITE_IF_EXISTS_OR_ADD", "header": {"key": "x-track", "value": "canary"}}
    ]
