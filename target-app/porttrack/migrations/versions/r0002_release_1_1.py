"""Expand for release 1.1: one nullable column in the position log.

Release 1.0 neither reads nor writes it and keeps running on this schema. The latest position per vessel does
not get the column: a 1.0 update would leave a 1.1 value standing beside a position that it does not belong to.
"""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; without a default, so no row is rewritten and the lock is short."""
    op.execute("ALTER TABLE positions ADD COLUMN position_accuracy boolean")
