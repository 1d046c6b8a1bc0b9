"""Any usage object → disjoint token buckets.

Providers disagree on whether the input count includes cached tokens. With P = input, R = cache reads, W = cache
writes, O = output, T = total: R + W > P means certainly exclusive, T = P + O inclusive, T = P + R + W + O exclusive;
else the names tell (Anthropic's are exclusive), and where they do not, inclusive is assumed and flagged.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from netra.tokens import Tokens
from projects.ingest import values

ASSUMED = "cache_semantics_assumed"
MISMATCH = "usage_mismatch"
_INPUT = ("prompt_tokens", "input_tokens")
_OUTPUT = ("completion_tokens", "output_tokens")
_READ = ("cached_tokens", "cache_read_input_tokens", "prompt_cache_hit_tokens")
_WRITE = ("cache_write_tokens", "cache_creation_input_tokens")


def buckets(usage: Mapping[str, Any]) -> tuple[Tokens, set[str]]:
    """Disjoint counts and flags. Raises Rejected for counts that are no counts.

    A remainder that comes out negative is kept and flagged `usage_mismatch`, never clamped.
    """
    inside = values.mapping(usage.get("prompt_tokens_details") or usage.get("input_tokens_details"), "usage details")
    outside = values.mapping(
        usage.get("completion_tokens_details") or usage.get("output_tokens_details"), "usage details"
    )
    prompt, output, total = _first(usage, _INPUT), _first(usage, _OUTPUT), _first(usage, ("total_tokens",))
    read = _either(_first(inside, _READ), _first(usage, _READ))
    write = _either(_first(inside, _WRITE), _first(usage, _WRITE))
    by_lifetime = values.mapping(usage.get("cache_creation"), "cache_creation")
    write_1h = _first(by_lifetime, ("ephemeral_1h_input_tokens",))
    if write is None and by_lifetime:
        write = _sum(_first(by_lifetime, ("ephemeral_5m_input_tokens",)), write_1h)
    audio_in, audio_out = _first(inside, ("audio_tokens",)), _first(outside, ("audio_tokens",))
    reasoning = _first(outside, ("reasoning_tokens",))
    is_inclusive, flags = _semantics(usage, prompt, (read or 0) + (write or 0), output, total)
    apart = (read or 0) + (write or 0) if is_inclusive else 0
    fresh = None if prompt is None else prompt - apart - (audio_in or 0)
    visible = None if output is None else output - (reasoning or 0) - (audio_out or 0)
    write_5m = None if write is None else write - (write_1h or 0)
    if (fresh or 0) < 0 or (visible or 0) < 0 or (write_5m or 0) < 0:
        flags.add(MISMATCH)
    tokens = Tokens(
        input_fresh=fresh,
        cache_read=read,
        cache_write_5m=write_5m,
        cache_write_1h=write_1h,
        output_visible=visible,
        reasoning=reasoning,
        audio_in=audio_in,
        audio_out=audio_out,
    )
    if total is not None and prompt is not None and (tokens.input_total or 0) + (tokens.output_total or 0) != total:
        flags.add(MISMATCH)
    return tokens, flags


def _semantics(
    usage: Mapping[str, Any], prompt: int | None, cached: int, output: int | None, total: int | None
) -> tuple[bool, set[str]]:
    """Whether the input count includes the cached tokens, and whether that had to be assumed."""
    if not cached or prompt is None:
        return True, set()
    if cached > prompt:
        return False, set()
    if total is not None and total == prompt + (output or 0):
        return True, set()
    if total is not None and total == prompt + cached + (output or 0):
        return False, set()
    is_anthropic = "input_tokens" in usage and "cache_read_input_tokens" in usage
    is_openai = isinstance(usage.get("prompt_tokens_details") or usage.get("input_tokens_details"), Mapping)
    if is_anthropic and not is_openai:
        return False, set()
    return True, set() if is_openai and total is None else {ASSUMED}


def _first(of: Mapping[str, Any], names: tuple[str, ...]) -> int | None:
    for name in names:
        value = of.get(name)
        if value is not None:
            # The common case without the price of the careful one.
            return value if type(value) is int and 0 <= value <= values.LARGEST else values.count(value, name)
    return None


def _sum(one: int | None, other: int | None) -> int | None:
    return None if one is None and other is None else (one or 0) + (other or 0)


def _either(first: int | None, second: int | None) -> int | None:
    return second if first is None else first
