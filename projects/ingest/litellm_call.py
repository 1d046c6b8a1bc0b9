"""A call as LiteLLM tells it, whichever of its logs it comes from. The names are those of its logging payload."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from netra.tokens import Tokens
from projects.ingest import clock, gateways, litellm_bodies, litellm_usage, openai, values
from projects.ingest.verdicts import Rejected, Skipped
from projects.workloads import Outcome, WorkloadEvent

Payload = Mapping[str, Any]
# An answer from LiteLLM's own response cache gets the id of the call that filled it, with this at its end.
CACHE_SUFFIX = re.compile(r"_cache_hit[0-9.]*$")
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
HEALTH_CHECK = "litellm-internal-health-check"
_NO_CALLS = re.compile(r"^a?(call_mcp|list_|create_file|file_|create_batch|cancel_batch|vector_store)|^/v1/traces")
# Raised by the gateway itself, whoever it was about to ask.
_GATEWAY_ERRORS = ("Timeout", "BudgetExceededError", "ProxyException", "HTTPException", "RouterRateLimitError")
# Mirrored traffic, and calls LiteLLM makes for itself: to judge, to route, to analyse.
_INTERNAL = ("is_silent_experiment", "internal_call_origin", "litellm_lens_internal")


def event(told: Payload, *, source: str, precision: str, now: datetime) -> WorkloadEvent:
    """One call. Raises Rejected for values that cannot be meant, Skipped for tools, files and other chores."""
    if _NO_CALLS.search(values.text(told, "call_type") or "") or told.get("mcp_namespaced_tool_name"):
        raise Skipped()
    record_id = values.identity(told)
    if record_id is None:
        raise Rejected("missing_id")
    started_at = values.moment(told.get("startTime"), "startTime", now=now)
    if started_at is None:
        raise Rejected("missing_timestamp")
    flags = _circumstances(told)
    request, answer = litellm_bodies.read(told, flags)
    if request is None or (answer is None and not _is_failed(told)):
        flags.add("no_body")
    plain = openai.fields(request=request, answer=answer, flags=flags, now=now, reads_usage=False)
    plain |= {"source": source, "source_record_id": record_id, "time_precision": precision}
    return _told(plain, told, started_at)


def _told(plain: dict[str, Any], told: Payload, started_at: datetime) -> WorkloadEvent:
    """What the record says itself goes before what its bodies imply."""
    flags = set(plain["flags"])
    metadata = _metadata(told) or plain["metadata"]
    stream = litellm_bodies.is_streamed(told)
    tokens, raw, origin = litellm_usage.read(told, plain["response"], flags, is_failed=_is_failed(told))
    outcome = _outcome(told, plain["outcome"], flags)
    cost = _cost(told, tokens, outcome, flags)
    times = _times(told, started_at, flags)
    return WorkloadEvent(
        **plain
        | times
        | _names(plain, told, metadata)
        | {
            "operation": litellm_bodies.operation(told) or plain["operation"],
            "stream": stream,
            "http_status": _status(told),
            "outcome": outcome,
            "error_type": _error_type(told),
            "tokens": tokens,
            "usage_raw": raw,
            "usage_origin": origin,
            "cost_recorded_usd": cost,
            "cost_recorded_origin": None if cost is None else "litellm",
            "tags": _tags(told),
            "metadata": metadata,
            "flags": frozenset(flags),
        }
    )


def _times(told: Payload, started_at: datetime, flags: set[str]) -> dict[str, Any]:
    """The table's own duration is finer than the difference of its times."""
    first = litellm_bodies.first_token(told) if litellm_bodies.is_streamed(told) else None
    found = clock.times(started_at, first, told.get("endTime"), flags)
    duration = values.duration_ms(told.get("request_duration_ms"), "request_duration_ms")
    return found if duration is None else found | {"duration_ms": duration}


def _names(plain: Mapping[str, Any], told: Payload, metadata: Payload) -> dict[str, Any]:
    """Ids, models and people. `model_group` is what the client asked for, `model` what it was routed to."""
    asked, routed = values.text(told, "model_group"), values.text(told, "model")
    is_rerouted = not _is_failed(told) and asked is not None and routed != asked
    return {
        "provider_response_id": _response_id(plain, told),
        "call_id": values.identity(told, "litellm_call_id"),
        "trace_id": values.identity(told, "trace_id"),
        "parent_span_id": values.identity(told, "parent_span_id"),
        "session_id": values.identity(told, "session_id")
        or gateways.word(metadata, "session_id")
        or _session_as_trace(told),
        "user_id": values.text(told, "end_user")
        or values.text(_inside(told), "user_api_key_end_user_id")
        or plain["user_id"],
        "provider": values.text(told, "custom_llm_provider"),
        "requested_model": asked or routed or plain["requested_model"],
        "served_model": plain["served_model"] or (routed if is_rerouted else None),
        "environment": gateways.environment(metadata),
    }


def _session_as_trace(told: Payload) -> str | None:
    """Unless told to keep them apart, LiteLLM writes the session as the trace; ids it makes itself are UUIDs."""
    trace_id = values.identity(told, "trace_id")
    is_so = told.get("session_id") == "" and trace_id is not None and not _UUID.fullmatch(trace_id)
    return trace_id if is_so else None


def _response_id(plain: Mapping[str, Any], told: Payload) -> str | None:
    """The provider's id of the answer. Failures, and rows with no id from outside, carry the gateway's own."""
    found = plain["provider_response_id"] or values.identity(told)
    if _is_failed(told) or found is None or found == told.get("litellm_call_id"):
        return None
    return CACHE_SUFFIX.sub("", str(found))


def _inside(told: Payload) -> dict[str, Any]:
    return values.mapping(told.get("metadata"), "metadata")


def _metadata(told: Payload) -> dict[str, Any]:
    """What the client sent along, without what the gateway added."""
    inside = _inside(told)
    logged = values.mapping(inside.get("spend_logs_metadata"), "spend_logs_metadata")
    return logged | values.mapping(inside.get("requester_metadata"), "requester_metadata")


def _tags(told: Payload) -> tuple[str, ...]:
    tags = told.get("request_tags") or ()
    if not isinstance(tags, (list, tuple)):
        raise Rejected("wrong_type", "request_tags should be a list.")
    return tuple(str(tag)[:100] for tag in tags[:50] if not str(tag).startswith("User-Agent:"))


def _circumstances(told: Payload) -> set[str]:
    """Flags for calls that were no demand, were tried again, or never reached a provider."""
    inside, hidden = _inside(told), values.mapping(told.get("hidden_params"), "hidden_params")
    by_whom = {told.get("user"), told.get("key_alias"), inside.get("user_api_key_alias"), *_tags(told)}
    tries = (inside.get("attempted_retries"), inside.get("attempted_fallbacks"))
    found = {
        "synthetic": any(inside.get(name) for name in _INTERNAL) or HEALTH_CHECK in by_whom,
        "retried": any(isinstance(n, int) and n > 0 for n in tries),
        "response_cache_hit": _is_cached(told),
        "batch": bool(inside.get("batch_models") or hidden.get("batch_models")),
    }
    return {flag for flag, is_so in found.items() if is_so}


def _is_cached(told: Payload) -> bool:
    """The table keeps it as text: True, False, None or nothing."""
    return str(told.get("cache_hit")).lower() == "true" or bool(CACHE_SUFFIX.search(values.text(told, "id") or ""))


def _is_failed(told: Payload) -> bool:
    status = values.text(told, "status") or values.text(_inside(told), "status")
    return status == "failure" or (status is None and bool(told.get("error_str") or _error(told).get("error_code")))


def _error(told: Payload) -> dict[str, Any]:
    return values.mapping(told.get("error_information"), "error_information")


def _error_type(told: Payload) -> str | None:
    if not _is_failed(told):
        return None
    error = _error(told)
    return str(error.get("error_class") or error.get("error_code") or "error")[:80]


def _status(told: Payload) -> int | None:
    """Successes are 200; failures have their code as text, where there was one."""
    if _is_failed(told):
        code = str(_error(told).get("error_code") or "")
        return int(code) if re.fullmatch("[1-5][0-9]{2}", code) else None
    return 200 if told.get("status") == "success" else None


def _outcome(told: Payload, plain: str, flags: set[str]) -> str:
    if _is_failed(told):
        error = _error(told)
        is_ours = error.get("error_class") in _GATEWAY_ERRORS or error.get("llm_provider") == ""
        return Outcome.GATEWAY_ERROR if is_ours else Outcome.PROVIDER_ERROR
    if "response_cache_hit" in flags:
        return Outcome.CACHED
    if "streamed_incomplete" in flags:
        return Outcome.CANCELLED
    return Outcome.OK if told.get("status") == "success" else plain


def _cost(told: Payload, tokens: Tokens, ended: str, flags: set[str]) -> Decimal | None:
    """What it was charged at. A zero is only believed of an answer from the cache."""
    cost = values.money(told.get("response_cost"), "response_cost")
    if not cost and ended != Outcome.CACHED:
        breakdown = values.mapping(told.get("cost_breakdown"), "cost_breakdown")
        # The parts of the breakdown overlap (its input cost holds the cached part too): only the total adds up.
        cost = values.money(breakdown.get("total_cost"), "total_cost") or cost
    return gateways.cost(cost, tokens, ended, flags)
