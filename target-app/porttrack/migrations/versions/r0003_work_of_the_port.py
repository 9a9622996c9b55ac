"""Expand for the work of the port: readings, routes, cargo, staff, movements. New tables only; both releases use them.

- Each log is known by (source, seq), so an entry that is sent twice is stored once. `id` is the store's own order:
  an identity that caches one value is drawn by the statement that stores the row.
- `cargo_inventory` and `stays` are what the logs add up to, kept in the same transactions. A berth's windows are kept
  apart by the service, under a lock of the berth, not by a constraint: an exclusion constraint on text and time needs
  an extension that a managed database may not have.
"""

from __future__ import annotations

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_READINGS = """
CREATE TABLE readings (
    id bigint GENERATED ALWAYS AS IDENTITY (CACHE 1) PRIMARY KEY,
    op_id text COLLATE "C" NOT NULL,
    release text NOT NULL,
    seq bigint NOT NULL,
    area text NOT NULL,
    kind text NOT NULL,
    value double precision NOT NULL,
    ts timestamptz NOT NULL,
    source text NOT NULL,
    UNIQUE (source, seq)
);
CREATE INDEX readings_latest ON readings (area, kind, ts DESC, id DESC);
CREATE INDEX readings_op ON readings (op_id);
"""

_ROUTES = """
CREATE TABLE sea_routes (
    id uuid PRIMARY KEY,
    put_order bigint GENERATED ALWAYS AS IDENTITY (CACHE 1),
    op_id text COLLATE "C" NOT NULL,
    release text NOT NULL,
    port_call uuid NOT NULL,
    seq bigint NOT NULL,
    mmsi bigint NOT NULL,
    waypoints double precision[][] NOT NULL,  -- {{lon, lat}, ...}
    remark text NOT NULL
);
CREATE INDEX sea_routes_call ON sea_routes (port_call, put_order);
CREATE INDEX sea_routes_op ON sea_routes (op_id);
"""

_CARGO = """
CREATE TABLE cargo_moves (
    id bigint GENERATED ALWAYS AS IDENTITY (CACHE 1) PRIMARY KEY,
    op_id text COLLATE "C" NOT NULL,
    release text NOT NULL,
    source text NOT NULL,
    seq bigint NOT NULL,
    port_call uuid NOT NULL,
    kind text NOT NULL,
    container text NOT NULL,
    ts timestamptz NOT NULL,
    weight_kg integer NOT NULL,
    UNIQUE (source, seq)
);
CREATE INDEX cargo_moves_op ON cargo_moves (op_id);

CREATE TABLE cargo_inventory (
    port_call uuid NOT NULL,
    container text NOT NULL,
    op_id text COLLATE "C" NOT NULL,  -- of the last move
    release text NOT NULL,
    place text NOT NULL,
    balance integer NOT NULL,
    PRIMARY KEY (port_call, container)
);
CREATE INDEX cargo_inventory_op ON cargo_inventory (op_id);
"""

_STAFF = """
CREATE TABLE staff_assignments (
    id bigint GENERATED ALWAYS AS IDENTITY (CACHE 1) PRIMARY KEY,
    op_id text COLLATE "C" NOT NULL,
    release text NOT NULL,
    source text NOT NULL,
    seq bigint NOT NULL,
    staff text NOT NULL,
    role text NOT NULL,
    starts timestamptz NOT NULL,
    ends timestamptz NOT NULL,
    post text NOT NULL,
    UNIQUE (source, seq)
);
CREATE INDEX staff_assignments_staff ON staff_assignments (staff, starts);
CREATE INDEX staff_assignments_role ON staff_assignments (role, starts);
CREATE INDEX staff_assignments_op ON staff_assignments (op_id);
"""

_MOVEMENTS = """
CREATE TABLE movements (
    id bigint GENERATED ALWAYS AS IDENTITY (CACHE 1) PRIMARY KEY,
    op_id text COLLATE "C" NOT NULL,
    release text NOT NULL,
    source text NOT NULL,
    seq bigint NOT NULL,
    kind text NOT NULL,
    mmsi bigint NOT NULL,
    ts timestamptz NOT NULL,
    berth text NOT NULL,
    until timestamptz,
    entry_seen boolean NOT NULL DEFAULT true,
    UNIQUE (source, seq)
);
CREATE INDEX movements_op ON movements (op_id);

CREATE TABLE stays (
    id bigint GENERATED ALWAYS AS IDENTITY (CACHE 1) PRIMARY KEY,
    op_id text COLLATE "C" NOT NULL,  -- of the entry
    release text NOT NULL,
    mmsi bigint NOT NULL,
    berth text NOT NULL,
    since timestamptz NOT NULL,
    until timestamptz,
    inside boolean NOT NULL
);
CREATE UNIQUE INDEX stays_inside ON stays (mmsi) WHERE inside;
CREATE INDEX stays_berth ON stays (berth, until) WHERE berth <> '';
CREATE INDEX stays_op ON stays (op_id);
"""


def upgrade() -> None:
    """Create everything."""
    for statements in (_READINGS, _ROUTES, _CARGO, _STAFF, _MOVEMENTS):
        op.execute(statements)
