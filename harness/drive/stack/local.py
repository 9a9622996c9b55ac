"""The local stack as data: everything on 127.0.0.1, from the plan, a list of ports and the paths of the binaries.

    initdb -> postgres -> store -> migrate -> stable-1..n, canary-1
    envoy -> stepper
    alertmanager -> prometheus

`build` is pure: it starts nothing, draws nothing and looks at no clock, so the same arguments give the
same spec, and a planted defect can change it as data.

PostgreSQL refuses to run as root. Where we are root its programs run in a user namespace in which they
are user 65534: no user is created and nobody's folders are opened up; `unshare` execs, so the process
that was started is the server itself. It listens on TCP only (a socket's path in a deep run directory
can exceed the 107 bytes that Linux allows) and trusts loopback: the store holds made-up rows, and lives
as long as the trial. Durability is on, as a store that must not lose acknowledged writes has it.

Three roles: the superuser `postgres` for this file's own steps; `porttrack` owns the database; `porttrack_reader`
can read every table and nothing else, for the scan that decides about lost writes.

Not covered: the observer and the load process (the trial adds them), other stacks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from harness.drive.stack import envoy_config, prometheus_config, rules
from harness.drive.stack.binaries import Binaries
from harness.drive.stack.envoy_config import CANARY, STABLE
from harness.drive.stack.spec import Endpoints, ProcessSpec, StackSpec
from harness.drive.target.port import Instance
from harness.plan.experiment import Rollout
from harness.plan.target import Target

HOST: Final = "127.0.0.1"
CANARY_INSTANCES: Final = 1
OWNER: Final = "porttrack"
READER: Final = "porttrack_reader"
DATABASE: Final = "porttrack"
# Who the two webhooks are, in allow_receivers of a target file; a recorder keeps the last part of its URL as the name.
STEPPER: Final = "stepper"
RECORDER: Final = "harness-recorder"
TEAM: Final = "team"  # the controller tells it directly; the recorder stands in for it
_SHARED_PORTS: Final = ("service", "router_admin", "prometheus", "alertmanager", "postgres", "stepper", "recorder")
SIGINT: Final = 2  # PostgreSQL's fast shutdown: disconnects clients and ends (0.03 s); SIGTERM would wait for them

_POSTGRES_SETTINGS: Final[Mapping[str, str]] = {
    "listen_addresses": HOST,
    "unix_socket_directories": "",
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "shared_buffers": "32MB",  # the drill's rows fit many times over; the default 128 MB only costs memory
    "max_connections": "100",
    "max_parallel_workers_per_gather": "0",  # no shared memory segments in small /dev/shm, no workers in the CPU count
    "log_checkpoints": "off",
}


@dataclass(frozen=True, slots=True)
class Paths:
    """Absolute folders. `scratch_dir` holds data directories and is removed at close."""

    run_dir: Path
    scratch_dir: Path


@dataclass(frozen=True, slots=True)
class _Ports:
    """The list of ports, with names. `instances` maps an instance's name to (service, control)."""

    service: int
    router_admin: int
    prometheus: int
    alertmanager: int
    postgres: int
    stepper: int
    recorder: int
    instances: Mapping[str, tuple[int, int]]


def instance_names(target: Target) -> tuple[str, ...]:
    """stable-1..n, then canary-1."""
    stable = [f"{STABLE}-{number}" for number in range(1, target.stack.stable_instances + 1)]
    return (*stable, *(f"{CANARY}-{number}" for number in range(1, CANARY_INSTANCES + 1)))


def port_count(target: Target) -> int:
    """How many ports `build` needs."""
    return len(_SHARED_PORTS) + 2 * len(instance_names(target))


def build(
    target: Target,
    rollout: Rollout,
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
    """The whole stack. `ports`: port_count(target) free loopback ports; the first one is the service's own.

    `token` is the secret of the instances' control ports, `python` runs the service and the stepper, `as_root` says
    whether the processes will run with user id 0. `guard_url` and `guard_token`: where the strategy `remove` has
    instances stopped, and the word that opens that door; empty where no strategy needs it.
    """
    assert rollout.strategy != "remove" or (guard_url and guard_token), "remove needs somebody who stops the canary"
    named = _name_ports(target, ports)
    endpoints = _endpoints(target, named, token)
    timing = rules.timing_of(target.timing)
    return StackSpec(
        files=_files(target, named, endpoints, timing, paths),
        processes=(
            *_store(binaries, named, paths, as_root),
            _migrate(python, endpoints),
            *(_instance(target, instance, named, endpoints, python) for instance in endpoints.instances),
            _envoy(binaries, named, endpoints, paths),
            _prometheus(binaries, named, endpoints, paths),
            _alertmanager(binaries, named, endpoints, paths),
            _stepper(target, rollout, named, endpoints, paths, python, (guard_url, guard_token)),
        ),
        endpoints=endpoints,
        scratch_dir=str(paths.scratch_dir),
        locked_ports=tuple(ports),
    )


def _name_ports(target: Target, ports: Sequence[int]) -> _Ports:
    assert len(ports) == port_count(target), f"{port_count(target)} ports are needed, {len(ports)} were given"
    shared = dict(zip(_SHARED_PORTS, ports, strict=False))
    rest = ports[len(_SHARED_PORTS) :]
    pairs = zip(rest[::2], rest[1::2], strict=True)
    return _Ports(**shared, instances=dict(zip(instance_names(target), pairs, strict=True)))


def _endpoints(target: Target, ports: _Ports, token: str) -> Endpoints:
    return Endpoints(
        service_url=_url(ports.service),
        router_admin_url=_url(ports.router_admin),
        prometheus_url=_url(ports.prometheus),
        alertmanager_url=_url(ports.alertmanager),
        controller_url=_url(ports.stepper),
        recorder_url=f"{_url(ports.recorder)}/{RECORDER}",
        store_dsn=_dsn(OWNER, ports.postgres),
        store_reader_dsn=_dsn(READER, ports.postgres),
        control_token=token,
        instances=tuple(
            Instance(name=name, track=_track_of(name), url=_url(port), control_url=_url(control_port))
            for name, (port, control_port) in ports.instances.items()
        ),
    )


def _url(port: int) -> str:
    return f"http://{HOST}:{port}"


def _dsn(role: str, port: int) -> str:
    return f"postgresql://{role}@{HOST}:{port}/{DATABASE}"


def _track_of(instance: str) -> str:
    return instance.rpartition("-")[0]


def _by_track(ports: _Ports) -> dict[str, list[int]]:
    """Track -> the service ports of its instances."""
    tracks: dict[str, list[int]] = {STABLE: [], CANARY: []}
    for name, (port, _) in ports.instances.items():
        tracks[_track_of(name)].append(port)
    return tracks


def _files(target: Target, ports: _Ports, endpoints: Endpoints, timing: rules.Timing, paths: Paths) -> dict[str, str]:
    tracks = _by_track(ports)
    return {
        "config/rules.yaml": rules.render(timing),
        "config/store.sql": store_sql(),
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


def store_sql() -> str:
    """The roles and the database, as the superuser makes them before the service's own migrations."""
    return "\n".join(
        (
            f"CREATE ROLE {OWNER} LOGIN;",
            f"CREATE ROLE {READER} LOGIN;",
            f"CREATE DATABASE {DATABASE} OWNER {OWNER};",
            # Every table, also those that migrations make later. It holds no right to write, so the second line
            # is no lock but makes a mistaken write fail as what it is.
            f"GRANT pg_read_all_data TO {READER};",
            f"ALTER ROLE {READER} SET default_transaction_read_only = on;",
            # Who must see open transactions of the service's sessions to call it quiescent.
            f"GRANT pg_read_all_stats TO {READER}, {OWNER};",
            "",
        )
    )


def _config(paths: Paths, name: str) -> str:
    return str(paths.run_dir / "config" / name)


def _store(binaries: Binaries, ports: _Ports, paths: Paths, as_root: bool) -> tuple[ProcessSpec, ...]:
    """initdb, the server, and the roles and the database."""
    folder = Path(binaries.postgres_bin)
    data_dir = str(paths.scratch_dir / "postgres")
    demoted = ("unshare", "--user", "--map-user=65534", "--map-group=65534", "--") if as_root else ()
    settings = (part for name, value in _POSTGRES_SETTINGS.items() for part in ("-c", f"{name}={value}"))
    where = ("-h", HOST, "-p", str(ports.postgres), "-U", "postgres")
    options = ("-U", "postgres", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-instructions", "--no-sync")
    return (
        ProcessSpec(
            name="initdb",
            argv=(*demoted, str(folder / "initdb"), "-D", data_dir, *options),
            ready_s_max=30.0,  # 0.5 to 1.3 s alone; a busy machine was seen to take ten times that
            run_once=True,
        ),
        ProcessSpec(
            name="postgres",
            argv=(*demoted, str(folder / "postgres"), "-D", data_dir, "-p", str(ports.postgres), *settings),
            ports=(ports.postgres,),
            ready_argv=(str(folder / "pg_isready"), "-q", *where),
            stop_signal=SIGINT,
            after=("initdb",),
        ),
        ProcessSpec(
            name="store",
            argv=(str(folder / "psql"), "-X", "-q", "-v", "ON_ERROR_STOP=1", *where, "-f", _config(paths, "store.sql")),
            run_once=True,
            after=("postgres",),
        ),
    )


def _migrate(python: str, endpoints: Endpoints) -> ProcessSpec:
    return ProcessSpec(
        name="migrate",
        argv=(python, "-m", "porttrack.migrate", "--dsn", endpoints.store_dsn, "--to", "head"),
        env={"PORTTRACK_DSN": endpoints.store_dsn},
        ready_s_max=30.0,
        run_once=True,
        after=("store",),
    )


def _instance(target: Target, instance: Instance, ports: _Ports, endpoints: Endpoints, python: str) -> ProcessSpec:
    port, control_port = ports.instances[instance.name]
    release = target.versions.canary if instance.track == CANARY else target.versions.stable
    return ProcessSpec(
        name=instance.name,
        argv=(
            *(python, "-m", "porttrack.serve", "--release", release, "--instance", instance.name),
            *("--host", HOST, "--port", str(port), "--control-port", str(control_port)),
        ),
        env={"PORTTRACK_DSN": endpoints.store_dsn, "PORTTRACK_CONTROL_TOKEN": endpoints.control_token},
        ports=(port, control_port),
        ready_url=f"{instance.url}/health",
        stop_s_max=9.0,  # the service drains for 8 s at most
        after=("migrate",),
    )


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
