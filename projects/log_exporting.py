"""Reading the log from end to end: whole current events, a batch at a time, however many there are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pyarrow as pa

from netra import clickhouse
from projects.log import CURRENT, EventFilter
from projects.log_rows import COLUMNS

BATCH = 2_000
# No statement may hold more than this many ids as text.
CHUNK = 5_000
SCHEMA = pa.schema([(name, kind) for name, kind in COLUMNS.items() if name != "project_id"])


def tables(project_id: int, wanted: EventFilter, *, batch: int = BATCH) -> Iterator[pa.Table]:
    """Current events, newest first, with the store's columns. Memory is that of one batch."""
    clauses, parameters = wanted.clauses()
    after = ""
    while True:
        found = clickhouse.arrow(
            f"SELECT {', '.join(SCHEMA.names)} FROM workload_events WHERE {CURRENT}{clauses}{after} "  # noqa: S608
            "ORDER BY started_at DESC, event_id DESC LIMIT {limit:UInt32}",
            {"project_id": project_id, "limit": batch, **parameters},
        )
        if found.num_rows:
            yield pa.table([found[each.name].cast(each.type) for each in SCHEMA], schema=SCHEMA)
        if found.num_rows < batch:
            return
        parameters |= {
            "after_at": found["started_at"][-1].as_py(),
            "after_id": found["event_id"][-1].as_py(),
        }
        # The first comparison is what lets the store skip the parts that were read before.
        after = (
            " AND started_at <= {after_at:DateTime64(6, 'UTC')}"
            " AND (started_at, event_id) < ({after_at:DateTime64(6, 'UTC')}, {after_id:String})"
        )


def contents(project_id: int, event_ids: Sequence[str]) -> set[str]:
    """Every version of these events, as `event_id/content_hash`."""
    found: set[str] = set()
    for start in range(0, len(event_ids), CHUNK):
        rows = clickhouse.rows(
            "SELECT DISTINCT concat(event_id, '/', content_hash) AS content FROM workload_events "
            "WHERE project_id = {project_id:UInt64} AND event_id IN {ids:Array(String)}",
            {"project_id": project_id, "ids": list(event_ids[start : start + CHUNK])},
        )
        found |= {row["content"] for row in rows}
    return found
