"""Portkey: rows of a log export, single logs as its API gives them, and the older manual export. Costs are cents."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from projects.ingest import bodies, gateways, openai, values
from projects.ingest.verdicts import Rejected
from projects.workloads import Outcome, WorkloadEvent

NAME = "portkey"
TITLE = "Portkey log exports"
_COLUMNS = frozenset(
    {
        *("ai_org", "ai_model", "req_units", "res_units", "total_units", "is_success"),
        *("response_status_code", "cost_currency", "prompt_slug"),
    }
)
_ENVELOPE = frozenset({"url", "method", "headers", "status", "responseTime", "response_time", "portkeyHeaders"})
_ATTEMPT = re.compile(r"\[(\d+)\]")


def records(line: Mapping[str, Any]) -> tuple[Mapping[str, Any], ...]:
    """A line is one record."""
    return (line,)


def detect(record: Mapping[str, Any]) -> bool:
    """Two of the columns nobody else has, in the record or in its metrics."""
    metrics = record.get("metrics")
    return len(_COLUMNS & (metrics if isinstance(metrics, dict) else record).keys()) >= 2


def parse(record: Mapping[str, Any], *, now: datetime) -> WorkloadEvent:
    """One call. Raises Rejected for values that cannot be meant."""
    row = _row(record)
    record_id = values.identity(row)
    if record_id is None:
        raise Rejected("missing_id")
    started_at = values.moment(row.get("created_at"), "created_at", now=now)
    if started_at is None:
        raise Rejected("missing_timestamp")
    flags: set[str] = set()
    request, answer = bodies.request(row["request"], flags), bodies.response(row["response"], flags)
    stream = _stream(row, request)
    if gateways.is_cut(answer, stream=stream):
        flags.add("streamed_incomplete")
    plain = openai.fields(request=request, answer=answer, flags=flags, now=now)
    return _told(plain | {"stream": stream}, row, record_id, started_at)


def _row(record: Mapping[str, Any]) -> dict[str, Any]:
    """Any of the three shapes as the flat row of an export."""
    asked, answered = _envelope(record, "request"), _envelope(record, "response")
    row = {
        "request_url": asked.get("url"),
        "response_status_code": answered.get("status"),
        "response_time": answered.get("responseTime", answered.get("response_time")),
        "lastUsedOptionJsonPath": answered.get("lastUsedOptionJsonPath"),
    }
    # A null here must not hide what the other place says.
    for told in (values.mapping(record.get("metrics"), "metrics"), record):
        row |= {name: value for name, value in told.items() if value is not None}
    row["id"] = record.get("_id", record.get("id"))
    for name, envelope in (("request", asked), ("response", answered)):
        row[name] = _logged(envelope["body"] if envelope else record.get(f"{name}.body", record.get(name)))
    return row


def _envelope(record: Mapping[str, Any], name: str) -> dict[str, Any]:
    """The message around a body, with its address or status; empty when the record holds the body itself."""
    found = record.get(name)
    if not isinstance(found, dict) or not ("metrics" in record or ("body" in found and _ENVELOPE & found.keys())):
        return {}
    return {"body": None, **found}


def _logged(body: Any) -> Any:
    """Empty objects and texts stand where bodies are not logged."""
    return body or None


def _told(plain: dict[str, Any], row: Mapping[str, Any], record_id: str, started_at: datetime) -> WorkloadEvent:
    """What the record says itself goes before what its bodies imply."""
    flags = set(plain["flags"])
    status = values.status(row.get("response_status_code"), "response_status_code")
    ended = _outcome(plain, row, status, flags)
    columns = _columns(row, plain)
    counts = gateways.counted(plain, columns, ended, flags)
    dollars = _dollars(row, flags)
    cost = gateways.cost(dollars, counts["tokens"], ended, flags)
    metadata = plain["metadata"] | _metadata(row)
    _remark(plain, row, ended, started_at, flags)
    told = {
        "source": NAME,
        "source_record_id": record_id,
        "started_at": started_at,
        "time_precision": "ms",
        "trace_id": values.identity(row, "trace_id"),
        "span_id": values.identity(row, "span_id"),
        "parent_span_id": values.identity(row, "parent_span_id"),
        "session_id": gateways.word(metadata, "session_id", "_session_id"),
        "user_id": gateways.word(metadata, "_user", "user_id") or plain["user_id"],
        "environment": gateways.environment(metadata),
        "metadata": metadata,
        "operation": _operation(row) or plain["operation"],
        "provider": values.text(row, "ai_org"),
        "requested_model": values.text(row, "ai_model") or plain["requested_model"],
        "duration_ms": values.duration_ms(row.get("response_time"), "response_time"),
        "http_status": status,
        "outcome": ended,
        "error_type": gateways.error_type(plain["error_type"], status, ended),
        "cost_recorded_usd": cost,
        "cost_recorded_origin": None if cost is None else NAME,
        "flags": frozenset(flags),
    }
    return WorkloadEvent(**plain | counts | told)


def _stream(row: Mapping[str, Any], request: Mapping[str, Any] | None) -> bool | None:
    """Told by the row, or by the request, or by an answer that only a stream gives."""
    told = values.flag(row.get("stream_mode"), "stream_mode")
    if told is not None:
        return told
    if gateways.is_event_stream(row["response"]):
        return True
    return None if request is None else bool(values.flag(request.get("stream"), "request.stream"))


def _operation(row: Mapping[str, Any]) -> str | None:
    return gateways.operation(values.text(row, "request_url"))


def _outcome(plain: Mapping[str, Any], row: Mapping[str, Any], status: int | None, flags: set[str]) -> str:
    is_success = values.flag(row.get("is_success"), "is_success")
    if status is None and is_success is not None:
        return Outcome.OK if is_success else Outcome.PROVIDER_ERROR
    ended = gateways.outcome(plain["outcome"], status)
    if ended != Outcome.OK:
        return ended
    if (values.text(row, "cache_status") or "").upper().endswith("HIT"):
        flags.add("response_cache_hit")
        return Outcome.CACHED
    return Outcome.UNKNOWN if is_success is False else Outcome.OK


def _columns(row: Mapping[str, Any], plain: Mapping[str, Any]) -> dict[str, int | None]:
    """The row's units in a provider's words. Units of images and sound are no tokens."""
    names = {"prompt_tokens": "req_units", "completion_tokens": "res_units", "total_tokens": "total_units"}
    counts = {name: values.count(row.get(column), column) for name, column in names.items()}
    return {} if (_operation(row) or plain["operation"]) == "other" else counts


def _dollars(row: Mapping[str, Any], flags: set[str]) -> Decimal | None:
    """Cents are divided by a hundred; other currencies stay unknown."""
    cents = values.money(row.get("cost"), "cost")
    currency = values.text(row, "cost_currency")
    if currency is not None and currency.upper() != "USD":
        flags.add("cost_currency_unknown")
        return None
    return None if cents is None else (cents / 100).quantize(Decimal("1e-12"))


def _metadata(row: Mapping[str, Any]) -> dict[str, Any]:
    """What the client told, as an object or as two lists side by side."""
    told = values.mapping(row.get("metadata"), "metadata")
    keys, held = row.get("metadata.key", told.get("key")), row.get("metadata.value", told.get("value"))
    if not isinstance(keys, list) or not isinstance(held, list):
        return told
    if len(keys) != len(held):
        raise Rejected("wrong_type", "metadata.key and metadata.value differ in length.")
    return {str(key): value for key, value in zip(keys, held, strict=True)}


def _remark(
    plain: Mapping[str, Any], row: Mapping[str, Any], ended: str, started_at: datetime, flags: set[str]
) -> None:
    is_unanswered = plain["response"] is None and ended not in gateways.FAILED
    if plain["request"] is None or is_unanswered:
        flags.add("no_body")
    if started_at < values.EARLIEST:
        flags.add("implausible_time")
    if _is_retried(row):
        flags.add("retried")


def _is_retried(row: Mapping[str, Any]) -> bool:
    """Retries of the gateway's own, or a fallback that a later target served. -1 stands for retries that all failed."""
    if row.get("retry_success_count") not in (None, "", 0, "0"):
        return True
    served_by = _ATTEMPT.search(values.text(row, "lastUsedOptionJsonPath") or "")
    return row.get("mode") == "fallback" and served_by is not None and int(served_by[1]) > 0
