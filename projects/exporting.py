"""One's own events out again: Netra JSON lines, which import takes back in without loss, or Parquet with every column.

Both come in pieces, a batch of events at a time: memory does not grow with the log.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from netra.errors import Invalid
from netra.tokens import BUCKETS
from projects import log_exporting
from projects.log import EventFilter
from projects.models import Project
from projects.workloads import Purpose

_SAME = (
    *("source", "provider_response_id", "trace_id", "span_id", "parent_span_id", "session_id", "user_id"),
    *("operation", "provider", "requested_model", "served_model", "request", "response", "stream", "http_status"),
    *("outcome", "error_type", "finish_reason", "is_refusal", "duration_ms", "ttft_ms", "usage_origin", "environment"),
    *("tags", "metadata", "flags"),
)
_JSON = ("request", "response", "metadata", "usage_raw")
Pieces = Callable[[int, EventFilter], Iterator[bytes]]


def lines(project_id: int, wanted: EventFilter) -> Iterator[dict[str, Any]]:
    """One dict a current event, newest first; unknown fields are left out."""
    for table in log_exporting.tables(project_id, wanted):
        for found in table.to_pylist():
            for name in _JSON:
                found[name] = orjson.loads(found[name]) if found[name] else None
            yield line(found)


def line(found: Mapping[str, Any]) -> dict[str, Any]:
    """One event as one record of Netra's format. `copy_of` lets an import see that the event is there already."""
    told: dict[str, Any] = {"id": found["source_record_id"], "started_at": _iso(found["started_at"])}
    told |= {name: found[name] for name in _SAME if found[name] not in (None, [], {})}
    tokens = {name: found[f"tok_{name}"] for name in BUCKETS if found[f"tok_{name}"] is not None}
    # Counts that contradict each other are told as the provider told them: the reader flags them again.
    if any(count < 0 for count in tokens.values()):
        told["usage"] = found["usage_raw"]
    elif tokens:
        told["tokens"] = tokens
    if found["cost_recorded_usd"] is not None:
        told["cost_usd"] = format(found["cost_recorded_usd"].normalize(), "f")
    for name in ("ended_at", "first_token_at"):
        if found[name] is not None:
            told[name] = _iso(found[name])
    if found["purpose"] != Purpose.INGESTED:
        told["purpose"] = found["purpose"]
    told["copy_of"] = f"{found['event_id']}/{found['content_hash']}"
    return told


def _iso(at: datetime) -> str:
    return at.isoformat(timespec="microseconds").replace("+00:00", "Z")


def json_lines(project_id: int, wanted: EventFilter) -> Iterator[bytes]:
    """The file, about a hundred events to a piece."""
    piece: list[bytes] = []
    for told in lines(project_id, wanted):
        piece.append(orjson.dumps(told, option=orjson.OPT_APPEND_NEWLINE, default=str))
        if len(piece) >= 100:
            yield b"".join(piece)
            piece = []
    yield b"".join(piece)


def parquet(project_id: int, wanted: EventFilter) -> Iterator[bytes]:
    """The file with the log's own columns, a row group a batch; without events, a table without rows."""
    sink = _Sink()
    with pq.ParquetWriter(pa.PythonFile(sink, mode="w"), log_exporting.SCHEMA, compression="zstd") as writer:
        for table in log_exporting.tables(project_id, wanted):
            writer.write_table(table)
            yield sink.taken()
    yield sink.taken()


class _Sink:
    """What a writer takes for a file: holds only what was not handed on yet."""

    closed = False

    def __init__(self) -> None:
        self._held: list[bytes] = []
        self._n_bytes = 0

    def write(self, data: Any) -> int:
        self._held.append(bytes(data))
        self._n_bytes += len(self._held[-1])
        return len(self._held[-1])

    def tell(self) -> int:
        return self._n_bytes

    def flush(self) -> None:
        """Nothing lies behind it."""

    def close(self) -> None:
        self.closed = True

    def taken(self) -> bytes:
        held, self._held = b"".join(self._held), []
        return held


@dataclass(frozen=True, slots=True)
class Export:
    """A file on its way out."""

    pieces: Iterator[bytes]
    title: str
    media_type: str
    file_name: str


def of(project: Project, wanted: EventFilter, format_name: str) -> Export:
    """A project's events in one of FORMATS. Raises Invalid for another."""
    if format_name not in FORMATS:
        raise Invalid(f"There is no format {format_name[:40]!r}; there are {', '.join(FORMATS)}.", field="format")
    pieces, media_type, title = FORMATS[format_name]
    return Export(pieces(project.pk, wanted), title, media_type, f"{project.slug}-events.{format_name}")


FORMATS: dict[str, tuple[Pieces, str, str]] = {
    "jsonl": (json_lines, "application/x-ndjson", "JSON lines"),
    "parquet": (parquet, "application/vnd.apache.parquet", "Parquet"),
}
