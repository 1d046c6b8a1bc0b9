"""Helicone: requests as its query API and exporter give them. Bodies may be missing, or behind a link that expires."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from projects.ingest import bodies, clock, gateways, openai, usage, values
from projects.ingest.verdicts import Rejected
from projects.workloads import Outcome, WorkloadEvent

NAME = "helicone"
TITLE = "Helicone requests"
_WHOLE = re.compile(r"-?\d{1,9}")
NO_CACHE = "00000000-0000-0000-0000-000000000000"
_COLUMNS = frozenset(
    {
        *("request_created_at", "response_created_at", "response_status", "delay_ms", "request_model"),
        *("prompt_cache_read_tokens", "request_user_id", "signed_body_url", "request_path", "time_to_first_token"),
    }
)

_COUNTS = (
    *("prompt_tokens", "completion_tokens", "total_tokens", "reasoning_tokens"),
    *("prompt_cache_read_tokens", "prompt_cache_write_tokens", "prompt_audio_tokens", "completion_audio_tokens"),
)


def records(line: Mapping[str, Any]) -> tuple[Mapping[str, Any], ...]:
    """A line is one record."""
    return (line,)


def detect(record: Mapping[str, Any]) -> bool:
    """Its times and status are named by request and response, and it is flat."""
    return "request" not in record and len(_COLUMNS & record.keys()) >= 4


def parse(record: Mapping[str, Any], *, now: datetime) -> WorkloadEvent:
    """One call. Raises Rejected for values that cannot be meant."""
    record_id = values.identity(record, "request_id")
    if record_id is None:
        raise Rejected("missing_id")
    started_at = values.moment(record.get("request_created_at"), "request_created_at", now=now)
    if started_at is None:
        raise Rejected("missing_timestamp")
    flags: set[str] = set()
    logged = record.get("response_body") or None  # an empty object stands where the body is behind the link
    request, answer = bodies.request(record.get("request_body") or None, flags), bodies.response(logged, flags)
    stream = _stream(record, request, logged)
    if gateways.is_cut(answer, stream=stream):
        flags.add("streamed_incomplete")
    plain = openai.fields(request=request, answer=answer, flags=flags, now=now)
    return _told(plain | {"stream": stream}, record, record_id, started_at)


def _told(plain: dict[str, Any], record: Mapping[str, Any], record_id: str, started_at: datetime) -> WorkloadEvent:
    """What the record says itself goes before what its bodies imply."""
    flags = set(plain["flags"])
    status = _status(record, flags)
    ended = _outcome(plain, record, status, flags)
    columns = _columns(record)
    counts = gateways.counted(plain, columns, ended, flags)
    if counts["usage_raw"] == columns and _is_assumed(record, columns):
        flags.add(usage.ASSUMED)
    cost = gateways.cost(_cost(record), counts["tokens"], ended, flags)
    times = _times(record, started_at, flags)
    metadata = plain["metadata"] | _properties(record)
    lowered = {name.lower(): value for name, value in metadata.items()}  # names keep the client's capitals
    flags |= _remarks(plain, record, ended)
    told = {
        "source": NAME,
        "source_record_id": record_id,
        "time_precision": "ms",
        "session_id": gateways.word(lowered, "helicone-session-id", "session_id"),
        "user_id": gateways.word(record, "request_user_id", "helicone_user") or plain["user_id"],
        "environment": gateways.environment(lowered),
        "metadata": metadata,
        "operation": _operation(record) or plain["operation"],
        "provider": (values.text(record, "provider") or "").lower() or None,
        "requested_model": values.text(record, "request_model") or plain["requested_model"],
        "served_model": values.text(record, "response_model") or plain["served_model"],
        "http_status": status,
        "outcome": ended,
        "error_type": gateways.error_type(plain["error_type"], status, ended),
        "cost_recorded_usd": cost,
        "cost_recorded_origin": None if cost is None else NAME,
        "flags": frozenset(flags),
    }
    return WorkloadEvent(**plain | counts | times | told)


def _remarks(plain: Mapping[str, Any], record: Mapping[str, Any], ended: str) -> set[str]:
    found = set()
    if plain["request"] is None or (plain["response"] is None and ended not in gateways.FAILED):
        found.add("no_body")
    if record.get("asset_ids") or record.get("asset_urls"):
        found.add("media_by_reference")  # pictures are taken out of the body and kept elsewhere
    return found


def _stream(record: Mapping[str, Any], request: Mapping[str, Any] | None, logged: Any) -> bool | None:
    """Told by the request; without one, only a time to the first token or a stream's answer tell that it was one."""
    if record.get("time_to_first_token") or gateways.is_event_stream(logged):
        return True
    return None if request is None else bool(values.flag(request.get("stream"), "request.stream"))


def _status(record: Mapping[str, Any], flags: set[str]) -> int | None:
    """The HTTP status. Numbers below 100 are states of Helicone's own, and what each means is not documented."""
    told = record.get("response_status")
    if isinstance(told, str) and _WHOLE.fullmatch(told):
        told = int(told)
    if isinstance(told, int) and not isinstance(told, bool) and told < 100:
        flags.add("outcome_unknown")
        return None
    return values.status(told, "response_status")


def _outcome(plain: Mapping[str, Any], record: Mapping[str, Any], status: int | None, flags: set[str]) -> str:
    is_cached = record.get("cache_reference_id") not in (None, "", NO_CACHE)
    if is_cached:
        flags.add("response_cache_hit")
    if "outcome_unknown" in flags:
        return Outcome.UNKNOWN
    ended = gateways.outcome(plain["outcome"], status)
    return Outcome.CACHED if is_cached and ended == Outcome.OK else ended


def _columns(record: Mapping[str, Any]) -> dict[str, Any]:
    """The record's counts in the words of its provider, whose habits they keep."""
    told = {name: values.count(record.get(name), name) for name in _COUNTS}
    prompt, output, total = told["prompt_tokens"], told["completion_tokens"], told["total_tokens"]
    reasoning, is_anthropic = told["reasoning_tokens"] or 0, _is_anthropic(record)
    cached = (told["prompt_cache_read_tokens"] or 0) + (told["prompt_cache_write_tokens"] or 0)
    plain_total = (prompt or 0) + (output or 0)
    if reasoning and total == plain_total + reasoning:
        output = output and output + reasoning  # the total shows that reasoning was counted apart
    elif total == plain_total and (is_anthropic or cached > (prompt or 0)):
        total = None  # a sum of Helicone's own, which never has the cached tokens, and so proves nothing
    columns = {
        "input_tokens" if is_anthropic else "prompt_tokens": prompt,
        "completion_tokens": output,
        "total_tokens": total,
        "cache_read_input_tokens": told["prompt_cache_read_tokens"],
        "cache_creation_input_tokens": told["prompt_cache_write_tokens"],
    }
    return columns | _details(told)


def _details(told: Mapping[str, int | None]) -> dict[str, Any]:
    """Zero stands in these columns for what was never reported."""
    inside = {"audio_tokens": told["prompt_audio_tokens"] or None}
    outside = {
        "audio_tokens": told["completion_audio_tokens"] or None,
        "reasoning_tokens": told["reasoning_tokens"] or None,
    }
    found = {"prompt_tokens_details": inside, "completion_tokens_details": outside}
    return {name: counts for name, counts in found.items() if any(counts.values())}


def _is_anthropic(record: Mapping[str, Any]) -> bool:
    return str(record.get("provider")).lower() == "anthropic"


def _is_assumed(record: Mapping[str, Any], columns: Mapping[str, Any]) -> bool:
    """Input counts that leave cached tokens out, as Anthropic's do, where no total in these columns shows it."""
    has_cached = columns["cache_read_input_tokens"] or columns["cache_creation_input_tokens"]
    has_lost_total = columns["total_tokens"] is None and record.get("total_tokens") is not None
    return bool(has_cached) and columns["total_tokens"] is None and (_is_anthropic(record) or has_lost_total)


def _cost(record: Mapping[str, Any]) -> Decimal | None:
    """Dollars, under either of two names."""
    told = record.get("cost")
    return values.money(record.get("costUSD") if told is None else told, "cost")


def _times(record: Mapping[str, Any], started_at: datetime, flags: set[str]) -> dict[str, Any]:
    """Durations are told, or computed when the record gives both ends."""
    found = clock.times(started_at, None, record.get("response_created_at"), flags)
    took = record.get("delay_ms")
    if "clock_mismatch" in flags and isinstance(took, (int, float)) and took < 0:
        took = None
    told = values.duration_ms(took, "delay_ms")
    first = values.duration_ms(record.get("time_to_first_token"), "time_to_first_token")
    return found | {"duration_ms": found["duration_ms"] if told is None else told, "ttft_ms": first or None}


def _properties(record: Mapping[str, Any]) -> dict[str, Any]:
    """Under two names as well."""
    older = values.mapping(record.get("request_properties"), "request_properties")
    return older | values.mapping(record.get("properties"), "properties")


def _operation(record: Mapping[str, Any]) -> str | None:
    path, address = values.text(record, "request_path"), values.text(record, "target_url")
    return gateways.operation(path) or gateways.operation(address)
