"""Bring a database to a schema revision.

    PORTTRACK_DSN=postgresql://user@127.0.0.1:5432/porttrack python -m porttrack.migrate --to head

Revisions only expand the schema, so the older release keeps running through a migration and a rollback of
the service never needs one of the schema: there is no way down. Asking for a revision that is already there,
or behind, changes nothing. Any DSN that libpq reads is taken.

Not covered: two migrations at once (the lock time-out makes the second fail, it does not queue).
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

import psycopg
import sqlalchemy
from alembic import command
from alembic.config import Config

CONNECT_S_MAX = 10
# A migration waits for the longest running statement of the service (5 s), no longer: while it waits for its
# lock, everyone behind it waits too.
LOCK_MS_MAX = 6000


def migrate(dsn: str, to: str) -> None:
    """Upgrade the database at `dsn` to revision `to` (`head` or a number such as `0001`)."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.set_main_option("path_separator", "os")
    engine = sqlalchemy.create_engine(
        "postgresql+psycopg://",
        creator=lambda: psycopg.connect(
            dsn,
            connect_timeout=CONNECT_S_MAX,
            application_name="porttrack-migrate",
            options=f"-c lock_timeout={LOCK_MS_MAX}",
        ),
        poolclass=sqlalchemy.pool.NullPool,
    )
    with engine.connect() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, to)
        connection.commit()


def main(argv: Sequence[str] | None = None) -> int:
    """The command line; 0 once the database is at the revision."""
    parser = argparse.ArgumentParser(prog="python -m porttrack.migrate", description="Bring a database to a revision.")
    given = os.environ.get("PORTTRACK_DSN", "")
    parser.add_argument("--dsn", default=given, required=not given, help="a connection string; default: PORTTRACK_DSN")
    parser.add_argument("--to", default="head", help="head (default) or a revision number")
    arguments = parser.parse_args(argv)
    migrate(arguments.dsn, arguments.to)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
