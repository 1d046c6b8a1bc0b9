"""One event out of what several products told of a call: from each the part that it knows best. Pure.

In whatever order the records came, the event is the same.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from netra.tokens import Tokens
from projects.identity import TRACERS
from projects.workloads import Outcome, UsageOrigin, WorkloadEvent

# Who knows best: a gateway how a call went and what it cost, a tracer whose it was and what it belonged to.
GATEWAYS = ("netra", "netra_lines", "portkey", "litellm", "litellm_spendlogs", "helicone")
_PRECISION = {"us": 0, "ms": 1, "s": 2}


def merged(told: Sequence[WorkloadEvent]) -> WorkloadEvent:
    """One event out of what several sources told of a call. The first gives the record's identity, and only that."""
    by_gateway, by_tracer = _ranked(told, GATEWAYS), _ranked(told, TRACERS)
    fields = {name: _first(by_gateway, name) for name in _OF_GATEWAY}
    fields |= {name: _first(by_tracer, name) for name in _OF_TRACER}
    fields |= {name: _first(_by_clock(by_gateway), name) for name in _OF_CLOCK}
    usage, timing = _best_usage(by_gateway), _best_timing(by_gateway)
    asked, answered = _best_body(by_gateway, "request"), _best_body(by_gateway, "response")
    fields |= {
        "outcome": _outcome(by_gateway),
        "cost_recorded_origin": _cost_origin(by_gateway),
        "started_at": timing.started_at,
        "time_precision": timing.time_precision,
        "tokens": usage.tokens,
        "usage_raw": usage.usage_raw,
        "usage_origin": usage.usage_origin,
        "request": asked.request,
        "response": answered.response,
        "tags": tuple(dict.fromkeys(tag for each in by_gateway for tag in each.tags)),
        "metadata": {name: value for each in reversed(by_gateway) for name, value in each.metadata.items()},
        "is_simulated": any(each.is_simulated for each in told),
    }
    return replace(told[0], **fields, flags=_flags(by_gateway, usage, asked, answered))


_OF_GATEWAY = (
    *("operation", "provider_response_id", "provider", "requested_model", "served_model", "stream", "http_status"),
    *("call_id", "error_type", "finish_reason", "is_refusal", "cost_recorded_usd", "run_id"),
)
_OF_CLOCK = ("ended_at", "first_token_at", "duration_ms", "ttft_ms")
_OF_TRACER = ("trace_id", "span_id", "parent_span_id", "session_id", "user_id", "environment")
# Flags that another source's fuller record answers.
_ANSWERED_BY = {
    "no_body": "bodies",
    "truncated_request": "request",
    "truncated_response": "response",
    "no_usage": "usage",
    "usage_gateway_estimate": "usage",
    "cache_semantics_assumed": "usage",
    "usage_mismatch": "usage",
    "output_semantics_assumed": "usage",
    "cost_unknown": "cost",
    "cost_currency_unknown": "cost",
    "outcome_unknown": "outcome",
    "clock_mismatch": "clock",
    "implausible_time": "start",
    # Of either body.
    "redacted": "texts",
    "media_by_reference": "texts",
}


def _ranked(told: Sequence[WorkloadEvent], best: tuple[str, ...]) -> list[WorkloadEvent]:
    """By how well a product knows, then by names: in whatever order they came, the event is the same."""

    def place(each: WorkloadEvent) -> tuple[int, str, str]:
        return best.index(each.source) if each.source in best else len(best), each.source, each.source_record_id

    return sorted(told, key=place)


def _first(told: Sequence[WorkloadEvent], name: str) -> Any:
    return next((value for each in told if (value := getattr(each, name)) is not None), None)


def _outcome(told: Sequence[WorkloadEvent]) -> str:
    return next((each.outcome for each in told if each.outcome != Outcome.UNKNOWN), Outcome.UNKNOWN)


def _cost_origin(told: Sequence[WorkloadEvent]) -> str | None:
    return next((each.cost_recorded_origin for each in told if each.cost_recorded_usd is not None), None)


def _best_usage(told: Sequence[WorkloadEvent]) -> WorkloadEvent:
    """Counts are taken whole from one source: the provider's own, without assumptions, with most buckets."""
    return max(told, key=lambda each: (*_trust(each), sum(n is not None for n in each.tokens.as_dict().values())))


def _trust(told: WorkloadEvent) -> tuple[bool, bool, bool]:
    return (
        told.tokens != Tokens(),
        told.usage_origin == UsageOrigin.PROVIDER,
        not told.flags & {"cache_semantics_assumed", "usage_mismatch"},
    )


def _best_timing(told: Sequence[WorkloadEvent]) -> WorkloadEvent:
    """The finest clock among those that know the start, and were set."""
    known = [each for each in told if each.started_at is not None]
    return min(known or told, key=lambda each: ("implausible_time" in each.flags, _fineness(each)))


def _by_clock(told: Sequence[WorkloadEvent]) -> list[WorkloadEvent]:
    """Gateways first, as they stand beside the provider; of these, and of the others, the finest clock first."""
    return sorted(told, key=lambda each: (each.source not in GATEWAYS, _fineness(each)))


def _fineness(told: WorkloadEvent) -> int:
    return _PRECISION.get(told.time_precision, 3)


def _best_body(told: Sequence[WorkloadEvent], name: str) -> WorkloadEvent:
    """The first whole one; a cut or masked one only where there is no other."""
    spoilt = {f"truncated_{name}", "redacted", "media_by_reference"}
    return min(told, key=lambda each: (getattr(each, name) is None, bool(each.flags & spoilt)))


def _flags(
    told: Sequence[WorkloadEvent], usage: WorkloadEvent, asked: WorkloadEvent, answered: WorkloadEvent
) -> frozenset[str]:
    """A remark stands unless the source whose part was taken does not have it."""
    is_whole = asked.request is not None and answered.response is not None
    of_request = (asked,) if asked.request is not None else tuple(told)
    of_response = (answered,) if answered.response is not None else tuple(told)
    taken: dict[str, Sequence[WorkloadEvent]] = {
        "bodies": () if is_whole else tuple(told),
        "texts": (*of_request, answered),
        "request": of_request,
        "response": of_response,
        "usage": (usage,),
        "cost": _those(told, lambda each: each.cost_recorded_usd is not None),
        "outcome": _those(told, lambda each: each.outcome != Outcome.UNKNOWN),
        "clock": _those(_by_clock(told), lambda each: each.duration_ms is not None),
        "start": (_best_timing(told),),
    }
    found = frozenset[str]().union(*(each.flags for each in told))
    return frozenset(
        flag
        for flag in found
        if flag not in _ANSWERED_BY or any(flag in each.flags for each in taken[_ANSWERED_BY[flag]])
    )


def _those(told: Sequence[WorkloadEvent], knows: Callable[[WorkloadEvent], bool]) -> Sequence[WorkloadEvent]:
    """The first that knows; all of them where none does."""
    return next(((each,) for each in told if knows(each)), tuple(told))
