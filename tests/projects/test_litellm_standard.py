"""LiteLLM's logging payloads against the truth written beside them, and the traps of that format one by one."""

from __future__ import annotations

import copy
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from projects import replayability
from projects.ingest import litellm_standard
from projects.ingest.verdicts import Rejected, Skipped
from projects.models import Project
from projects.workloads import Outcome, UsageOrigin, WorkloadEvent
from tests.projects import truth

NAME = "litellm_standard"
NOW = datetime(2026, 11, 20, tzinfo=UTC)
ROW: dict[str, Any] = {
    "id": "chatcmpl-77",
    "trace_id": "trace-4",
    "litellm_call_id": "call-9",
    "call_type": "acompletion",
    "stream": True,
    "status": "success",
    "startTime": 1793700000.12,
    "completionStartTime": 1793700000.61,
    "endTime": 1793700002.02,
    "model": "claude-haiku-4-5",
    "model_group": "fast",
    "custom_llm_provider": "anthropic",
    "prompt_tokens": 500,
    "completion_tokens": 40,
    "total_tokens": 540,
    "response_cost": 0.0009,
    "cost_breakdown": {"input_cost": 0.0006, "cache_read_cost": 0.0002, "output_cost": 0.0003, "total_cost": 0.0009},
    "cache_hit": None,
    "messages": [{"role": "user", "content": "Is the shop open on Sunday?"}],
    "response": {
        "id": "chatcmpl-77",
        "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "No."}}],
    },
    "model_parameters": {"temperature": 0, "stream": True},
    "metadata": {
        "usage_object": {
            "prompt_tokens": 500,
            "completion_tokens": 40,
            "total_tokens": 540,
            "cache_read_input_tokens": 300,
            "cache_creation_input_tokens": 0,
        },
        "requester_metadata": {"env": "prod", "feature": "opening hours"},
    },
    "request_tags": ["shop", "User-Agent: curl"],
}


def parse(**changes: Any) -> WorkloadEvent:
    row = copy.deepcopy(ROW) | changes
    return litellm_standard.parse({name: value for name, value in row.items() if value is not ...}, now=NOW)


def inside(**changes: Any) -> dict[str, Any]:
    """The metadata of the row, changed; `...` takes a key away."""
    changed = ROW["metadata"] | changes
    return {name: value for name, value in changed.items() if value is not ...}


@pytest.fixture
def written(shared_dir: Path, tmp_path: Path) -> truth.Written:
    return truth.write(shared_dir, tmp_path, NAME, f"{NAME}.jsonl")


@pytest.mark.django_db
def test_every_call_comes_out_as_it_was(project: Project, events: None, written: truth.Written) -> None:
    found = {event["source_record_id"]: event for event in truth.take(project, written, format_name=NAME)}
    assert len(found) == len(written.calls)
    for call in written.calls:
        event = found[call["formats"][NAME]["record_id"]]
        assert list(truth.complaints(call, event, NAME)) == [], call["call_id"]
        assert (event["outcome"], event["trace_id"]) == (call["outcome"], call["trace_id"])
        assert (event["tags"], event["metadata"]) == (call["tags"], call["metadata"])


@pytest.mark.django_db
def test_the_totals_hold_and_reimporting_adds_nothing(project: Project, events: None, written: truth.Written) -> None:
    first, again = (truth.take(project, written, format_name=NAME) for _ in range(2))
    assert len(again) == len(first)
    assert {event["version"] for event in again} == {1}
    for name, total in written.totals["tokens"].items():
        assert sum(event[name] or 0 for event in again) == total
    cost = sum(event["cost_recorded_usd"] or 0 for event in again)
    assert cost == Decimal(written.totals["cost_recorded_usd"])


def test_a_whole_record() -> None:
    event = parse()
    assert (event.source, event.source_record_id, event.call_id) == ("litellm", "chatcmpl-77", "call-9")
    assert event.started_at == datetime(2026, 11, 3, 10, 0, 0, 120000, tzinfo=UTC)
    assert (event.ttft_ms, event.duration_ms, event.time_precision) == (490.0, 1900.0, "us")
    assert (event.tokens.input_fresh, event.tokens.cache_read, event.tokens.output_visible) == (200, 300, 40)
    assert (event.cost_recorded_usd, event.usage_origin) == (Decimal("0.0009"), UsageOrigin.PROVIDER)
    assert (event.environment, event.tags, event.flags) == ("prod", ("shop",), frozenset())
    assert event.request == {"model": "fast", "temperature": 0, "stream": True, "messages": ROW["messages"]}


def test_the_model_asked_for_is_not_the_one_it_was_routed_to() -> None:
    assert (parse().requested_model, parse().served_model) == ("fast", "claude-haiku-4-5")
    named = parse(response=ROW["response"] | {"model": "claude-haiku-4-5-20251001"})
    assert named.served_model == "claude-haiku-4-5-20251001"
    plain = parse(model_group="claude-haiku-4-5")
    assert (plain.requested_model, plain.served_model) == ("claude-haiku-4-5", None)


def test_a_cache_hit_is_another_record_with_the_same_answer() -> None:
    event = parse(id="chatcmpl-77_cache_hit1793700009.25", cache_hit=True, response_cost=0.0, response=...)
    assert event.source_record_id == "chatcmpl-77_cache_hit1793700009.25"
    assert (event.provider_response_id, event.outcome) == ("chatcmpl-77", Outcome.CACHED)
    assert "response_cache_hit" in event.flags
    assert event.cost_recorded_usd == 0


def test_a_zero_cost_is_unknown_unless_the_breakdown_knows() -> None:
    assert parse(response_cost=0).cost_recorded_usd == Decimal("0.0009")
    unpriced = parse(response_cost=0, cost_breakdown=None)
    assert unpriced.cost_recorded_usd is None
    assert "cost_unknown" in unpriced.flags


@pytest.mark.parametrize(
    ("metadata", "tags"),
    [
        (inside(is_silent_experiment=True), []),
        (inside(internal_call_origin="judge"), []),
        (inside(litellm_lens_internal=True), []),
        (inside(), ["litellm-internal-health-check"]),
    ],
)
def test_calls_that_are_no_demand(metadata: dict[str, Any], tags: list[str]) -> None:
    assert "synthetic" in parse(metadata=metadata, request_tags=tags).flags
    assert "synthetic" not in parse(metadata=inside(is_silent_experiment=False)).flags


def test_a_disconnected_stream_is_incomplete() -> None:
    cut = copy.deepcopy(ROW["response"])
    cut["choices"][0]["finish_reason"] = None
    event = parse(response=cut)
    assert "streamed_incomplete" in event.flags
    assert (event.outcome, event.duration_ms) == (Outcome.CANCELLED, 1900.0)


def test_counts_of_a_stream_without_the_providers_usage_are_the_gateways() -> None:
    event = parse(metadata=inside(usage_object=...))
    assert event.usage_origin == UsageOrigin.GATEWAY_ESTIMATE
    assert "usage_gateway_estimate" in event.flags
    assert (event.tokens.input_fresh, event.tokens.cache_read, event.tokens.output_visible) == (500, None, 40)


def test_an_unstreamed_answers_own_usage_is_the_providers() -> None:
    told = {"prompt_tokens": 500, "completion_tokens": 40, "total_tokens": 540}
    answer = ROW["response"] | {"usage": told}
    plain = {"stream": False, "model_parameters": {}, "metadata": inside(usage_object=...), "response": answer}
    event = parse(**plain)
    assert (event.usage_origin, event.usage_raw, event.ttft_ms) == (UsageOrigin.PROVIDER, told, None)


def test_columns_that_contradict_the_usage_object_are_named() -> None:
    assert "usage_mismatch" in parse(prompt_tokens=900).flags


def test_anthropics_own_usage_object_is_not_cache_inclusive() -> None:
    own = {"input_tokens": 200, "output_tokens": 40, "cache_read_input_tokens": 300, "cache_creation_input_tokens": 0}
    event = parse(metadata=inside(usage_object=own))
    assert (event.tokens.input_fresh, event.tokens.cache_read) == (200, 300)
    assert event.flags == frozenset()


def test_a_failure_is_a_call_of_nothing_known() -> None:
    zeros = dict.fromkeys(("prompt_tokens", "completion_tokens", "total_tokens", "response_cost"), 0)
    error = {"error_code": "429", "error_class": "RateLimitError", "llm_provider": "anthropic"}
    nothing = {"response": None, "cost_breakdown": None, "metadata": inside(usage_object=...)}
    event = parse(status="failure", error_information=error, **nothing, **zeros)
    assert (event.outcome, event.http_status, event.error_type) == (Outcome.PROVIDER_ERROR, 429, "RateLimitError")
    assert (event.tokens.input_total, event.cost_recorded_usd) == (None, None)
    assert (event.provider_response_id, event.served_model, event.flags) == (None, None, frozenset())


def test_a_failure_of_the_gateways_own() -> None:
    over_budget = {"error_code": "400", "error_class": "BudgetExceededError", "llm_provider": ""}
    assert parse(status="failure", error_information=over_budget).outcome == Outcome.GATEWAY_ERROR


@pytest.mark.parametrize("count", ["attempted_retries", "attempted_fallbacks"])
def test_a_further_attempt_is_named(count: str) -> None:
    assert "retried" in parse(metadata=inside(**{count: 1})).flags
    assert "retried" not in parse(metadata=inside(**{count: 0})).flags


def test_masked_and_cut_texts_are_never_replayed() -> None:
    masked = parse(messages=[{"role": "user", "content": "redacted-by-litellm"}], response="redacted-by-litellm")
    assert (masked.response, "redacted" in masked.flags) == (None, True)
    long = "Once upon a time ... (litellm_truncated skipped 812 chars) ... and they lived"
    cut = parse(messages=[{"role": "user", "content": long}])
    assert "truncated_request" in cut.flags
    assert replayability.reasons(cut.request, cut.operation, cut.flags)


def test_old_payloads_lack_most_keys() -> None:
    named = ("id", "call_type", "startTime", "endTime", "model", "prompt_tokens", "completion_tokens", "total_tokens")
    event = litellm_standard.parse({name: ROW[name] for name in (*named, "response_cost")}, now=NOW)
    assert (event.requested_model, event.stream, event.tokens.input_fresh) == ("claude-haiku-4-5", None, 500)
    assert event.flags == {"no_body", "usage_gateway_estimate"}


def test_anthropics_system_prompt_comes_first() -> None:
    event = parse(call_type="anthropic_messages", model_parameters={"system": "Be brief.", "max_tokens": 9})
    assert event.request is not None
    assert [each["role"] for each in event.request["messages"]] == ["system", "user"]
    assert (event.operation, "system" in event.request) == ("chat", False)


def test_anthropics_own_parts_cannot_be_replayed() -> None:
    result = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "content": "4"}]}
    assert parse(call_type="anthropic_messages", messages=[result]).operation == "other"


def test_other_kinds_of_calls() -> None:
    assert parse(call_type="aembedding", messages=["a", "b"]).operation == "embedding"
    assert parse(call_type="aresponses", messages="Hello").operation == "responses"
    assert parse(call_type="aimage_generation").operation == "other"
    with pytest.raises(Skipped):
        parse(call_type="call_mcp_tool")


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"id": ""}, "missing_id"),
        ({"startTime": None}, "missing_timestamp"),
        ({"startTime": 4_000_000_000.5}, "timestamp_in_future"),
        ({"response_cost": -1}, "negative_cost"),
        ({"metadata": [1]}, "wrong_type"),
        ({"request_tags": "shop"}, "wrong_type"),
    ],
)
def test_what_cannot_be_meant_is_refused(changes: dict[str, Any], code: str) -> None:
    with pytest.raises(Rejected) as refused:
        parse(**changes)
    assert refused.value.code == code


def test_an_end_before_the_start_is_named() -> None:
    event = parse(endTime=1793699999.0)
    assert ("clock_mismatch" in event.flags, event.duration_ms) == (True, None)


def test_only_payloads_are_recognised() -> None:
    detect: Callable[[dict[str, Any]], bool] = litellm_standard.detect
    assert detect(ROW)
    assert not detect(ROW | {"request_id": "x"})
    assert not detect({"id": "x", "startTime": "2026-11-03T10:00:00Z", "type": "GENERATION", "traceId": "t"})
