"""Events as rows of the event store: identity, content hash, features, price, columns."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from operator import attrgetter, itemgetter
from typing import Any

import orjson
import pyarrow as pa

from netra.prices import PriceBook, cost_usd
from netra.tokens import BUCKETS
from projects import event_json, replayability
from projects.workloads import Outcome, WorkloadEvent, describe

BATCH_DISCOUNT_FLAG = "batch"
LARGEST_COST = Decimal(1_000_000)
PLACES = Decimal("1e-12")
_TIME = pa.timestamp("us", "UTC")
_MONEY = pa.decimal128(18, 12)
_TEXT, _TEXTS = pa.string(), pa.list_(pa.string())

COLUMNS: dict[str, pa.DataType] = {
    "project_id": pa.uint64(),
    "event_id": _TEXT,
    "version": pa.uint32(),
    "content_hash": _TEXT,
    "ingested_at": _TIME,
    "import_id": pa.uint64(),
    "purpose": _TEXT,
    "source": _TEXT,
    "sources": _TEXTS,
    "source_record_id": _TEXT,
    "provider_response_id": _TEXT,
    "trace_id": _TEXT,
    "span_id": _TEXT,
    "parent_span_id": _TEXT,
    "session_id": _TEXT,
    "user_id": _TEXT,
    "run_id": _TEXT,
    "call_id": _TEXT,
    "started_at": _TIME,
    "is_start_known": pa.bool_(),
    "first_token_at": _TIME,
    "ended_at": _TIME,
    "duration_ms": pa.float64(),
    "ttft_ms": pa.float64(),
    "time_precision": _TEXT,
    "operation": _TEXT,
    "provider": _TEXT,
    "requested_model": _TEXT,
    "served_model": _TEXT,
    "request": _TEXT,
    "response": _TEXT,
    "stream": pa.bool_(),
    "http_status": pa.uint16(),
    "outcome": _TEXT,
    "error_type": _TEXT,
    "finish_reason": _TEXT,
    "is_refusal": pa.bool_(),
    **{f"tok_{name}": pa.int64() for name in BUCKETS},
    "usage_raw": _TEXT,
    "usage_origin": _TEXT,
    "cost_recorded_usd": _MONEY,
    "cost_recorded_origin": _TEXT,
    "cost_usd": _MONEY,
    "price_source": _TEXT,
    "environment": _TEXT,
    "tags": _TEXTS,
    "metadata": _TEXT,
    "flags": _TEXTS,
    "is_replayable": pa.bool_(),
    "not_replayable": _TEXTS,
    "kind": _TEXT,
    "prompt_hash": _TEXT,
    "system_hash": _TEXT,
    "prompt_chars": pa.uint32(),
    "n_messages": pa.uint16(),
    "has_tools": pa.bool_(),
    "has_images": pa.bool_(),
    "wants_json": pa.bool_(),
    "is_simulated": pa.bool_(),
}
# Copied as they are from the event.
_PLAIN = (
    "purpose",
    "source",
    "provider_response_id",
    "trace_id",
    "span_id",
    "parent_span_id",
    "session_id",
    "user_id",
    "run_id",
    "call_id",
    "first_token_at",
    "ended_at",
    "duration_ms",
    "ttft_ms",
    "time_precision",
    "operation",
    "provider",
    "requested_model",
    "served_model",
    "stream",
    "http_status",
    "outcome",
    "error_type",
    "finish_reason",
    "is_refusal",
    "usage_origin",
    "cost_recorded_usd",
    "cost_recorded_origin",
    "environment",
    "is_simulated",
)
_TOKENS = tuple(f"tok_{name}" for name in BUCKETS)
_plain_of, _tokens_of = attrgetter(*_PLAIN), attrgetter(*BUCKETS)


@dataclass(frozen=True, slots=True)
class Row:
    """One version of an event, ready for the store; `values` by column name.

    `told` is the JSON of what the record told, where it was asked for and nothing was added to that since.
    """

    event_id: str
    content_hash: str
    values: dict[str, Any]
    event: WorkloadEvent
    told: bytes = b""


def row(
    project_id: int,
    event: WorkloadEvent,
    book: PriceBook,
    *,
    now: datetime,
    event_id: str = "",
    sources: Sequence[str] = (),
    keeps_told: bool = False,
) -> Row:
    """Everything that is stored of an event. The content hash leaves out what only the import decides.

    `event_id` and `sources` are told for an event that several products told of; else they follow from the record.
    """
    request, response = _json(event.request), _json(event.response)
    record_id = event.source_record_id or _content_id(event, request, response)
    event_id = event_id or _event_id(project_id, event, record_id)
    values = dict(zip(_PLAIN, _plain_of(event), strict=True))
    values.update(zip(_TOKENS, _tokens_of(event.tokens), strict=True))
    values |= {
        "source_record_id": record_id,
        "started_at": event.started_at,
        "request": request,
        "response": response,
        "usage_raw": _json(event.usage_raw) or "",
        "metadata": _json(event.metadata) or "{}",
        "tags": list(event.tags),
        "flags": sorted(event.flags),
    }
    told = orjson.dumps(values, default=str)
    content_hash = _digest(told)
    values |= _features(event) | _price(event, book, now)
    values["sources"] = list(sources) or [event.source]
    values["is_start_known"] = event.started_at is not None
    values["started_at"] = event.started_at or now
    derived = {"no_time"} if event.started_at is None else set()
    derived |= {"not_replayable"} if values["not_replayable"] else set()
    values["flags"] = sorted(event.flags | derived)
    return Row(event_id, content_hash, values, event, told if keeps_told and not derived else b"")


def event_id_of(project_id: int, event: WorkloadEvent) -> str:
    """The id a record has alone: by its source and its own id, so that it is the same whenever it comes."""
    record_id = event.source_record_id or _content_id(event, _json(event.request), _json(event.response))
    return _event_id(project_id, event, record_id)


def _event_id(project_id: int, event: WorkloadEvent, record_id: str) -> str:
    return _digest(f"{project_id}\0{event.source}\0{record_id}".encode())


def id_keys(event_ids: Iterable[str]) -> str:
    """What the column `id_key` holds of these ids, as SQL: looking there first spares reading all ids of the log."""
    return ",".join(str(int.from_bytes(bytes.fromhex(each[:8]), "little")) for each in event_ids)


def _features(event: WorkloadEvent) -> dict[str, Any]:
    features = describe(event)
    reasons = replayability.reasons(event.request, event.operation, event.flags)
    return {
        "kind": features.kind,
        "prompt_hash": features.prompt_hash,
        "system_hash": features.system_hash,
        "prompt_chars": min(features.prompt_chars, 2**32 - 1),
        "n_messages": min(features.n_messages, 2**16 - 1),
        "has_tools": features.has_tools,
        "has_images": features.has_images,
        "wants_json": features.wants_json,
        "is_replayable": not reasons,
        "not_replayable": reasons,
    }


def _price(event: WorkloadEvent, book: PriceBook, now: datetime) -> dict[str, Any]:
    """What it cost at its own date, by the model that served it, else by the one asked for. None = not known."""
    found: dict[str, Any] = {"cost_usd": None, "price_source": None}
    if event.outcome == Outcome.CACHED:
        return {"cost_usd": Decimal(0), "price_source": "answered by a response cache"}
    for model in (event.served_model, event.requested_model):
        dated = book.rates(event.provider, model, event.started_at or now) if model else None
        if dated is not None:
            cost = cost_usd(event.tokens, dated.rates, batch=BATCH_DISCOUNT_FLAG in event.flags)
            if cost is not None and cost < LARGEST_COST and (rounded := cost.quantize(PLACES)) < LARGEST_COST:
                found = {"cost_usd": rounded, "price_source": dated.source[:300]}
            break
    return found


def _json(value: Mapping[str, Any] | None) -> str | None:
    if value is None:
        return None
    try:
        return orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS, default=str).decode()
    except TypeError:  # integers beyond 64 bits, lone surrogates: no reason to lose the batch they came with
        return json.dumps(value, default=str).encode("utf-8", "replace").decode()


def _content_id(event: WorkloadEvent, request: str | None, response: str | None) -> str:
    """Records without an id are known by what they say: the same lines twice are one call."""
    return "content-" + _digest(f"{event.started_at}\0{request}\0{response}".encode())


def _digest(data: bytes) -> str:
    return hashlib.blake2b(data, digest_size=16).hexdigest()


def table(project_id: int, rows: Sequence[Row], versions: Iterable[int], *, import_id: int = 0) -> pa.Table:
    """Rows as an Arrow table with the store's columns."""
    now = datetime.now(UTC)
    n = len(rows)
    fixed: dict[str, list[Any]] = {
        "project_id": [project_id] * n,
        "event_id": [each.event_id for each in rows],
        "version": list(versions),
        "content_hash": [each.content_hash for each in rows],
        "ingested_at": [now] * n,
        "import_id": [import_id] * n,
    }
    told = [each.values for each in rows]
    columns = {
        name: pa.array(fixed[name] if name in fixed else list(map(itemgetter(name), told)), kind)
        for name, kind in COLUMNS.items()
    }
    return pa.table(columns)


def superseded_table(project_id: int, replaced: Sequence[tuple[str, int]]) -> pa.Table:
    return pa.table(
        {
            "project_id": pa.array([project_id] * len(replaced), pa.uint64()),
            "event_id": pa.array([event_id for event_id, _ in replaced], pa.string()),
            "version": pa.array([version for _, version in replaced], pa.uint32()),
        }
    )


def records_table(project_id: int, import_id: int, now: datetime, records: Sequence[tuple[str, Row]]) -> pa.Table:
    n, told = len(records), [each for _, each in records]
    return pa.table(
        {
            "project_id": pa.array([project_id] * n, pa.uint64()),
            "record_key": pa.array([each.event_id for each in told], pa.string()),
            "event_id": pa.array([event_id for event_id, _ in records], pa.string()),
            "source": pa.array([each.values["source"] for each in told], pa.string()),
            "source_record_id": pa.array([each.values["source_record_id"] for each in told], pa.string()),
            "content_hash": pa.array([each.content_hash for each in told], pa.string()),
            "import_id": pa.array([import_id] * n, pa.uint64()),
            "ingested_at": pa.array([now] * n, pa.timestamp("us", "UTC")),
            "record": pa.array([event_json.dumps(each.event).decode() for each in told], pa.string()),
        }
    )
