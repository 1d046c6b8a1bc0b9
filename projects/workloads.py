"""The event: one model call that happened, whoever made it. Pure: no Django, no tables."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from netra.tokens import Tokens


class Purpose(StrEnum):
    INGESTED = "ingested"
    LIVE = "live"
    REPLAY = "replay"
    JUDGE = "judge"
    ADVISOR = "advisor"


class Outcome(StrEnum):
    OK = "ok"
    PROVIDER_ERROR = "provider_error"
    GATEWAY_ERROR = "gateway_error"
    CANCELLED = "cancelled"
    CACHED = "cached"
    UNKNOWN = "unknown"


class UsageOrigin(StrEnum):
    PROVIDER = "provider"
    GATEWAY_ESTIMATE = "gateway_estimate"
    TOKENIZER = "tokenizer"
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class WorkloadEvent:
    """One model call. Times are UTC-aware; durations ms; costs USD; tokens in disjoint buckets.

    `source` and `source_record_id` together identify the record: importing it again is an upsert.
    `call_id` is the name a client or gateway gave the call (a batch's custom_id, litellm_call_id).
    `copy_of` names the event and content (`event_id/content_hash`) that an exported line is a copy of.
    `request` and `response` are OpenAI chat shapes (assembled, not chunks), None when not logged.
    """

    source: str
    source_record_id: str
    started_at: datetime | None
    purpose: str = Purpose.INGESTED
    operation: str = "chat"
    provider_response_id: str | None = None
    trace_id: str | None = None
    span_id: str | None = None
    parent_span_id: str | None = None
    session_id: str | None = None
    user_id: str | None = None
    first_token_at: datetime | None = None
    ended_at: datetime | None = None
    duration_ms: float | None = None
    ttft_ms: float | None = None
    time_precision: str = "us"
    provider: str | None = None
    requested_model: str | None = None
    served_model: str | None = None
    request: Mapping[str, Any] | None = None
    response: Mapping[str, Any] | None = None
    stream: bool | None = None
    http_status: int | None = None
    outcome: str = Outcome.UNKNOWN
    error_type: str | None = None
    finish_reason: str | None = None
    is_refusal: bool | None = None
    tokens: Tokens = field(default_factory=Tokens)
    usage_raw: Mapping[str, Any] | None = None
    usage_origin: str = UsageOrigin.MISSING
    cost_recorded_usd: Decimal | None = None
    cost_recorded_origin: str | None = None
    environment: str | None = None
    tags: tuple[str, ...] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict)
    flags: frozenset[str] = frozenset()
    is_simulated: bool = False
    run_id: str | None = None
    call_id: str | None = None
    copy_of: str | None = None


@dataclass(frozen=True, slots=True)
class Features:
    """What a prompt is, as far as can be told cheaply and for sure. `kind` is what people would call it."""

    kind: str
    prompt_hash: str
    system_hash: str
    prompt_chars: int
    n_messages: int
    has_tools: bool
    has_images: bool
    wants_json: bool


NO_REQUEST = Features("unknown", "", "", 0, 0, False, False, False)


def describe(event: WorkloadEvent) -> Features:
    """Features of an event's request. The same prompt has the same `prompt_hash` whatever model it was sent to."""
    request = event.request
    messages = request.get("messages") if request is not None else None
    if request is None or not isinstance(messages, list):
        return NO_REQUEST
    system, others, has_images = _texts(messages)
    wanted = request.get("response_format")
    return Features(
        kind=_kind(event, system),
        prompt_hash=_digest(" ".join(others.split())),
        system_hash=_digest(system) if system else "",
        prompt_chars=_hashed_chars(system + others) if "private" in event.flags else len(system) + len(others),
        n_messages=len(messages),
        has_tools=bool(request.get("tools") or request.get("functions")),
        has_images=has_images,
        wants_json=isinstance(wanted, dict) and wanted.get("type") in ("json_object", "json_schema"),
    )


def _hashed_chars(hashes: str) -> int:
    """Hashes tell the length of the text they stand for."""
    return sum(int(n) for n in re.findall(r"hash:[0-9a-f]{24}:(\d+)", hashes))


def _texts(messages: list[Any]) -> tuple[str, str, bool]:
    system: list[str] = []
    others: list[str] = []
    has_images = False
    for message in messages:
        if not isinstance(message, dict):
            continue
        content = message.get("content")
        into = system if message.get("role") in ("system", "developer") else others
        if isinstance(content, str):
            into.append(content)
        elif isinstance(content, list):
            parts = [part for part in content if isinstance(part, dict)]
            into += [part["text"] for part in parts if isinstance(part.get("text"), str)]
            has_images = has_images or any(part.get("type") in ("image_url", "input_image") for part in parts)
    return "\n".join(system), "\n".join(others), has_images


def _kind(event: WorkloadEvent, system: str) -> str:
    """What the log itself says the call is for, else its first tag, else its system prompt."""
    for name in ("feature", "task", "prompt_name", "kind"):
        value = event.metadata.get(name)
        if isinstance(value, str) and value:
            return value[:80]
    if event.tags:
        return event.tags[0][:80]
    return f"prompt {_digest(system)[:6]}" if system else "no system prompt"


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=12).hexdigest()
