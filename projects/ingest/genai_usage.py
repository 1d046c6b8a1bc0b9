"""The token counts of a GenAI span, in the words usage.buckets knows. Pure.

Since 1.40 the conventions want cached tokens inside the input count, and the names are new. Under the older names
emitters pass on what the provider said: Anthropic's and Bedrock's counts leave cached tokens out.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import Any

from projects.ingest.usage import ASSUMED

_FAMILIES = ("gen_ai.usage.", "llm.usage.", "ai.usage.")
_DETAILS = "gen_ai.usage.details."
_INPUT = (
    *("gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens", "llm.usage.prompt_tokens"),
    *("ai.usage.inputTokens", "ai.usage.promptTokens", "ai.usage.tokens"),
)
_OUTPUT = (
    *("gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens", "llm.usage.completion_tokens"),
    *("ai.usage.outputTokens", "ai.usage.completionTokens"),
)
# Vercel's total is the sum of whatever its counts are, and says nothing about what they include.
_TOTAL = ("gen_ai.usage.total_tokens", "llm.usage.total_tokens")
_READ, _WRITE = "gen_ai.usage.cache_read.input_tokens", "gen_ai.usage.cache_creation.input_tokens"
_OLD_READ = (
    *("gen_ai.usage.cache_read_input_tokens", "gen_ai.usage.input_cached_tokens", "gen_ai.usage.input_tokens.cached"),
    *(f"{_DETAILS}cache_read_tokens", f"{_DETAILS}cache_read_input_tokens", f"{_DETAILS}cached_tokens"),
    *("ai.usage.cachedInputTokens", "ai.usage.inputTokenDetails.cacheReadTokens"),
)
_OLD_WRITE = (
    *("gen_ai.usage.cache_creation_input_tokens", "gen_ai.usage.input_tokens.cache_write"),
    *(f"{_DETAILS}cache_write_tokens", f"{_DETAILS}cache_creation_input_tokens"),
    "ai.usage.inputTokenDetails.cacheWriteTokens",
)
_REASONING = (
    *("gen_ai.usage.reasoning.output_tokens", "gen_ai.usage.reasoning_tokens", f"{_DETAILS}reasoning_tokens"),
    *("gen_ai.usage.output_tokens.reasoning", "ai.usage.reasoningTokens"),
    "ai.usage.outputTokenDetails.reasoningTokens",
)
_AUDIO_IN, _AUDIO_OUT = (f"{_DETAILS}input_audio_tokens",), (f"{_DETAILS}output_audio_tokens",)
_LONGEST = 4_000  # characters of a usage object
_NOT_COUNTS = ("cost", "total_cost")
_EXCLUSIVE = ("anthropic", "aws.bedrock", "amazon_bedrock", "aws", "bedrock")


def usage(
    attributes: Mapping[str, Any], provider: str | None, flags: set[str]
) -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
    """Counts for usage.buckets, and the attributes they come from, untouched. None and None when there are none."""
    if (whole := _of_litellm(attributes.get("metadata.usage_object"))) is not None:
        return whole, whole
    told = {name: value for name, value in attributes.items() if name.startswith(_FAMILIES) and value is not None}
    if not told or all(name.endswith(_NOT_COUNTS) for name in told):
        return None, None
    counts: dict[str, Any] = {"total_tokens": _first(told, _TOTAL)}
    prompt, output = _first(told, _INPUT), _first(told, _OUTPUT)
    counts["completion_tokens_details"] = {
        "reasoning_tokens": _first(told, _REASONING),
        "audio_tokens": _first(told, _AUDIO_OUT),
    }
    inside = {"audio_tokens": _first(told, _AUDIO_IN)}
    if _READ in told or _WRITE in told:
        inside |= {"cached_tokens": told.get(_READ), "cache_write_tokens": told.get(_WRITE)}
        names = ("prompt_tokens", "completion_tokens")
    else:
        names = _of_old_names(told, counts, provider, flags)
    if any(value is not None for value in inside.values()):
        counts["prompt_tokens_details"] = inside
    return {**counts, names[0]: prompt, names[1]: output}, told


def _of_litellm(told: Any) -> dict[str, Any] | None:
    """The provider's own usage, which LiteLLM's spans hold as Python writes it; their counts hide the cached part."""
    if not isinstance(told, str) or not 2 < len(told) <= _LONGEST:
        return None
    try:
        found = ast.literal_eval(told)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return None
    return found if isinstance(found, dict) and found and all(isinstance(name, str) for name in found) else None


def _of_old_names(
    told: Mapping[str, Any], counts: dict[str, Any], provider: str | None, flags: set[str]
) -> tuple[str, str]:
    """Adds the cached counts; the names of input and output then tell usage.buckets whose words these are."""
    read, write = _first(told, _OLD_READ), _first(told, _OLD_WRITE)
    if read is None and write is None:
        return "prompt_tokens", "completion_tokens"
    counts |= {"cache_read_input_tokens": read, "cache_creation_input_tokens": write}
    if provider not in _EXCLUSIVE:
        return "prompt_tokens", "completion_tokens"
    if counts["total_tokens"] is None and (read or write):
        flags.add(ASSUMED)
    return "input_tokens", "output_tokens"


def _first(told: Mapping[str, Any], names: tuple[str, ...]) -> Any:
    for name in names:
        if name in told:
            return told[name]
    return None
