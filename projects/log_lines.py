"""Rows on their way to the store: made at the door, a line of JSON each while they wait, an Arrow table at the end.

What is waiting needs no reading in Python again: the lines of many batches become columns in one go. A line names its
columns, so that one written by an earlier release is read by a later one: what it lacks is null, what is gone is left.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import orjson
import pyarrow as pa
from pyarrow import json as arrow_json

from projects import event_json
from projects.log_rows import COLUMNS, Row
from projects.workloads import WorkloadEvent

# What is only known when a row is stored.
STORED = ("project_id", "version", "ingested_at", "import_id")
SCHEMA = pa.schema([(name, kind) for name, kind in COLUMNS.items() if name not in STORED])
_READING = arrow_json.ParseOptions(explicit_schema=SCHEMA, unexpected_field_behavior="ignore")
_OBJECTS = ("request", "response", "metadata", "usage_raw")


# What a row holds beside what its record told.
_ADDED = (
    *("kind", "prompt_hash", "system_hash", "prompt_chars", "n_messages", "has_tools", "has_images", "wants_json"),
    *("is_replayable", "not_replayable", "cost_usd", "price_source", "sources", "is_start_known"),
)


def dumps(row: Row) -> bytes:
    """One line of JSON without a line end; money as text, so that nothing is rounded."""
    ids = {"event_id": row.event_id, "content_hash": row.content_hash}
    if not row.told:
        return orjson.dumps({**ids, **row.values}, default=_plain)
    # What the record told was written as JSON to be hashed; the rest is put before it.
    added = {name: row.values[name] for name in _ADDED}
    return orjson.dumps({**ids, **added}, default=_plain)[:-1] + b"," + row.told[1:]


def _plain(value: Any) -> str:
    return format(value, "f") if isinstance(value, Decimal) else str(value)


def read(lines: bytes) -> pa.Table:
    """The rows of lines that `dumps` wrote, joined by line ends."""
    if not lines:
        return SCHEMA.empty_table()
    # In one block: a row is never cut, however long it is.
    whole = arrow_json.ReadOptions(use_threads=False, block_size=len(lines) + 1)
    return arrow_json.read_json(pa.BufferReader(lines), read_options=whole, parse_options=_READING)


def events(ready: pa.Table, places: Sequence[int]) -> list[WorkloadEvent]:
    """The events of these rows, as they came."""
    return [_event(row) for row in ready.take(pa.array(places, pa.int64())).to_pylist()]


def _event(row: Mapping[str, Any]) -> WorkloadEvent:
    opened = {name: orjson.loads(row[name]) if row[name] else None for name in _OBJECTS}
    return event_json.from_row({**row, **opened})
