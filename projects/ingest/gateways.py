"""What the records of gateways share: what an address is for, how a call ended, whose counts and which costs hold."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from netra.answers import first_choice
from netra.tokens import Tokens
from projects.ingest import usage
from projects.workloads import Outcome, UsageOrigin

FAILED = frozenset({Outcome.PROVIDER_ERROR, Outcome.GATEWAY_ERROR})
# The gateway gave up waiting, and says so in these.
TIMED_OUT = frozenset({408, 504})
# The first that fits holds: completions is the end of chat/completions too.
_OPERATIONS = (
    ("/chat/completions", "chat"),
    ("/messages", "chat"),
    ("/completions", "text"),
    ("/responses", "responses"),
    ("/embeddings", "embedding"),
    *((f"/images/{kind}", "other") for kind in ("generations", "edits", "variations")),
    *((f"/audio/{kind}", "other") for kind in ("speech", "transcriptions", "translations")),
    ("/moderations", "other"),
    ("/rerank", "other"),
)


def operation(url: str | None) -> str | None:
    """What an address is for, by the end of its path; None when that does not tell."""
    path = (url or "").partition("?")[0].rstrip("/").lower()
    return next((kind for end, kind in _OPERATIONS if path.endswith(end)), None)


def word(told: Mapping[str, Any], *names: str) -> str | None:
    """The first of some names in what a client wrote freely, where nothing but text and numbers is a word."""
    for name in names:
        value = told.get(name)
        if isinstance(value, (str, int)) and not isinstance(value, bool) and value != "":
            return str(value)
    return None


def environment(told: Mapping[str, Any]) -> str | None:
    return word(told, "env", "environment", "_environment")


def is_event_stream(answer: Any) -> bool:
    """Whether a logged answer is what only a stream gives: chunks, or the text of server-sent events."""
    return isinstance(answer, list) or (isinstance(answer, str) and answer.lstrip().startswith(("data:", "event:")))


def is_cut(answer: Mapping[str, Any] | None, *, stream: bool | None) -> bool:
    """A streamed answer, assembled by the gateway, whose first choice never finished."""
    choice = first_choice(answer) if answer is not None and stream else None
    return choice is not None and choice.get("finish_reason") is None


def outcome(plain: str, status: int | None) -> str:
    """By the HTTP status; the body, known as `plain`, says more only of calls that the status calls good."""
    if status is None:
        return plain
    if status >= 400:
        return Outcome.GATEWAY_ERROR if status in TIMED_OUT else Outcome.PROVIDER_ERROR
    return plain if plain in (Outcome.CANCELLED, Outcome.PROVIDER_ERROR) else Outcome.OK


def error_type(told: str | None, status: int | None, ended: str) -> str | None:
    """What the body calls the error, else the status; None for a call that did not fail."""
    if ended not in FAILED:
        return None
    if told and told != "no_response":
        return told
    return "timeout" if status in TIMED_OUT else f"http_{status}" if status else told or "error"


def counted(plain: Mapping[str, Any], columns: Mapping[str, Any], ended: str, flags: set[str]) -> dict[str, Any]:
    """The event's counts: the provider's usage object where the body has one, else the gateway's own columns.

    `columns` is in a provider's words. Nothing but zeros is unknown: every answered call had a prompt.
    """
    flags.discard("no_usage")
    of_columns, found = usage.buckets(columns)
    if _is_used(plain["tokens"]):
        if _is_used(of_columns) and _disagree(plain["tokens"], columns):
            flags.add(usage.MISMATCH)
        return {name: plain[name] for name in ("tokens", "usage_raw", "usage_origin")}
    if _is_used(of_columns):
        flags |= found
        # An answer without usage, and yet counts: the gateway counted by itself.
        is_own = (plain["response"] or {}).get("choices") is not None
        flags |= {"usage_gateway_estimate"} if is_own else set()
        origin = UsageOrigin.GATEWAY_ESTIMATE if is_own else UsageOrigin.PROVIDER
        return {"tokens": of_columns, "usage_raw": dict(columns), "usage_origin": origin}
    if ended not in FAILED:
        flags.add("no_usage")
    return {"tokens": Tokens(), "usage_raw": plain["usage_raw"], "usage_origin": UsageOrigin.MISSING}


def _is_used(tokens: Tokens) -> bool:
    return bool(tokens.input_total or tokens.output_total)


def _disagree(tokens: Tokens, columns: Mapping[str, Any]) -> bool:
    """Whether a gateway's input count is neither all of the input nor, as some providers have it, the fresh part."""
    prompt = columns.get("prompt_tokens") or columns.get("input_tokens") or None
    return prompt is not None and int(prompt) not in (tokens.input_total, tokens.input_fresh)


def cost(dollars: Decimal | None, tokens: Tokens, ended: str, flags: set[str]) -> Decimal | None:
    """A recorded cost; 0 is what gateways write for what they cannot price, and true only of cached answers."""
    if dollars or ended == Outcome.CACHED:
        return dollars
    if dollars is not None and _is_used(tokens):
        flags.add("cost_unknown")
    return None
