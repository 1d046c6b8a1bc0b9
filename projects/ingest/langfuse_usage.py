"""What a Langfuse observation used and cost. Its keys are free, and meant to be disjoint; senders often overlap them.

Which it is, is decided row by row: by the total, by what the input was priced at, or assumed and flagged.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from netra.tokens import Tokens
from projects.ingest import gateways, langfuse_bodies, usage, values
from projects.workloads import UsageOrigin

Row = Mapping[str, Any]
ASSUMED_OUTPUT = "output_semantics_assumed"
_NAMES: dict[str, tuple[str, ...]] = {
    "sent": ("input", "prompt_tokens", "input_tokens", "promptTokens"),
    "said": ("output", "completion_tokens", "output_tokens", "completionTokens"),
    "total": ("total", "total_tokens", "totalTokens"),
    "read": ("input_cached_tokens", "cache_read_input_tokens", "input_cache_read", "input_cached", "cached_tokens"),
    "write": ("cache_creation_input_tokens", "input_cache_creation", "input_cache_write"),
    "write_5m": ("input_cache_creation_5m",),
    "write_1h": ("input_cache_creation_1h",),
    "reasoning": ("output_reasoning_tokens", "output_reasoning", "reasoning_tokens"),
    "audio_in": ("input_audio_tokens", "input_audio"),
    "audio_out": ("output_audio_tokens", "output_audio"),
}


@dataclass(frozen=True, slots=True)
class Counts:
    """The counts as told, under one name each."""

    sent: int | None = None
    said: int | None = None
    total: int | None = None
    read: int | None = None
    write: int | None = None
    write_5m: int | None = None
    write_1h: int | None = None
    reasoning: int | None = None
    audio_in: int | None = None
    audio_out: int | None = None

    @property
    def short_writes(self) -> int | None:
        """What was written to the cache for five minutes: told, or what is left of all writes."""
        if self.write_5m is not None or self.write is None:
            return self.write_5m
        # Disjoint where the part would be larger than the whole.
        return self.write - (self.write_1h or 0) if self.write >= (self.write_1h or 0) else self.write

    @property
    def beside_input(self) -> int:
        return sum(n or 0 for n in (self.read, self.short_writes, self.write_1h, self.audio_in))

    @property
    def beside_output(self) -> int:
        return (self.reasoning or 0) + (self.audio_out or 0)


def read(told: Row, outcome: str, flags: set[str]) -> dict[str, Any]:
    """Counts, their origin and the recorded cost, by the event's names."""
    details = _details(told)
    tokens = _counted(told, details, flags) if any(details.values()) else Tokens()
    if tokens == Tokens():
        flags |= set() if outcome in gateways.FAILED else {"no_usage"}
    origin = UsageOrigin.MISSING if tokens == Tokens() else _origin(told, flags)
    cost = gateways.cost(_cost(told), tokens, outcome, flags)
    return {
        "tokens": tokens,
        "usage_raw": details or None,
        "usage_origin": origin,
        "cost_recorded_usd": cost,
        "cost_recorded_origin": None if cost is None else "langfuse",
    }


def _counted(told: Row, details: Row, flags: set[str]) -> Tokens:
    """By Langfuse's free keys; its SDK sends the provider's own usage as it is, which has parts with names."""
    if any(isinstance(value, dict) for value in details.values()):
        tokens, found = usage.buckets(details)
        flags |= found
        return tokens
    return _tokens(told, Counts(**{name: _first(details, keys) for name, keys in _NAMES.items()}), flags)


def _details(told: Row) -> dict[str, Any]:
    """The free keys; of old rows the three fixed ones, unless they count something else than tokens."""
    details = values.mapping(langfuse_bodies.opened(told.get("usageDetails")), "usageDetails")
    if details:
        return details
    fixed = values.mapping(langfuse_bodies.opened(told.get("usage")), "usage")
    if fixed.get("unit") not in (None, "TOKENS"):
        return {}
    found = {name: fixed.get(name) for name in ("input", "output", "total")}
    found |= {name: told.get(name) for name in ("promptTokens", "completionTokens", "totalTokens")}
    return {name: count for name, count in found.items() if count is not None}


def _first(details: Row, names: Sequence[str]) -> int | None:
    return next((values.count(details[name], name) for name in names if details.get(name) is not None), None)


def _tokens(told: Row, counts: Counts, flags: set[str]) -> Tokens:
    in_input, in_output = _overlaps(told, counts, flags)
    fresh, visible = counts.sent, counts.said
    return Tokens(
        input_fresh=fresh - counts.beside_input if fresh is not None and in_input else fresh,
        cache_read=counts.read,
        cache_write_5m=counts.short_writes,
        cache_write_1h=counts.write_1h,
        output_visible=visible - counts.beside_output if visible is not None and in_output else visible,
        reasoning=counts.reasoning,
        audio_in=counts.audio_in,
        audio_out=counts.audio_out,
    )


def _overlaps(told: Row, counts: Counts, flags: set[str]) -> tuple[bool, bool]:
    """Whether `input` includes the cached part, and `output` the hidden one. The rule, where nothing tells: neither."""
    sent, said = counts.sent or 0, counts.said or 0
    of_input = (False, True) if 0 < counts.beside_input <= sent else (False,)
    of_output = (False, True) if 0 < counts.beside_output <= said else (False,)
    ways = [(one, other) for one in of_input for other in of_output]
    if counts.total:
        fitting = [way for way in ways if _sum(counts, way) == counts.total]
        flags |= set() if fitting else {usage.MISMATCH}
        ways = fitting or ways
    if _is_fresh_part_priced(told, counts):
        ways = [way for way in ways if way[0]] or ways
    flags |= {usage.ASSUMED} if len({one for one, _ in ways}) > 1 else set()
    flags |= {ASSUMED_OUTPUT} if len({other for _, other in ways}) > 1 else set()
    return ways[0]


def _sum(counts: Counts, way: tuple[bool, bool]) -> int:
    """What the total would be."""
    apart = (0 if way[0] else counts.beside_input) + (0 if way[1] else counts.beside_output)
    return (counts.sent or 0) + (counts.said or 0) + apart


def _is_fresh_part_priced(told: Row, counts: Counts) -> bool:
    """Whether the sender's own cost of the input is that of its fresh part: then the count includes the cached one.

    Langfuse's own costs say nothing: it multiplies whatever count it was given.
    """
    price = values.money(told.get("inputPrice"), "inputPrice")
    cost = values.money(_costs(told).get("input"), "costDetails.input")
    if not price or not cost or not counts.beside_input:
        return False
    return abs(cost / price - ((counts.sent or 0) - counts.beside_input)) < Decimal("0.5")


def _origin(told: Row, flags: set[str]) -> str:
    """The blob export tells what was sent; where that is nothing, Langfuse counted with a tokenizer of its own."""
    provided = langfuse_bodies.opened(told.get("providedUsageDetails"))
    if provided != {}:
        return UsageOrigin.PROVIDER
    flags.add("usage_gateway_estimate")
    return UsageOrigin.TOKENIZER


def _cost(told: Row) -> Decimal | None:
    for name in ("totalCost", "calculatedTotalCost"):
        if told.get(name) is not None:
            return values.money(told[name], name)
    return values.money(_costs(told).get("total"), "costDetails.total")


def _costs(told: Row) -> dict[str, Any]:
    return values.mapping(langfuse_bodies.opened(told.get("costDetails")), "costDetails")
