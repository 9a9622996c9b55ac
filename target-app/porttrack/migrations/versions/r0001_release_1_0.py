"""The schema of release 1.0.

- `positions` is the log. `batch_id` is drawn once per stored batch, so one application of a batch can be told
  from another and the store's own order of batches is known; with `ordinal` it is the primary key. Nothing
  makes op_id unique: a batch applied twice must be visible as such, not hidden by a constraint.
- `vessels` holds the latest position. Half of each page is kept free, so that updates stay on their page.
- Identity columns and sequences cache one value: their order is the order of the statements that drew them.
- op_id is compared bytewise (collation C), which lets its index serve "begins with".
"""

from __future__ import annotations

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_POSITIONS = """
CREATE SEQUENCE position_batches CACHE 1;

CREATE TABLE positions (
    batch_id bigint NOT NULL,
    ordinal smallint NOT NULL,  -- the place in the batch, from 0
    op_id text COLLATE "C" NOT NULL,
    release text NOT NULL,
    source text NOT NULL,
    mmsi bigint NOT NULL,
    seq bigint NOT NULL,
    ts timestamptz NOT NULL,
    lat double precision NOT NULL,
    lon double precision NOT NULL,
    sog double precision NOT NULL,
    cog double precision NOT NULL,
    heading smallint NOT NULL,
    rot smallint NOT NULL,
    nav_status smallint NOT NULL,
    PRIMARY KEY (batch_id, ordinal)
);
CREATE INDEX positions_track ON positions (mmsi, seq);
CREATE INDEX positions_op ON positions (op_id);

CREATE TABLE vessels (
    mmsi bigint PRIMARY KEY,
    op_id text COLLATE "C" NOT NULL,
    release text NOT NULL,
    source text NOT NULL,
    seq bigint NOT NULL,
    ts timestamptz NOT NULL,
    lat double precision NOT NULL,
    lon double precision NOT NULL,
    sog double precision NOT NULL,
    cog double precision NOT NULL,
    heading smallint NOT NULL,
    rot smallint NOT NULL,
    nav_status smallint NOT NULL
) WITH (fillfactor = 50);
"""

_PORT_CALLS = """
CREATE SEQUENCE port_call_puts CACHE 1;

CREATE TABLE port_calls (
    id uuid PRIMARY KEY,
    op_id text COLLATE "C" NOT NULL,
    release text NOT NULL,
    put_order bigint NOT NULL DEFAULT nextval('port_call_puts'),
    seq bigint NOT NULL,
    state text NOT NULL,
    mmsi bigint NOT NULL,
    vessel_name text NOT NULL,
    port text NOT NULL,
    berth text NOT NULL,
    eta timestamptz NOT NULL,
    draught_m double precision NOT NULL,
    purpose text NOT NULL
);
CREATE INDEX port_calls_newest ON port_calls (put_order DESC);

CREATE TABLE port_call_history (
    id bigint GENERATED ALWAYS AS IDENTITY (CACHE 1) PRIMARY KEY,
    call_id uuid NOT NULL,
    op_id text COLLATE "C" NOT NULL,
    release text NOT NULL,
    seq bigint NOT NULL,
    state text NOT NULL,
    mmsi bigint NOT NULL,
    vessel_name text NOT NULL,
    port text NOT NULL,
    berth text NOT NULL,
    eta timestamptz NOT NULL,
    draught_m double precision NOT NULL,
    purpose text NOT NULL
);
CREATE INDEX port_call_history_call ON port_call_history (call_id, id);
CREATE INDEX port_call_history_op ON port_call_history (op_id);
"""

_TIMESTAMPS = """
CREATE TABLE timestamps (
    id uuid PRIMARY KEY,
    put_order bigint GENERATED ALWAYS AS IDENTITY (CACHE 1),
    op_id text COLLATE "C" NOT NULL,
    release text NOT NULL,
    port_call uuid NOT NULL,
    seq bigint NOT NULL,
    classifier_code text NOT NULL,
    event_type text NOT NULL,
    phase text NOT NULL,
    facility text NOT NULL,
    service text NOT NULL,
    date_time timestamptz NOT NULL,
    sender text NOT NULL,
    remark text NOT NULL
);
CREATE INDEX timestamps_call ON timestamps (port_call, put_order);
CREATE INDEX timestamps_op ON timestamps (op_id);
"""


def upgrade() -> None:
    """Create everything."""
    for statements in (_POSITIONS, _PORT_CALLS, _TIMESTAMPS):
        op.execute(statements)
