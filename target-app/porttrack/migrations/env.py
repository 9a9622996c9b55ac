"""Alembic's entry: runs the revisions on the connection that `porttrack.migrate` hands over.

All revisions of one call run in one transaction: a schema is at the old revision or at the new one.
Not covered: offline mode (SQL scripts).
"""

from __future__ import annotations

from alembic import context

context.configure(connection=context.config.attributes["connection"], transactional_ddl=True)
with context.begin_transaction():
    context.run_migrations()
