"""Token counts of LiteLLM's logs: the provider's usage where it was kept, else the gateway's own columns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from netra.tokens import Tokens
from projects.ingest import litellm_bodies, usage, values
from projects.workloads import UsageOrigin

Payload = Mapping[str, Any]
Usage = tuple[Tokens, Mapping[str, Any] | None, str]
ESTIMATE = "usage_gateway_estimate"


def read(told: Payload, answer: Payload | None, flags: set[str], *, is_failed: bool) -> Usage:
    """Counts, the usage object they are from, and whose they are. A failure's zeros mean that nothing was told."""
    given = _provider_usage(told)
    in_answer = (answer or {}).get("usage")
    if given is None and isinstance(in_answer, dict):
        # A stream that brought no usage gets one from LiteLLM, put where the provider's would be.
        given = in_answer
        origin: str = UsageOrigin.GATEWAY_ESTIMATE if litellm_bodies.is_streamed(told) else UsageOrigin.PROVIDER
    elif given is None:
        given, origin = _columns(told), _origin_of_columns(told)
    else:
        origin = UsageOrigin.PROVIDER
    return _counted(told, given, origin, flags, is_failed=is_failed)


def _counted(told: Payload, given: dict[str, Any], origin: str, flags: set[str], *, is_failed: bool) -> Usage:
    tokens, found = usage.buckets(_completed(told, given))
    if not (tokens.input_total or tokens.output_total):
        flags |= set() if is_failed else {"no_usage"}
        return Tokens(), None, UsageOrigin.MISSING
    flags |= found | ({ESTIMATE} if origin == UsageOrigin.GATEWAY_ESTIMATE else set())
    if _contradicts(told, given, tokens):
        flags.add(usage.MISMATCH)
    return tokens, given, origin


def _provider_usage(told: Payload) -> dict[str, Any] | None:
    for name in ("metadata", "hidden_params"):
        held = values.mapping(told.get(name), name).get("usage_object")
        if isinstance(held, dict) and held:
            return held
    return None


def _columns(told: Payload) -> dict[str, Any]:
    """The record's own counts; only ClickHouse rows tell the cached part, and tell 0 where they do not know."""
    found = {name: told.get(name) for name in ("prompt_tokens", "completion_tokens", "total_tokens")}
    return found | {
        theirs: cached
        for ours, theirs in (
            ("cache_read_tokens", "cache_read_input_tokens"),
            ("cache_write_tokens", "cache_creation_input_tokens"),
        )
        if (cached := values.count(told.get(ours), ours))
    }


def _origin_of_columns(told: Payload) -> str:
    """Cached tokens are known from the provider only; nothing else tells its counts from an estimate."""
    has_cached = told.get("cache_read_tokens") or told.get("cache_write_tokens")
    return UsageOrigin.PROVIDER if has_cached and str(has_cached) != "0" else UsageOrigin.GATEWAY_ESTIMATE


def _completed(told: Payload, given: dict[str, Any]) -> dict[str, Any]:
    """With the total from beside it, which tells whether the input count includes the cached tokens."""
    details = given.get("prompt_tokens_details")
    split = details.get("cache_creation_token_details") if isinstance(details, dict) else None
    added = {} if given.get("cache_creation") or not isinstance(split, dict) else {"cache_creation": split}
    if given.get("total_tokens") is None and told.get("total_tokens"):
        added["total_tokens"] = told["total_tokens"]
    return given | added


def _contradicts(told: Payload, given: Payload, tokens: Tokens) -> bool:
    """Whether the record's columns say something else than the usage object beside them."""
    prompt = values.count(told.get("prompt_tokens"), "prompt_tokens")
    output = values.count(told.get("completion_tokens"), "completion_tokens")
    sent = (tokens.input_total, given.get("prompt_tokens"), given.get("input_tokens"))
    return bool((prompt and prompt not in sent) or (output and output != tokens.output_total))
