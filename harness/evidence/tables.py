"""Columns: Arrow streams while live, Parquet once sealed, numpy columns for whoever judges.

A stream that was cut reads up to its last whole batch; Parquet would be unreadable without its footer,
which is why nothing is written as Parquet while its process may still be killed.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

Columns = Mapping[str, np.ndarray[Any, Any]]


def read_stream(path: Path) -> tuple[pa.Table | None, bool]:
    """(the table of every whole batch, whether the stream had its end). None where not even the schema is there."""
    batches: list[pa.RecordBatch] = []
    try:
        reader = pa.ipc.open_stream(pa.memory_map(str(path)))
    except (pa.ArrowInvalid, OSError):
        return None, False
    whole = True
    while True:
        try:
            batches.append(reader.read_next_batch())
        except StopIteration:
            break
        except (pa.ArrowInvalid, OSError):
            whole = False
            break
    return pa.Table.from_batches(batches, schema=reader.schema), whole


def read_folder(folder: Path, schema: pa.Schema) -> tuple[pa.Table, tuple[str, ...]]:
    """Every stream and Parquet file of a folder as one table of `schema`, and a problem for each that is cut or odd.

    A stream whose Parquet twin exists is skipped: sealing writes the twin before it removes the stream.
    """
    tables: list[pa.Table] = []
    problems: list[str] = []
    for path in sorted(folder.glob("*")):
        if path.suffix == ".parquet":
            table, why = read_parquet(path)
            whole = True
            if table is None:
                problems.append(f"{folder.name}/{path.name}: {why}")
                continue
        elif path.suffix == ".arrows" and not path.with_suffix(".parquet").exists():
            table, whole = read_stream(path)
        else:
            continue
        place = f"{folder.name}/{path.name}"
        if table is None:
            problems.append(f"{place}: no schema, so no rows")
            continue
        if not whole:
            problems.append(f"{place}: cut after {table.num_rows} rows")
        fitted, why = fit(table, schema)
        if fitted is None:
            problems.append(f"{place}: {why}")
            continue
        tables.append(fitted)
    return (pa.concat_tables(tables) if tables else schema.empty_table()), tuple(problems)


def read_parquet(path: Path) -> tuple[pa.Table | None, str]:
    """(the table, "") or (None, why it cannot be read): a file that was cut has no footer."""
    try:
        return pq.read_table(path), ""
    except (pa.ArrowInvalid, OSError) as error:
        return None, f"cannot be read, so no rows: {' '.join(str(error).split())}"


def fit(table: pa.Table, schema: pa.Schema) -> tuple[pa.Table | None, str]:
    """(the table in the types of `schema`, "") or (None, why its columns cannot be those)."""
    if table.schema.names != schema.names:
        return None, f"columns are {table.schema.names}, format 1 has {schema.names}"
    try:
        return table.cast(schema), ""
    # ValueError alone is what a null in a column that allows none gives.
    except (pa.ArrowNotImplementedError, ValueError) as error:
        return None, f"has values that are not of format 1, so no rows: {' '.join(str(error).split())}"


def columns(table: pa.Table) -> dict[str, np.ndarray[Any, Any]]:
    """Numpy columns; strings become object arrays."""
    return {name: table.column(name).combine_chunks().to_numpy(zero_copy_only=False) for name in table.schema.names}


def write_parquet(path: Path, table: pa.Table) -> None:
    """Write whole, then rename into place."""
    partial = path.with_suffix(".partial")
    pq.write_table(table, partial, compression="zstd")
    partial.rename(path)


def routing_rows(lines: Iterable[str], schema: pa.Schema) -> tuple[pa.Table, int]:
    """The router's JSON log lines as a table, and how many lines did not parse."""
    rows: list[dict[str, Any]] = []
    bad_count = 0
    for line in lines:
        try:
            record = json.loads(line)
            rows.append({field.name: _cast(record.get(field.name), field.type) for field in schema})
        except (ValueError, TypeError, AttributeError):
            bad_count += 1
    return pa.Table.from_pylist(rows, schema=schema), bad_count


def _cast(value: object, kind: pa.DataType) -> Any:
    """Envoy writes `-` or null for what a request did not have."""
    if pa.types.is_integer(kind):
        return int(float(str(value))) if kind == pa.int32() and value not in {None, "-"} else _whole(value)
    if pa.types.is_floating(kind):
        return float(str(value)) if value not in {None, "-"} else 0.0
    return "" if value in {None, "-"} else str(value)


def _whole(value: object) -> int:
    return 0 if value in {None, "-"} else int(str(value))
