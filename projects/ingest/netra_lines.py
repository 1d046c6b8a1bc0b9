"""Netra's own JSON lines: every field of an event by name, all optional but an id and a time (docs/importing.md)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from netra.tokens import BUCKETS, Tokens
from projects.ingest import bodies, openai, usage, values
from projects.ingest.verdicts import FLAGS, Rejected
from projects.workloads import Outcome, Purpose, UsageOrigin, WorkloadEvent

NAME = "netra"
TITLE = "Netra JSON lines"
COPIED = "netra_lines"
OUTCOMES = frozenset(Outcome)
# An export holds Netra's own replays and judgements too; brought elsewhere, they are calls, but nobody's demand.
NOT_DEMAND = frozenset({Purpose.REPLAY, Purpose.JUDGE, Purpose.ADVISOR})
DERIVED = frozenset({"no_time", "not_replayable"})


def records(line: Mapping[str, Any]) -> tuple[Mapping[str, Any], ...]:
    """A line is one record."""
    return (line,)


def detect(record: Mapping[str, Any]) -> bool:
    """An id and a time of its own, beside a request, a response or a model."""
    has_time = "started_at" in record or "at" in record
    return has_time and bool({"request", "response", "requested_model", "tokens", "usage"} & record.keys())


def parse(record: Mapping[str, Any], *, now: datetime) -> WorkloadEvent:
    """One call. Raises Rejected for values that cannot be meant."""
    record_id = values.identity(record)
    if record_id is None:
        raise Rejected("missing_id")
    started_at = values.moment(record.get("started_at", record.get("at")), "started_at", now=now)
    if started_at is None:
        raise Rejected("missing_timestamp")
    flags = {flag for flag in record.get("flags") or () if flag in FLAGS and flag not in DERIVED}
    request, answer = bodies.request(record.get("request"), flags), bodies.response(record.get("response"), flags)
    if request is None or (answer is None and "error" not in record):
        flags.add("no_body")
    if values.text(record, "purpose") in NOT_DEMAND:
        flags.add("synthetic")
    is_told = record.get("tokens") is not None or record.get("usage") is not None
    plain = openai.fields(request=request, answer=answer, flags=flags, now=now, reads_usage=not is_told)
    return _told(plain, record, record_id, started_at)


def _told(plain: dict[str, Any], record: Mapping[str, Any], record_id: str, started_at: datetime) -> WorkloadEvent:
    """What the record says itself goes before what its bodies imply."""
    flags = set(plain["flags"])
    tokens, origin = _tokens(record, plain, flags)
    cost, cost_origin = _cost(record, tokens, flags)
    metadata = values.mapping(record.get("metadata"), "metadata")
    plain |= _times(record, started_at, flags)
    for name in _TEXTS:
        plain[name] = values.text(record, name) or plain.get(name)
    plain["operation"] = plain["operation"] or "chat"
    return WorkloadEvent(
        **plain
        | {
            "source": _source(record),
            "source_record_id": record_id,
            "started_at": started_at,
            "time_precision": "us",
            "stream": values.flag(record.get("stream", plain["stream"]), "stream"),
            "http_status": values.status(record.get("http_status")),
            "outcome": _outcome(record, plain["outcome"]),
            "is_refusal": values.flag(record.get("is_refusal", plain["is_refusal"]), "is_refusal"),
            "tokens": tokens,
            "usage_raw": record["usage"] if isinstance(record.get("usage"), dict) else plain["usage_raw"],
            "usage_origin": origin,
            "cost_recorded_usd": cost,
            "cost_recorded_origin": cost_origin,
            "tags": _tags(record),
            "metadata": metadata or plain["metadata"],
            "flags": frozenset(flags),
            "copy_of": _copy_of(record),
            "is_simulated": record.get("provider") == "simulated",
        }
    )


def _source(record: Mapping[str, Any]) -> str:
    """Where the line says it comes from. What Netra called itself is recorded by Netra alone: a line that says so is
    a copy, and must never become a version of the original."""
    told = values.text(record, "source") or NAME
    return COPIED if told == NAME else told[:80]


def _copy_of(record: Mapping[str, Any]) -> str | None:
    told = record.get("copy_of")
    return told if isinstance(told, str) and _COPY.fullmatch(told) else None


_COPY = re.compile(r"[0-9a-f]{32}/[0-9a-f]{32}")
_TEXTS = (
    "operation",
    "provider_response_id",
    "trace_id",
    "span_id",
    "parent_span_id",
    "session_id",
    "user_id",
    "provider",
    "requested_model",
    "served_model",
    "error_type",
    "finish_reason",
    "environment",
)


def _tokens(record: Mapping[str, Any], plain: Mapping[str, Any], flags: set[str]) -> tuple[Tokens, str]:
    """Disjoint `tokens` by bucket, else a provider's `usage`, else what the response says."""
    given = record.get("tokens")
    if given is not None:
        named = values.mapping(given, "tokens")
        counts = {name: values.count(named.get(name), name) for name in BUCKETS}
        flags.discard("no_usage")
        return Tokens(**counts), values.text(record, "usage_origin") or UsageOrigin.PROVIDER
    if record.get("usage") is None:
        return plain["tokens"], plain["usage_origin"]
    found, more = usage.buckets(values.mapping(record["usage"], "usage"))
    flags.discard("no_usage")
    flags |= more
    return found, UsageOrigin.PROVIDER


def _cost(record: Mapping[str, Any], tokens: Tokens, flags: set[str]) -> tuple[Any, str | None]:
    """A recorded cost in dollars. 0 for tokens used, or another currency, is unknown, and flagged so."""
    cost = values.money(record.get("cost_usd"), "cost_usd")
    currency = values.text(record, "cost_currency")
    if currency is not None and currency.upper() != "USD":
        flags.add("cost_currency_unknown")
        return None, None
    is_used = (tokens.input_total or 0) + (tokens.output_total or 0) > 0
    if cost == 0 and is_used and record.get("outcome") != Outcome.CACHED:
        flags.add("cost_unknown")
        return None, None
    return cost, None if cost is None else values.text(record, "cost_origin") or "log"


def _times(record: Mapping[str, Any], started_at: datetime, flags: set[str]) -> dict[str, Any]:
    """Durations are told, or computed when the record gives both ends."""
    # A clock a little ahead at the other end is no reason to refuse a call: ends may lie past `now`.
    later = started_at + timedelta(days=366)
    ended_at = values.moment(record.get("ended_at"), "ended_at", now=later)
    first_at = values.moment(record.get("first_token_at"), "first_token_at", now=later)
    duration = values.duration_ms(record.get("duration_ms"), "duration_ms")
    ttft = values.duration_ms(record.get("ttft_ms"), "ttft_ms")
    if ended_at is not None and ended_at < started_at:
        flags.add("clock_mismatch")
        ended_at = None
    if duration is None and ended_at is not None:
        duration = (ended_at - started_at) / timedelta(milliseconds=1)
    if ttft is None and first_at is not None and first_at >= started_at:
        ttft = (first_at - started_at) / timedelta(milliseconds=1)
    if started_at < values.EARLIEST:
        flags.add("implausible_time")
    return {"ended_at": ended_at, "first_token_at": first_at, "duration_ms": duration, "ttft_ms": ttft}


def _outcome(record: Mapping[str, Any], plain: str) -> str:
    told = values.text(record, "outcome")
    if told is None:
        status = values.status(record.get("http_status"))
        return Outcome.PROVIDER_ERROR if status is not None and status >= 400 else plain
    if told not in OUTCOMES:
        raise Rejected("wrong_type", f"outcome should be one of {', '.join(sorted(OUTCOMES))}.")
    return told


def _tags(record: Mapping[str, Any]) -> tuple[str, ...]:
    tags = record.get("tags") or ()
    if not isinstance(tags, (list, tuple)):
        raise Rejected("wrong_type", "tags should be a list.")
    return tuple(str(tag)[:100] for tag in tags[:50])
