"""The local stack as data: everything on 127.0.0.1, from the plan, a list of ports and the paths of the binaries.

    [initdb -> postgres -> store ->] what the kit names: stable-1..n, canary-1 and what they start after
    envoy -> stepper
    alertmanager -> prometheus

`build` is pure: it starts nothing, draws nothing and looks at no clock, so the same arguments give the
same spec, and a planted defect can change it as data.

Not covered: the observer and the load process (the trial adds them), other stacks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from harness.drive.stack import envoy_config, postgres, prometheus_config, rules
from harness.drive.stack.binaries import Binaries
from harness.drive.stack.envoy_config import CANARY, STABLE
from harness.drive.stack.spec import SERVICE_DATA, Endpoints, ProcessSpec, StackSpec
from harness.drive.target.port import Instance, Place, TargetKit
from harness.plan.experiment import Rollout
from harness.plan.target import Target

HOST: Final = "127.0.0.1"
CANARY_INSTANCES: Final = 1
STORE_SQL: Final = "config/store.sql"
# Who the two webhooks are, in allow_receivers of a target file; a recorder keeps the last part of its URL as the name.
STEPPER: Final = "stepper"
RECORDER: Final = "harness-recorder"
TEAM: Final = "team"  # the controller tells it directly; the recorder stands in for it
_SHARED_PORTS: Final = ("service", "router_admin", "prometheus", "alertmanager", "store", "stepper", "recorder")


@dataclass(frozen=True, slots=True)
class Paths:
    """Absolute folders. `scratch_dir` holds data directories and is removed at close."""

    run_dir: Path
    scratch_dir: Path


@dataclass(frozen=True, slots=True)
class _Ports:
    """The list of ports, with names.

    `instances` maps an instance's name to (service, control), `upstream` to that of the process behind its sidecar.
    """

    service: int
    router_admin: int
    prometheus: int
    alertmanager: int
    store: int
    stepper: int
    recorder: int
    instances: Mapping[str, tuple[int, int]]
    upstream: Mapping[str, int]


def instance_names(target: Target) -> tuple[str, ...]:
    """stable-1..n, then canary-1."""
    stable = [f"{STABLE}-{number}" for number in range(1, target.stack.stable_instances + 1)]
    return (*stable, *(f"{CANARY}-{number}" for number in range(1, CANARY_INSTANCES + 1)))


def port_count(target: Target, kit: TargetKit) -> int:
    """How many ports `build` needs."""
    return len(_SHARED_PORTS) + (3 if kit.has_sidecar else 2) * len(instance_names(target))


def build(
    target: Target,
    rollout: Rollout,
    kit: TargetKit,
    *,
    paths: Paths,
    binaries: Binaries,
    ports: Sequence[int],
    token: str,
    python: str,
    as_root: bool,
    guard_url: str = "",
    guard_token: str = "",
) -> StackSpec:
    """The whole stack. `ports`: port_count(target, kit) free loopback ports; the first one is the service's own.

    `kit` says which processes the service itself is and whether they need a PostgreSQL. `token` is the
    secret of the instances' control ports, `python` runs the service and the stepper, `as_root` says whether the
    processes will run with user id 0. `guard_url` and `guard_token`: where the strategy `remove` has instances
    stopped, and the word that opens that door; empty where no strategy needs it.
    """
    assert rollout.strategy != "remove" or (guard_url and guard_token), "remove needs somebody who stops the canary"
    named = _name_ports(target, kit, ports)
    endpoints = _endpoints(named, kit, token)
    timing = rules.timing_of(target.timing)
    return StackSpec(
        files=_files(target, named, endpoints, timing, paths)
        | ({STORE_SQL: postgres.sql()} if kit.needs_postgres else {}),
        processes=(
            *(_postgres(binaries, named, paths, as_root) if kit.needs_postgres else ()),
            *_service(target, kit, named, endpoints, paths, python),
            _envoy(binaries, named, endpoints, paths),
            _prometheus(binaries, named, endpoints, paths),
            _alertmanager(binaries, named, endpoints, paths),
            _stepper(target, rollout, named, endpoints, paths, python, (guard_url, guard_token)),
        ),
        endpoints=endpoints,
        scratch_dir=str(paths.scratch_dir),
        locked_ports=tuple(ports),
    )


def _name_ports(target: Target, kit: TargetKit, ports: Sequence[int]) -> _Ports:
    count, names = port_count(target, kit), instance_names(target)
    assert len(ports) == count, f"{count} ports are needed, {len(ports)} were given"
    shared = dict(zip(_SHARED_PORTS, ports, strict=False))
    rest = ports[len(_SHARED_PORTS) :]
    own, behind = rest[: 2 * len(names)], rest[2 * len(names) :]
    pairs = zip(own[::2], own[1::2], strict=True)
    return _Ports(
        **shared, instances=dict(zip(names, pairs, strict=True)), upstream=dict(zip(names, behind, strict=False))
    )


def _endpoints(ports: _Ports, kit: TargetKit, token: str) -> Endpoints:
    stores = [postgres.dsn(role, ports.store) for role in (postgres.OWNER, postgres.READER)]
    owner, reader = stores if kit.needs_postgres else 2 * [_url(ports.store)]
    return Endpoints(
        service_url=_url(ports.service),
        router_admin_url=_url(ports.router_admin),
        prometheus_url=_url(ports.prometheus),
        alertmanager_url=_url(ports.alertmanager),
        controller_url=_url(ports.stepper),
        recorder_url=f"{_url(ports.recorder)}/{RECORDER}",
        store_dsn=owner,
        store_reader_dsn=reader,
        control_token=token,
        instances=tuple(
            Instance(name=name, track=track_of(name), url=_url(port), control_url=_url(control_port))
            for name, (port, control_port) in ports.instances.items()
        ),
    )


def _url(port: int) -> str:
    return f"http://{HOST}:{port}"


def track_of(instance: str) -> str:
    """The track in an instance's name."""
    return instance.rpartition("-")[0]


def _by_track(ports: _Ports) -> dict[str, list[int]]:
    """Track -> the service ports of its instances."""
    tracks: dict[str, list[int]] = {STABLE: [], CANARY: []}
    for name, (port, _) in ports.instances.items():
        tracks[track_of(name)].append(port)
    return tracks


def _files(target: Target, ports: _Ports, endpoints: Endpoints, timing: rules.Timing, paths: Paths) -> dict[str, str]:
    tracks = _by_track(ports)
    return {
        "config/rules.yaml": rules.render(timing),
        "config/prometheus.yaml": prometheus_config.render_prometheus(
            timing,
            rules_file=_config(paths, "rules.yaml"),
            tracks=tracks,
            router_admin_port=ports.router_admin,
            alertmanager_port=ports.alertmanager,
            own_port=ports.prometheus,
        ),
        "config/alertmanager.yaml": prometheus_config.render_alertmanager(
            timing,
            {STEPPER: f"{endpoints.controller_url}/webhook", RECORDER: endpoints.recorder_url},
            watchdog_to=RECORDER,
        ),
        "config/envoy.yaml": envoy_config.render(
            port=ports.service,
            admin_port=ports.router_admin,
            tracks=tracks,
            track_header=target.headers.track,
            access_log=str(paths.run_dir / "routing" / "envoy.ndjson"),
        ),
        # Empty, so that its folder is there: Envoy opens its log at the start and makes no folders.
        "routing/envoy.ndjson": "",
    }


def _config(paths: Paths, name: str) -> str:
    return str(paths.run_dir / "config" / name)


def _postgres(binaries: Binaries, ports: _Ports, paths: Paths, as_root: bool) -> tuple[ProcessSpec, ...]:
    data_dir, sql_file = paths.scratch_dir / "postgres", str(paths.run_dir / STORE_SQL)
    return postgres.processes(binaries, ports.store, data_dir, sql_file, as_root)


def _service(
    target: Target, kit: TargetKit, ports: _Ports, endpoints: Endpoints, paths: Paths, python: str
) -> tuple[ProcessSpec, ...]:
    """What the kit names, which must be a process for each instance at least."""
    place = Place(
        python=python,
        instances=endpoints.instances,
        releases={STABLE: target.versions.stable, CANARY: target.versions.canary},
        store_dsn=endpoints.store_dsn,
        control_token=endpoints.control_token,
        upstream_ports=ports.upstream,
        data_dir=str(paths.scratch_dir / SERVICE_DATA),
    )
    processes = kit.local_processes(place)
    missing = {one.name for one in endpoints.instances} - {one.name for one in processes}
    assert not missing, f"kit {kit.name!r} has no process for {', '.join(sorted(missing))}"
    return processes


def _envoy(binaries: Binaries, ports: _Ports, endpoints: Endpoints, paths: Paths) -> ProcessSpec:
    return ProcessSpec(
        name="envoy",
        argv=envoy_config.argv(binaries.envoy, _config(paths, "envoy.yaml")),
        ports=(ports.service, ports.router_admin),
        ready_url=f"{endpoints.router_admin_url}/ready",
    )


def _prometheus(binaries: Binaries, ports: _Ports, endpoints: Endpoints, paths: Paths) -> ProcessSpec:
    """Not after the instances: it hands its targets on every 5 s only, so its first scrape comes 5.8 s after its start
    (measured), when they have long been up; waiting for them would add their start to that.
    """
    return ProcessSpec(
        name="prometheus",
        argv=prometheus_config.prometheus_argv(
            binaries.prometheus,
            config=_config(paths, "prometheus.yaml"),
            data_dir=str(paths.scratch_dir / "prometheus"),
            port=ports.prometheus,
        ),
        ports=(ports.prometheus,),
        ready_url=f"{endpoints.prometheus_url}/-/ready",
        after=("alertmanager",),
    )


def _alertmanager(binaries: Binaries, ports: _Ports, endpoints: Endpoints, paths: Paths) -> ProcessSpec:
    return ProcessSpec(
        name="alertmanager",
        argv=prometheus_config.alertmanager_argv(
            binaries.alertmanager,
            config=_config(paths, "alertmanager.yaml"),
            data_dir=str(paths.scratch_dir / "alertmanager"),
            port=ports.alertmanager,
        ),
        cwd=binaries.alertmanager_cwd,
        ports=(ports.alertmanager,),
        ready_url=f"{endpoints.alertmanager_url}/-/ready",
    )


def _stepper(
    target: Target,
    rollout: Rollout,
    ports: _Ports,
    endpoints: Endpoints,
    paths: Paths,
    python: str,
    guard: tuple[str, str],
) -> ProcessSpec:
    """The controller. It knows its steps, the router, whom it tells and who may call it, and nothing of the harness.

    The token goes by the environment: a command line is everybody's to read.
    """
    guard_url, guard_token = guard
    canaries = ",".join(one.name for one in endpoints.instances if one.track == CANARY)
    removes = rollout.strategy == "remove"
    return ProcessSpec(
        name="stepper",
        argv=(
            *(python, "-m", "stepper", "--port", str(ports.stepper)),
            *("--router-admin-url", endpoints.router_admin_url),
            *("--steps", ",".join(map(str, rollout.steps)), "--step-s", f"{rollout.step_s:g}"),
            *("--record", str(paths.run_dir / "timeline" / "stepper.ndjson")),
            *("--stable", STABLE, "--canary", CANARY, "--runtime-prefix", envoy_config.RUNTIME_PREFIX),
            *("--canary-version", target.versions.canary, "--strategy", rollout.strategy),
            *("--team-url", f"{_url(ports.recorder)}/{TEAM}"),
            *(("--guard-url", guard_url, "--canary-instances", canaries) if removes else ()),
        ),
        env={"GUARD_TOKEN": guard_token} if removes else {},
        ports=(ports.stepper,),
        ready_url=f"{endpoints.controller_url}/status",
        after=("envoy",),
    )
