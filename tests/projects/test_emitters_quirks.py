"""What real tracers write beside the conventions, as they were found to: each quirk alone."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from projects.ingest import genai, litellm_standard, messages, otel, response_items
from projects.workloads import Outcome, WorkloadEvent

NOW = datetime(2026, 11, 20, tzinfo=UTC)
START = 1_793_700_000_120_000_000
USAGE = {"prompt_tokens": 120, "completion_tokens": 40, "prompt_tokens_details": {"cached_tokens": 100}}
SAID = [{"role": "assistant", "parts": [{"type": "text", "content": "Yes."}], "finish_reason": "stop"}]
CALL = {
    "gen_ai.operation.name": "chat",
    "gen_ai.request.model": "gpt-4o-mini",
    "gen_ai.input.messages": json.dumps([{"role": "user", "parts": [{"type": "text", "content": "Where?"}]}]),
    "gen_ai.output.messages": json.dumps(SAID),
}
LITELLM = CALL | {"litellm.call_id": "c-1", "gen_ai.usage.input_tokens": 120, "gen_ai.usage.output_tokens": 40}


def event(*events: dict[str, Any], status: str = "", **told: Any) -> WorkloadEvent:
    record = {
        "trace_id": "ab" * 16, "span_id": "cd" * 8, "name": "x", "start_ns": START, "end_ns": START + 10**9,
        "attributes": CALL | told, "events": list(events), "resource": {}, "scope": {},
        "status_code": 2 if status else 0, "status_message": status,
    }  # fmt: skip
    return otel.parse(record, now=NOW)


def test_a_finish_that_is_an_error_never_finished() -> None:
    left = [{**SAID[0], "finish_reason": "error"}]
    told = {"gen_ai.output.messages": json.dumps(left), "gen_ai.response.finish_reasons": ["error"]}
    made = event(**told, **{"gen_ai.request.stream": True})
    assert (made.outcome, made.finish_reason) == (Outcome.CANCELLED, None) and "streamed_incomplete" in made.flags


def test_the_first_chunk_s_event_tells_how_long_it_took() -> None:
    chunk = {"name": "gen_ai.content.completion.chunk", "time_ns": START + 250_000_000, "attributes": {}}
    assert event(chunk, **{"gen_ai.is_streaming": True}).ttft_ms == 250.0
    assert event({**chunk, "time_ns": START - 1}, **{"gen_ai.is_streaming": True}).ttft_ms is None


@pytest.mark.parametrize(("word", "meant"), [("True", True), ("false", False), (True, True)])
def test_whether_it_streams_may_be_a_word(word: Any, meant: bool) -> None:
    assert event(**{"llm.is_streaming": word}).stream is meant


def test_the_status_stands_in_the_message_of_an_error() -> None:
    made = event(status="Error code: 503 - {'error': 'later'}", **{"error.type": "openai.InternalServerError"})
    assert (made.http_status, made.outcome) == (503, Outcome.PROVIDER_ERROR)


def test_a_stand_in_for_a_name_is_no_name() -> None:
    resource = {"service.name": "unknown_service:python"}
    span = {"attributes": CALL, "events": [], "resource": resource, "start_ns": START}
    assert genai.read(span).metadata == {}


@pytest.mark.parametrize(
    ("name", "operation"), [("acompletion", "chat"), ("completion", "chat"), ("aembedding", "embedding")]
)
def test_litellm_names_the_function_it_was_called_by(name: str, operation: str) -> None:
    assert event(**LITELLM | {"gen_ai.operation.name": name}).operation == operation


def test_litellm_s_spans_hold_the_usage_as_python_writes_it() -> None:
    tokens = event(**LITELLM | {"metadata.usage_object": repr(USAGE)}).tokens
    assert (tokens.input_fresh, tokens.cache_read) == (20, 100)


@pytest.mark.parametrize("odd", ["{}", "", "{'a'", "[1]", "__import__('os')", "{" * 900, "{1: 2}", "'x'" * 2000])
def test_a_usage_that_is_none_leaves_the_counts(odd: str) -> None:
    assert event(**LITELLM | {"metadata.usage_object": odd}).tokens.input_fresh == 120


def test_litellm_s_own_id_is_not_the_provider_s() -> None:
    made = event(status="no", **LITELLM | {"gen_ai.response.id": "c-1"})
    assert (made.provider_response_id, made.call_id) == (None, "c-1")


def test_litellm_numbers_calls_as_others_number_answers() -> None:
    empty = json.dumps([{"role": "assistant", "parts": [], "finish_reason": "tool_calls"}])
    calls = {f"gen_ai.completion.{n}.function_call.name": f"tool-{n}" for n in range(2)}
    made = event(**LITELLM | calls | {"gen_ai.output.messages": empty})
    assert made.response is not None
    said = made.response["choices"][0]["message"]["tool_calls"]
    assert [each["function"]["name"] for each in said] == ["tool-0", "tool-1"]


@pytest.mark.parametrize(("trace", "session"), [("s-9", "s-9"), ("7e36c54b-83e0-453b-b19c-b655127c530e", None)])
def test_litellm_writes_the_session_as_the_trace(trace: str, session: str | None) -> None:
    row = {"id": "x", "call_type": "completion", "startTime": 1_793_700_000.5, "status": "success", "trace_id": trace}
    assert litellm_standard.parse({**row, "session_id": ""}, now=NOW).session_id == session
    assert litellm_standard.parse(row, now=NOW).session_id is None


def test_a_refusal_in_parts_is_a_refusal() -> None:
    said = messages.answered({"role": "assistant", "parts": [{"type": "refusal", "content": "No."}]}, set())
    assert said == {"role": "assistant", "content": None, "refusal": "No."}


def test_items_of_a_response_are_one_message() -> None:
    text = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Yes."}]}
    call = {"type": "function_call", "call_id": "c-1", "name": "order", "arguments": "{}"}
    items = response_items.listed([{"type": "reasoning", "summary": []}, text, call])
    assert items is not None
    said = response_items.message(items)
    assert said["content"] == "Yes." and said["tool_calls"][0]["id"] == "c-1"
    assert response_items.finish_reason({"status": "completed"}, items) == "tool_calls"


@pytest.mark.parametrize(
    "other", ["text", None, [], {}, [1], {"role": "assistant", "content": "x"}, [{"type": "message"}]]
)
def test_other_answers_are_no_items(other: Any) -> None:
    assert response_items.listed(other) is None


@pytest.mark.parametrize(
    ("answer", "reason"),
    [({"status": "incomplete"}, "length"), ({"status": "failed"}, None), ({}, None)],
)
def test_why_a_response_ended(answer: dict[str, Any], reason: str | None) -> None:
    assert response_items.finish_reason(answer, []) == reason
