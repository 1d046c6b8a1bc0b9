"""All that a question may name, and what each name is in the store. Pure; whatever is not here cannot be asked.

Token buckets are disjoint: `tokens_input` is fresh and cached and audio together, known once the fresh ones are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

_INPUT = (
    "tok_input_fresh + ifNull(tok_cache_read, 0) + ifNull(tok_cache_write_5m, 0) + ifNull(tok_cache_write_1h, 0)"
    " + ifNull(tok_audio_in, 0)"
)
_OUTPUT = "tok_output_visible + ifNull(tok_reasoning, 0) + ifNull(tok_audio_out, 0)"


@dataclass(frozen=True, slots=True)
class Dimension:
    """What calls can be cut by. `rolled`: its expression over the hourly roll-up, None where only the log tells it.

    `is_many`: a call can have several values, so the parts add up to more than the whole.
    """

    title: str
    expression: str
    kind: str = "String"
    rolled: str | None = None
    is_many: bool = False
    needs_zone: bool = False


@dataclass(frozen=True, slots=True)
class Measure:
    """A number of each call; None where it is not known.

    `exact`: the same as a whole number, `scale` of them a unit, so that sums do not depend on their order.
    `rolled`: the roll-up's column of sums (`n_` before it: how many were known).
    """

    title: str
    unit: str
    expression: str
    exact: str
    scale: int = 1
    rolled: str | None = None
    is_money: bool = False
    is_latency: bool = False


@dataclass(frozen=True, slots=True)
class Condition:
    """True or false of each call; `known` says of which calls it can be told at all."""

    title: str
    expression: str
    known: str = "true"
    is_rolled: bool = True


def _plain(title: str, name: str, kind: str = "String", *, is_rolled: bool = True) -> Dimension:
    return Dimension(title, name, kind, name if is_rolled else None)


def _log_only(title: str, name: str, kind: str = "String") -> Dimension:
    return _plain(title, name, kind, is_rolled=False)


_MODEL = "coalesce(requested_model, served_model)"
DIMENSIONS: Mapping[str, Dimension] = {
    "model": Dimension("Model", _MODEL, rolled=_MODEL),
    "requested_model": _plain("Model asked for", "requested_model"),
    "served_model": _plain("Model that served", "served_model"),
    "provider": _plain("Provider", "provider"),
    "kind": _plain("Kind of work", "kind"),
    "outcome": _plain("Outcome", "outcome"),
    "error_type": _plain("Error", "error_type"),
    "finish_reason": _plain("Finish reason", "finish_reason"),
    "is_refusal": _plain("Refused", "is_refusal", "Bool"),
    "is_replayable": _plain("Replayable", "is_replayable", "Bool"),
    "is_simulated": _plain("Simulated", "is_simulated", "Bool"),
    "purpose": _plain("Purpose", "purpose"),
    "source": _plain("Source", "source"),
    "operation": _plain("Operation", "operation"),
    "environment": _plain("Environment", "environment"),
    "http_status": _log_only("HTTP status", "http_status", "UInt16"),
    "stream": _log_only("Streamed", "stream", "Bool"),
    "has_tools": _log_only("With tools", "has_tools", "Bool"),
    "has_images": _log_only("With images", "has_images", "Bool"),
    "wants_json": _log_only("Asks for JSON", "wants_json", "Bool"),
    "user_id": _log_only("User", "user_id"),
    "session_id": _log_only("Session", "session_id"),
    "prompt_template": Dimension("Prompt template", "nullIf(system_hash, '')"),
    "prompt": Dimension("Prompt", "nullIf(prompt_hash, '')"),
    "tag": Dimension("Tag", "arrayJoin(if(empty(tags), [NULL], arrayMap(x -> toNullable(x), tags)))", is_many=True),
    "flag": Dimension("Flag", "arrayJoin(if(empty(flags), [NULL], arrayMap(x -> toNullable(x), flags)))", is_many=True),
    "weekday": Dimension("Weekday", "toDayOfWeek(started_at, 0, {zone:String})", "UInt8", needs_zone=True),
    "hour_of_day": Dimension("Hour of the day", "toHour(started_at, {zone:String})", "UInt8", needs_zone=True),
}


def _count(title: str, unit: str, expression: str, rolled: str | None = None) -> Measure:
    return Measure(title, unit, expression, expression, rolled=rolled)


def _duration(title: str, expression: str, rolled: str | None = None, unit: str = "ms") -> Measure:
    exact = f"toInt128(round({expression} * 1000000))"
    return Measure(title, unit, expression, exact, 1_000_000, rolled, is_latency=rolled is not None)


def _money(title: str, name: str) -> Measure:
    exact = f"toInt128(toDecimal128({name}, 12) * toDecimal128(1000000000000, 0))"
    return Measure(title, "usd", name, exact, 10**12, name, is_money=True)


MEASURES: Mapping[str, Measure] = {
    "cost_usd": _money("Cost", "cost_usd"),
    "cost_recorded_usd": _money("Recorded cost", "cost_recorded_usd"),
    "duration_ms": _duration("Latency", "duration_ms", "duration_ns"),
    "ttft_ms": _duration("Time to first token", "ttft_ms", "ttft_ns"),
    # The first token's wait is counted apart, so it is the others that share what is left.
    "ms_per_output_token": _duration(
        "Time per output token", f"(duration_ms - ttft_ms) / if({_OUTPUT} > 1, {_OUTPUT} - 1, NULL)"
    ),
    "output_tokens_per_s": _duration(
        "Output tokens a second", f"({_OUTPUT}) * 1000 / nullIf(duration_ms, 0)", unit="tokens/s"
    ),
    "tokens_input": _count("Input tokens", "tokens", _INPUT, "tok_input"),
    "tokens_input_fresh": _count("Fresh input tokens", "tokens", "tok_input_fresh", "tok_input_fresh"),
    "tokens_cache_read": _count("Input tokens read from cache", "tokens", "tok_cache_read", "tok_cache_read"),
    "tokens_output": _count("Output tokens", "tokens", _OUTPUT, "tok_output"),
    "tokens_visible": _count("Visible output tokens", "tokens", "tok_output_visible", "tok_output_visible"),
    "tokens_reasoning": _count("Reasoning tokens", "tokens", "tok_reasoning", "tok_reasoning"),
    "prompt_chars": _count("Prompt length", "characters", "nullIf(prompt_chars, 0)"),
    "n_messages": _count("Messages", "messages", "nullIf(n_messages, 0)"),
}

CONDITIONS: Mapping[str, Condition] = {
    "errors": Condition("Errors", "outcome IN ('provider_error', 'gateway_error')"),
    "refusals": Condition("Refusals", "is_refusal", "is_refusal IS NOT NULL"),
    "answered": Condition("Answered", "outcome = 'ok'"),
    "cached": Condition("Answered from a cache", "outcome = 'cached'"),
    "cut_short": Condition("Cut at the length limit", "finish_reason = 'length'", "finish_reason IS NOT NULL"),
    "replayable": Condition("Replayable", "is_replayable"),
    "simulated": Condition("Simulated", "is_simulated"),
    "retried": Condition("Retried", "has(flags, 'retried')", is_rolled=False),
}

PERCENTILES: Mapping[str, float] = {f"p{level:02}": level / 100 for level in (5, 25, 50, 75, 90, 95, 99)}
SUMMARIES = ("sum", "mean", "min", "max", "known", *PERCENTILES)


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure of a group of calls: `calls`, or a measure or a condition and what is made of it."""

    of: str
    made: str

    @property
    def title(self) -> str:
        if self.of == "calls":
            return "Calls"
        title = MEASURES[self.of].title if self.of in MEASURES else CONDITIONS[self.of].title
        return f"{title}, {_SAID.get(self.made, self.made)}"

    @property
    def unit(self) -> str:
        if self.made == "share":
            return "share"
        return MEASURES[self.of].unit if self.of in MEASURES and self.made != "known" else "calls"


_SAID = {"known": "calls known", "count": "calls"}
FIGURES: Mapping[str, Figure] = {
    "calls": Figure("calls", "count"),
    **{f"{of}.{made}": Figure(of, made) for of in MEASURES for made in SUMMARIES},
    **{f"{of}.{made}": Figure(of, made) for of in CONDITIONS for made in ("count", "share", "known")},
}
