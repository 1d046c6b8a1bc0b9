"""The same call seen by a gateway, a tracer, a provider: when two records are one call.

Pure. Strong ties are the provider's response id and the W3C trace and span ids. Others hold where nothing speaks
against them: the id a client or gateway gave the call; a shared trace, session or prompt started within two seconds;
and where one of the two did not log the prompt, the same person or the very same counts within two seconds.
A product lists each call once, so two records of one product are two calls unless a strong tie says otherwise.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any

from netra.tokens import BUCKETS
from projects.workloads import Outcome, UsageOrigin

WINDOW = timedelta(seconds=2)
TRACERS = ("langfuse", "otel", "openinference")
LINKS = ("trace_id", "session_id", "prompt_hash")
_FAILED = frozenset({Outcome.PROVIDER_ERROR, Outcome.GATEWAY_ERROR})
# A prompt that was cut or masked has a hash of its own.
_SPOILT = frozenset({"truncated_request", "redacted"})
_INPUT = ("tok_input_fresh", "tok_cache_read", "tok_cache_write_5m", "tok_cache_write_1h", "tok_audio_in")
_OUTPUT = ("tok_output_visible", "tok_reasoning", "tok_audio_out")


def strong_keys(told: Mapping[str, Any]) -> Iterator[str]:
    """What names a call for sure. An answer out of a response cache repeats the id of the call it was cached from."""
    if told["provider_response_id"] and "response_cache_hit" not in told["flags"]:
        yield f"response {told['provider_response_id']}"
    if told["trace_id"] and told["span_id"]:
        yield f"span {told['trace_id']} {told['span_id']}"


def named_key(told: Mapping[str, Any]) -> str | None:
    """The name a client or gateway gave the call; batches use theirs again (row-1, row-2 …)."""
    return f"call {told['call_id']}" if told["call_id"] else None


def moment(told: Mapping[str, Any]) -> int:
    """The start in windows of two seconds: what is near lies in this one or in one beside it."""
    return int(told["started_at"].timestamp()) // int(WINDOW.total_seconds())


def near_names(told: Mapping[str, Any]) -> Iterator[str]:
    """By what a record without its prompt may be found near its time: who asked, and how much was answered."""
    if told["user_id"]:
        yield f"user {told['user_id']}"
    if (output := _output(told)) is not None:
        yield f"output {output}"


def is_same_by_name(known: Mapping[str, Any], told: Mapping[str, Any]) -> bool:
    """Whether two records with one name are one call: nothing else that both know may differ."""
    return not (_sources(known) & _sources(told)) and not _contradict(known, told)


def is_same_call(known: Mapping[str, Any], told: Mapping[str, Any]) -> bool:
    """Whether two rows, of different products, are one call. Columns by name; merged rows have several `sources`."""
    if _sources(known) & _sources(told) or _contradict(known, told):
        return False
    if not (known["is_start_known"] and told["is_start_known"]):
        return _share(known, told, "prompt_hash")
    return _is_near(known, told) and (
        any(_share(known, told, name) for name in LINKS) or _is_likely_without_prompt(known, told)
    )


def are_tied(known: Mapping[str, Any], told: Mapping[str, Any]) -> bool:
    """Whether a strong tie says that two rows are one call; two of one gateway never are."""
    shared = _sources(known) & _sources(told)
    return shared <= set(TRACERS) and bool(set(strong_keys(known)) & set(strong_keys(told)))


def likeness(known: Mapping[str, Any], told: Mapping[str, Any]) -> tuple[Any, ...]:
    """To choose by among several rows that may be the same call: the greater, the more alike."""
    shared = (_share(known, told, name) for name in ("prompt_hash", "trace_id", "session_id", "user_id"))
    is_timed = known["is_start_known"] and told["is_start_known"]
    distance = abs(known["started_at"] - told["started_at"]) if is_timed else WINDOW
    return (*shared, _counts(known) == _counts(told), -distance)


def _sources(told: Mapping[str, Any]) -> set[str]:
    return set(told.get("sources") or ()) | {told["source"]}


def _is_near(known: Mapping[str, Any], told: Mapping[str, Any]) -> bool:
    return bool(abs(known["started_at"] - told["started_at"]) <= WINDOW)


def _is_likely_without_prompt(known: Mapping[str, Any], told: Mapping[str, Any]) -> bool:
    if known["prompt_hash"] and told["prompt_hash"]:
        return False
    if known["user_id"] and told["user_id"]:
        return bool(known["user_id"] == told["user_id"])
    return None not in _counts(known) and _counts(known) == _counts(told)


def _share(known: Mapping[str, Any], told: Mapping[str, Any], name: str) -> bool:
    return bool(told[name]) and known[name] == told[name]


def _contradict(known: Mapping[str, Any], told: Mapping[str, Any]) -> bool:
    """Something both know, and know differently."""
    return (
        any(_differ(known[name], told[name]) for name in ("provider_response_id", "span_id", "requested_model"))
        or _differ(_prompt(known), _prompt(told))
        or _differ(_output(known), _output(told))
        or _differ(_has_failed(known), _has_failed(told))
        or ("response_cache_hit" in known["flags"]) != ("response_cache_hit" in told["flags"])
    )


def _has_failed(told: Mapping[str, Any]) -> bool | None:
    return None if told["outcome"] == Outcome.UNKNOWN else told["outcome"] in _FAILED


def _differ(one: Any, other: Any) -> bool:
    return one is not None and other is not None and one != other


def _prompt(told: Mapping[str, Any]) -> str | None:
    return None if _SPOILT & set(told["flags"]) else told["prompt_hash"] or None


def _output(told: Mapping[str, Any]) -> int | None:
    """A gateway's own estimate speaks for nothing."""
    return _counts(told)[1]


def _counts(told: Mapping[str, Any]) -> tuple[int | None, int | None]:
    """Sent and answered, as the provider counted."""
    if told["usage_origin"] != UsageOrigin.PROVIDER or told["tok_output_visible"] is None:
        return None, None
    sent, answered = (sum(told[name] or 0 for name in names) for names in (_INPUT, _OUTPUT))
    return (None if told["tok_input_fresh"] is None else sent), answered


def enriched(known: Mapping[str, Any], told: Mapping[str, Any]) -> dict[str, Any]:
    """What is known of a call when another record of it has come: enough to recognise the next one by."""
    found = {name: known[name] if known[name] not in (None, "") else told[name] for name in _RECOGNISED}
    found["sources"] = list(dict.fromkeys((*_ordered(known), *_ordered(told))))
    found["outcome"] = told["outcome"] if known["outcome"] == Outcome.UNKNOWN else known["outcome"]
    counted = known if _counts(known)[1] is not None else told
    found |= {name: counted[name] for name in ("usage_origin", *_TOKENS)}
    timed = known if known["is_start_known"] else told
    found |= {name: timed[name] for name in ("started_at", "is_start_known")}
    prompted = known if _prompt(known) is not None or not told["prompt_hash"] else told
    found["prompt_hash"] = prompted["prompt_hash"]
    spoilt = _SPOILT & set(prompted["flags"])
    found["flags"] = [*((set(known["flags"]) | set(told["flags"])) - _SPOILT), *spoilt]
    return {**known, **found}


def _ordered(told: Mapping[str, Any]) -> Sequence[str]:
    return told.get("sources") or (told["source"],)


_TOKENS = tuple(f"tok_{name}" for name in BUCKETS)
_RECOGNISED = (
    *("provider_response_id", "trace_id", "span_id", "session_id", "user_id", "call_id", "requested_model"),
    "prompt_hash",
)
# The columns by which a call is recognised.
RECOGNISED = (
    *_RECOGNISED,
    *("source", "sources", "started_at", "is_start_known", "outcome", "flags", "usage_origin"),
    *_TOKENS,
)
