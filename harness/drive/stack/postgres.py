"""The PostgreSQL of the local stack: initdb -> postgres -> store, as processes and one file of SQL.

PostgreSQL refuses to run as root. Where we are root its programs run in a user namespace in which they
are user 65534: no user is created and nobody's folders are opened up; `unshare` execs, so the process
that was started is the server itself. It listens on TCP only (a socket's path in a deep run directory
can exceed the 107 bytes that Linux allows) and trusts loopback: the store holds made-up rows, and lives
as long as the trial. Durability is on, as a store that must not lose acknowledged writes has it.

Three roles: the superuser `postgres` for this file's own steps; `service` owns the database; `service_reader`
can read every table and nothing else, for the scan that decides about lost writes.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from harness.drive.stack.binaries import Binaries
from harness.drive.stack.spec import ProcessSpec
from harness.drive.target.port import STORE

HOST: Final = "127.0.0.1"
OWNER: Final = "service"
READER: Final = "service_reader"
DATABASE: Final = "service"
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


def dsn(role: str, port: int) -> str:
    """How `role` reaches the database."""
    return f"postgresql://{role}@{HOST}:{port}/{DATABASE}"


def sql() -> str:
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


def processes(binaries: Binaries, port: int, data_dir: Path, sql_file: str, as_root: bool) -> tuple[ProcessSpec, ...]:
    """initdb, the server, and the roles and the database. `sql_file` holds what `sql` gives."""
    folder = Path(binaries.postgres_bin)
    demoted = ("unshare", "--user", "--map-user=65534", "--map-group=65534", "--") if as_root else ()
    settings = (part for name, value in _POSTGRES_SETTINGS.items() for part in ("-c", f"{name}={value}"))
    where = ("-h", HOST, "-p", str(port), "-U", "postgres")
    options = ("-U", "postgres", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-instructions", "--no-sync")
    return (
        ProcessSpec(
            name="initdb",
            argv=(*demoted, str(folder / "initdb"), "-D", str(data_dir), *options),
            ready_s_max=30.0,  # 0.5 to 1.3 s alone; a busy machine was seen to take ten times that
            run_once=True,
        ),
        ProcessSpec(
            name="postgres",
            argv=(*demoted, str(folder / "postgres"), "-D", str(data_dir), "-p", str(port), *settings),
            ports=(port,),
            ready_argv=(str(folder / "pg_isready"), "-q", *where),
            stop_signal=SIGINT,
            after=("initdb",),
        ),
        ProcessSpec(
            name=STORE,
            argv=(str(folder / "psql"), "-X", "-q", "-v", "ON_ERROR_STOP=1", *where, "-f", sql_file),
            run_once=True,
            after=("postgres",),
        ),
    )
