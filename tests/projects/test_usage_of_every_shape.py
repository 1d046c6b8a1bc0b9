"""Whatever a product says was used: buckets are disjoint, not negative, and sum to the provider's total, or flagged."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from projects.ingest import formats, parsing
from projects.ingest.langfuse_usage import ASSUMED_OUTPUT
from projects.ingest.usage import ASSUMED, MISMATCH
from projects.workloads import WorkloadEvent
from tests import factories

NOW = datetime(2026, 11, 21, tzinfo=UTC)
DOUBTS = {ASSUMED, ASSUMED_OUTPUT, MISMATCH}
Counts = dict[str, int | None]
# Small numbers meet each other often: totals that fit by chance, parts larger than their whole.
count = st.one_of(st.none(), st.integers(0, 12), st.integers(0, 10**6))
NAMES = ("prompt", "output", "total", "read", "write", "write_1h", "reasoning", "audio_in", "audio_out")
counts = st.fixed_dictionaries(dict.fromkeys(NAMES, count))
without_health_checks = settings(max_examples=250, deadline=None, suppress_health_check=list(HealthCheck))


def openai_usage(n: Counts) -> dict[str, Any]:
    return {
        "prompt_tokens": n["prompt"],
        "completion_tokens": n["output"],
        "total_tokens": n["total"],
        "prompt_tokens_details": {
            "cached_tokens": n["read"],
            "cache_write_tokens": n["write"],
            "audio_tokens": n["audio_in"],
        },
        "completion_tokens_details": {"reasoning_tokens": n["reasoning"], "audio_tokens": n["audio_out"]},
    }


def responses_usage(n: Counts) -> dict[str, Any]:
    return {
        "input_tokens": n["prompt"],
        "output_tokens": n["output"],
        "total_tokens": n["total"],
        "input_tokens_details": {"cached_tokens": n["read"]},
        "output_tokens_details": {"reasoning_tokens": n["reasoning"]},
    }


def anthropic_usage(n: Counts) -> dict[str, Any]:
    return {
        "input_tokens": n["prompt"],
        "output_tokens": n["output"],
        "cache_read_input_tokens": n["read"],
        "cache_creation_input_tokens": n["write"],
        "cache_creation": {"ephemeral_5m_input_tokens": n["audio_in"], "ephemeral_1h_input_tokens": n["write_1h"]},
    }


def normalised_usage(n: Counts) -> dict[str, Any]:
    return openai_usage(n) | {"cache_read_input_tokens": n["read"], "cache_creation_input_tokens": n["write"]}


def openai(usage: Callable[[Counts], dict[str, Any]]) -> Callable[[Counts], dict[str, Any]]:
    return lambda n: {"request": factories.chat_request(), "response": factories.chat_response(usage=usage(n))}


def netra(n: Counts) -> dict[str, Any]:
    return {"id": "n-1", "started_at": "2026-11-02T12:00:00Z", "usage": openai_usage(n)}


def portkey(n: Counts) -> dict[str, Any]:
    units = {"req_units": n["prompt"], "res_units": n["output"], "total_units": n["total"]}
    told = {"id": "pk-1", "created_at": "2026-11-02T12:00:00", "ai_org": "openai", "ai_model": "m", **units}
    return told | {"request": None, "response": None}


def helicone(n: Counts) -> dict[str, Any]:
    return {
        "request_id": "hr-1",
        "request_created_at": "2026-11-02T12:00:00Z",
        "response_status": 200,
        "provider": "ANTHROPIC" if (n["audio_out"] or 0) % 2 else "OPENAI",
        "request_model": "m",
        "prompt_tokens": n["prompt"],
        "completion_tokens": n["output"],
        "total_tokens": n["total"],
        "prompt_cache_read_tokens": n["read"],
        "prompt_cache_write_tokens": n["write"],
        "reasoning_tokens": n["reasoning"],
    }


def langfuse(n: Counts) -> dict[str, Any]:
    names = {
        "input": "prompt",
        "output": "output",
        "total": "total",
        "input_cached_tokens": "read",
        "cache_creation_input_tokens": "write",
        "input_cache_creation_1h": "write_1h",
        "output_reasoning_tokens": "reasoning",
        "input_audio": "audio_in",
        "output_audio": "audio_out",
    }
    details = {ours: n[theirs] for ours, theirs in names.items() if n[theirs] is not None}
    told = {"id": "obs-1", "traceId": "t", "type": "GENERATION", "startTime": "2026-11-02T12:00:00.000Z"}
    return told | {"usageDetails": details}


def litellm_standard(n: Counts) -> dict[str, Any]:
    told = {"id": "c-1", "call_type": "acompletion", "startTime": 1793700000.1, "status": "success", "model_group": "m"}
    columns = {"prompt_tokens": n["prompt"], "completion_tokens": n["output"], "total_tokens": n["total"]}
    return told | columns | {"metadata": {"usage_object": normalised_usage(n)}}


def litellm_spendlogs(n: Counts) -> dict[str, Any]:
    told = {"request_id": "c-1", "call_type": "acompletion", "start_time": 1793700000123, "spend": 0.1}
    columns = {"prompt_tokens": n["prompt"], "completion_tokens": n["output"], "total_tokens": n["total"]}
    return told | columns | {"cache_read_tokens": n["read"], "cache_write_tokens": n["write"]}


def span(attributes: dict[str, Any]) -> dict[str, Any]:
    told = [{"key": name, "value": {"intValue": str(value)}} for name, value in attributes.items() if value is not None]
    kind = [{"key": "gen_ai.operation.name", "value": {"stringValue": "chat"}}]
    ids = {"traceId": "5b8efff798038103d269b633813fc60c", "spanId": "eee19b7ec3c1b174"}
    times = {"startTimeUnixNano": "1793700000120000000", "endTimeUnixNano": "1793700001520000000"}
    spans = [{**ids, **times, "name": "chat m", "attributes": kind + told}]
    return {"resourceSpans": [{"scopeSpans": [{"spans": spans}]}]}


def otel(n: Counts) -> dict[str, Any]:
    start = "gen_ai.usage."
    return span(
        {
            f"{start}input_tokens": n["prompt"],
            f"{start}output_tokens": n["output"],
            f"{start}cache_read.input_tokens": n["read"],
            f"{start}cache_creation.input_tokens": n["write"],
            f"{start}reasoning.output_tokens": n["reasoning"],
            f"{start}total_tokens": n["total"],
        }
    )


def otel_old(n: Counts) -> dict[str, Any]:
    start = "gen_ai.usage."
    return span(
        {
            f"{start}prompt_tokens": n["prompt"],
            f"{start}completion_tokens": n["output"],
            f"{start}cache_read_input_tokens": n["read"],
            f"{start}reasoning_tokens": n["reasoning"],
            "llm.usage.total_tokens": n["total"],
        }
    )


def openinference(n: Counts) -> dict[str, Any]:
    start = "llm.token_count."
    counted = {
        f"{start}prompt": n["prompt"],
        f"{start}completion": n["output"],
        f"{start}total": n["total"],
        f"{start}prompt_details.cache_read": n["read"],
        f"{start}prompt_details.cache_write": n["write"],
        f"{start}prompt_details.audio": n["audio_in"],
        f"{start}completion_details.reasoning": n["reasoning"],
    }
    return {
        "context": {"trace_id": "0af7651916cd43dd8448eb211c80319c", "span_id": "b7ad6b7169203331"},
        "start_time": "2026-11-02T12:00:00+00:00",
        "attributes": {"openinference.span.kind": "LLM", **{k: v for k, v in counted.items() if v is not None}},
    }


SHAPES: dict[str, tuple[str, Callable[[Counts], dict[str, Any]]]] = {
    "OpenAI": ("openai", openai(openai_usage)),
    "OpenAI responses": ("openai", openai(responses_usage)),
    "Anthropic": ("openai", openai(anthropic_usage)),
    "normalised": ("openai", openai(normalised_usage)),
    "Netra": ("netra", netra),
    "Portkey": ("portkey", portkey),
    "Helicone": ("helicone", helicone),
    "Langfuse": ("langfuse", langfuse),
    "LiteLLM payload": ("litellm_standard", litellm_standard),
    "LiteLLM table": ("litellm_spendlogs", litellm_spendlogs),
    "OpenTelemetry": ("otel", otel),
    "OpenTelemetry, old names": ("otel", otel_old),
    "OpenInference": ("openinference", openinference),
}


def taken(shape: str, n: Counts) -> WorkloadEvent:
    name, record = SHAPES[shape]
    chosen = formats.named(name)
    (event,) = parsing.parsed(chosen, record(n), NOW)
    assert isinstance(event, WorkloadEvent), event
    return event


@pytest.mark.parametrize("shape", SHAPES)
@without_health_checks
@given(n=counts)
def test_no_bucket_is_negative_without_a_flag(shape: str, n: Counts) -> None:
    event = taken(shape, n)
    told = event.tokens.as_dict()
    assert MISMATCH in event.flags or not [name for name, value in told.items() if value is not None and value < 0]


@pytest.mark.parametrize("shape", SHAPES)
@without_health_checks
@given(n=counts)
def test_the_buckets_sum_to_the_provider_s_total_or_are_flagged(shape: str, n: Counts) -> None:
    event = taken(shape, n)
    found = (event.tokens.input_total or 0) + (event.tokens.output_total or 0)
    is_summed = n["total"] and None not in (n["prompt"], n["output"]) and found
    # Anthropic tells no total.
    assert not is_summed or shape == "Anthropic" or found == n["total"] or event.flags & DOUBTS


@pytest.mark.parametrize("shape", SHAPES)
@without_health_checks
@given(
    fresh=st.integers(1, 10**6),
    read=st.integers(0, 10**6),
    visible=st.integers(1, 10**6),
    reasoning=st.integers(0, 10**4),
)
def test_what_a_provider_tells_rightly_is_taken_exactly(
    shape: str, fresh: int, read: int, visible: int, reasoning: int
) -> None:
    """Counts that are consistent, with the cached part inside the input and the hidden one inside the output."""
    is_exclusive = shape == "Anthropic"
    n: Counts = dict.fromkeys(NAMES) | {
        "prompt": fresh + (0 if is_exclusive else read),
        "output": visible + reasoning,
        "total": fresh + read + visible + reasoning,
        "read": read,
        "reasoning": reasoning,
    }
    tokens = taken(shape, n).tokens
    assert (tokens.input_total, tokens.output_total) == (fresh + read, visible + reasoning)
