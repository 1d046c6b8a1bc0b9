"""A span and what its attributes told → an event: ids, times, outcome, counts. The same for every dialect."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from netra.tokens import Tokens
from projects.ingest import openai, span_marks, usage, values
from projects.workloads import Outcome, UsageOrigin, WorkloadEvent

# How OpenAI's client words what the provider answered; nothing else on a span tells the status.
_SAID_STATUS = re.compile(r"\bError code: ([45][0-9]{2})\b")
_CANCELLED = ("CancelledError", "GeneratorExit", "AbortError", "ClientDisconnect")


@dataclass(slots=True)
class Told:
    """What the attributes of a model call's span tell, in OpenAI's shapes; None where they do not.

    `usage` is worded for usage.buckets, `usage_raw` is untouched.
    """

    operation: str
    flags: set[str]
    provider: str | None = None
    requested_model: str | None = None
    served_model: str | None = None
    response_id: str | None = None
    call_id: str | None = None
    request: dict[str, Any] | None = None
    answer: dict[str, Any] | None = None
    stream: bool | None = None
    ttft_ms: float | None = None
    finish_reason: str | None = None
    usage: Mapping[str, Any] | None = None
    usage_raw: Mapping[str, Any] | None = None
    cost: Any = None
    session_id: str | None = None
    user_id: str | None = None
    tags: tuple[str, ...] = ()
    metadata: dict[str, Any] = field(default_factory=dict)


def event(span: Mapping[str, Any], told: Told, *, source: str, now: datetime) -> WorkloadEvent:
    """The call. Raises Rejected for ids and times that cannot be meant."""
    trace_id, span_id, parent_id = span_marks.ids(span)
    flags = told.flags
    times = span_marks.times(span, told.ttft_ms, flags, now)
    plain = openai.fields(request=told.request, answer=told.answer, flags=flags, now=now, reads_usage=False)
    finish_reason = plain["finish_reason"] or told.finish_reason
    if told.stream and told.answer is not None and finish_reason is None:
        flags.add("streamed_incomplete")
    error_type, status = _error(span)
    outcome = _outcome(span, told, error_type)
    tokens, origin = _tokens(told, outcome)
    cost = _cost(told.cost, tokens, flags)
    _remark(span, told, outcome)
    metadata = plain["metadata"] | told.metadata
    return WorkloadEvent(
        **plain
        | times
        | {
            "source": source,
            "source_record_id": f"{trace_id}:{span_id}",
            "time_precision": "us",
            "operation": told.operation,
            "provider_response_id": told.response_id or plain["provider_response_id"],
            "call_id": told.call_id,
            "trace_id": trace_id,
            "span_id": span_id,
            "parent_span_id": parent_id,
            "session_id": told.session_id or plain["session_id"],
            "user_id": told.user_id or plain["user_id"],
            "provider": told.provider,
            "requested_model": told.requested_model,
            "served_model": told.served_model,
            "stream": told.stream,
            "http_status": status,
            "outcome": outcome,
            "error_type": error_type,
            "finish_reason": finish_reason,
            "tokens": tokens,
            "usage_raw": told.usage_raw,
            "usage_origin": origin,
            "cost_recorded_usd": cost,
            "cost_recorded_origin": None if cost is None else "log",
            "environment": _environment(span, metadata),
            "tags": told.tags,
            "metadata": metadata,
            "flags": frozenset(flags),
        }
    )


def service(resource: Mapping[str, Any]) -> Any:
    """The name its owner gave the sending program; the SDK's stand-in for none is none."""
    name = resource.get("service.name")
    return None if str(name).startswith("unknown_service") else name


def waited_ms(span: Mapping[str, Any], name: str) -> float | None:
    """From the start to the first event of that name; None when there is none, or a clock is odd."""
    at = next((event["time_ns"] for event in span["events"] if event["name"] == name), None)
    waited = (at - span["start_ns"]) / 10**6 if at and span["start_ns"] else -1.0
    return waited if waited >= 0 else None


def _error(span: Mapping[str, Any]) -> tuple[str | None, int | None]:
    """What went wrong, and the HTTP status, which the conventions put into error.type where there is nothing better."""
    attributes = span["attributes"]
    status = attributes.get("http.response.status_code", attributes.get("http.status_code"))
    told = values.text(attributes, "error.type")
    if told is None and span["status_code"] == 2:
        told = _exception(span) or "error"
    if status is None and told is not None:
        said = _SAID_STATUS.search(str(span.get("status_message") or "")[:300])
        status = said[1] if said else told if len(told) == 3 and told.isdecimal() else None
    return None if told is None else told[:80], values.status(status)


def _exception(span: Mapping[str, Any]) -> str | None:
    for each in span["events"]:
        if each["name"] == "exception":
            return values.text(each["attributes"], "exception.type")
    return None


def _outcome(span: Mapping[str, Any], told: Told, error_type: str | None) -> str:
    if error_type is not None:
        return Outcome.CANCELLED if error_type.endswith(_CANCELLED) else Outcome.PROVIDER_ERROR
    if "streamed_incomplete" in told.flags:
        return Outcome.CANCELLED
    return Outcome.OK if span.get("end_ns") or told.answer is not None else Outcome.UNKNOWN


def _tokens(told: Told, outcome: str) -> tuple[Tokens, str]:
    if told.usage is not None:
        tokens, found = usage.buckets(told.usage)
        told.flags |= found
        if tokens != _NOTHING:
            return tokens, UsageOrigin.PROVIDER
    if outcome != Outcome.PROVIDER_ERROR:
        told.flags.add("no_usage")
    return _NOTHING, UsageOrigin.MISSING


_NOTHING = Tokens()


def _cost(told: Any, tokens: Tokens, flags: set[str]) -> Decimal | None:
    """0 for tokens used is what tracers write for models they have no price of: unknown, not free."""
    cost = None if told is None else values.money(told, "the cost")
    if cost == 0 and ((tokens.input_total or 0) + (tokens.output_total or 0)) > 0:
        flags.add("cost_unknown")
        return None
    return cost


def _remark(span: Mapping[str, Any], told: Told, outcome: str) -> None:
    """Flags of what is missing or odd. Content is off by default in most instrumentations."""
    flags = told.flags
    has_no_request = told.request is None and "truncated_request" not in flags
    has_no_answer = told.answer is None and outcome != Outcome.PROVIDER_ERROR and "truncated_response" not in flags
    if has_no_request or has_no_answer:
        flags.add("no_body")
    if span.get("is_repaired"):
        flags.add("text_repaired")


def _environment(span: Mapping[str, Any], metadata: Mapping[str, Any]) -> str | None:
    for told in (metadata.get("env"), metadata.get("environment")):
        if isinstance(told, str) and told:
            return told
    for where in (span["attributes"], span["resource"]):
        for name in ("deployment.environment.name", "deployment.environment"):
            if isinstance(where.get(name), str) and where[name]:
                return str(where[name])
    return None
