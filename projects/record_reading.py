"""What each product told of a call, and what of it was taken into the event."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import orjson

from netra.errors import NotFound
from netra.tokens import Tokens
from projects import event_json, log
from projects.workloads import WorkloadEvent

# What a source may know of a call: title → fields of the event.
KNOWABLE: dict[str, tuple[str, ...]] = {
    "start": ("started_at",),
    "duration": ("duration_ms",),
    "first token": ("ttft_ms",),
    "model asked for": ("requested_model",),
    "model that served": ("served_model",),
    "tokens": ("tokens",),
    "recorded cost": ("cost_recorded_usd",),
    "request": ("request",),
    "response": ("response",),
    "outcome": ("outcome",),
    "HTTP status": ("http_status",),
    "finish reason": ("finish_reason",),
    "response id": ("provider_response_id",),
    "trace and span": ("trace_id", "span_id"),
    "parent span": ("parent_span_id",),
    "session": ("session_id",),
    "user": ("user_id",),
}
_NOTHING = (None, "", "unknown", Tokens())


@dataclass(frozen=True, slots=True)
class Told:
    """One product's record. `alone`: taken, and nobody else told it; `agrees`: taken, others told the same;
    `otherwise`: another product's word was taken instead. `key` is "" where the event itself is the record."""

    key: str
    source: str
    record_id: str
    ingested_at: datetime
    started_at: datetime | None
    alone: list[str] = field(default_factory=list)
    agrees: list[str] = field(default_factory=list)
    otherwise: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Record:
    """A stored record of a merged event: its row, and the call as that product told it."""

    row: Mapping[str, Any]
    told: WorkloadEvent


def records(project_id: int, event_id: str) -> list[Record]:
    """In the order they came; empty for a call that one product told of."""
    return [Record(row, event_json.loads(orjson.dumps(row["record"]))) for row in log.records(project_id, event_id)]


def told(event: Mapping[str, Any], found: Sequence[Record]) -> list[Told]:
    """Every record of an event (as `log.event` gives it), with what was taken of it."""
    taken = event_json.from_row(event)
    if not found:
        known = [title for title in KNOWABLE if _is_known(taken, title)]
        came = event["ingested_at"]
        return [Told("", taken.source, taken.source_record_id, came, taken.started_at, alone=known)]
    return [
        _compared(each.row, each.told, [other.told for other in found if other is not each], taken) for each in found
    ]


def record(project_id: int, event_id: str, key: str) -> dict[str, Any]:
    """One record whole, as Netra read it. Raises NotFound."""
    for each in log.records(project_id, event_id):
        if each["record_key"] == key:
            whole: dict[str, Any] = each["record"]
            return whole
    raise NotFound("There is no such record of this event.")


def _compared(
    row: Mapping[str, Any], mine: WorkloadEvent, others: Sequence[WorkloadEvent], taken: WorkloadEvent
) -> Told:
    said: dict[str, list[str]] = {"alone": [], "agrees": [], "otherwise": []}
    for title in KNOWABLE:
        if not _is_known(mine, title):
            continue
        if _values(mine, title) != _values(taken, title):
            said["otherwise"].append(title)
        else:
            said["agrees" if any(_is_known(other, title) for other in others) else "alone"].append(title)
    return Told(row["record_key"], row["source"], row["source_record_id"], row["ingested_at"], mine.started_at, **said)


def _is_known(of: WorkloadEvent, title: str) -> bool:
    return any(value not in _NOTHING for value in _values(of, title))


def _values(of: WorkloadEvent, title: str) -> tuple[Any, ...]:
    return tuple(getattr(of, name) for name in KNOWABLE[title])
