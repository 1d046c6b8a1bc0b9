"""Langfuse's observations against the truth written beside them, and the traps of that format one by one."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from projects import importing, log, replayability
from projects.ingest import formats, langfuse
from projects.ingest.verdicts import Rejected, Skipped
from projects.log import EventFilter
from projects.models import Import, Project
from projects.workloads import Outcome, UsageOrigin, WorkloadEvent
from tests.projects import truth

NAME = "langfuse"
NOW = datetime(2026, 11, 20, tzinfo=UTC)
# A row names no provider, and says nothing of how a stream ended.
UNTOLD = ("provider is None, not 'openai'", "flags {'streamed_incomplete'} are missing")


ROW: dict[str, Any] = {
    "id": "obs-501",
    "traceId": "9f1c0000000000000000000000000a01",
    "parentObservationId": "obs-500",
    "type": "GENERATION",
    "startTime": "2026-11-03T10:00:00.125Z",
    "endTime": "2026-11-03T10:00:02.125Z",
    "completionStartTime": "2026-11-03T10:00:00.625Z",
    "level": "DEFAULT",
    "environment": "prod",
    "sessionId": "s-9",
    "userId": "u-4",
    "input": json.dumps([{"role": "user", "content": "When do you close?"}]),
    "output": json.dumps({"role": "assistant", "content": "At six."}),
    "metadata": {"feature": "hours"},
    "providedModelName": "gpt-4o-mini",
    "modelParameters": {"temperature": 0.2, "stream": True},
    "usageDetails": {"input": 140, "output": 60, "total": 200},
    "costDetails": {"input": 0.00042, "output": 0.0009, "total": 0.00132},
    "totalCost": 0.00132,
    "latency": 2.0,
    "timeToFirstToken": 0.5,
    "inputPrice": "0.000003",
    "tags": ["web"],
}
V1: dict[str, Any] = {
    "id": "obs-601",
    "traceId": "t-1",
    "type": "GENERATION",
    "startTime": "2026-11-03T10:00:00.125Z",
    "endTime": None,
    "latency": 1.25,
    "model": "gpt-4o-mini",
    "modelParameters": {},
    "input": [{"role": "user", "content": "When do you close?"}],
    "output": {"role": "assistant", "content": "At six."},
    "usage": {"input": 140, "output": 60, "total": 200, "unit": "TOKENS"},
    "calculatedTotalCost": 0.00132,
    "metadata": None,
}
BLOB: dict[str, Any] = {
    "id": "00f067aa0ba902b7",
    "trace_id": "9f1c0000000000000000000000000a01",
    "parent_observation_id": None,
    "type": "GENERATION",
    "start_time": "2026-11-03 10:00:00.125000",
    "end_time": "2026-11-03 10:00:02.125000",
    "provided_model_name": "gpt-4o-mini",
    "model_parameters": '{"temperature": 0}',
    "provided_usage_details": '{"input": "140", "output": "60", "total": "200"}',
    "usage_details": '{"input": "140", "output": "60", "total": "200"}',
    "cost_details": '{"total": 0.00132}',
    "total_cost": None,
    "environment": "default",
    "metadata": '{"env": "test"}',
    "session_id": "s-9",
    "input": json.dumps([{"role": "user", "content": "When do you close?"}]),
    "output": "At six.",
    "tool_definitions": {"clock": json.dumps({"description": "The time", "parameters": {"type": "object"}})},
    "tags": '["web"]',
}


def parse(row: dict[str, Any] = ROW, **changes: Any) -> WorkloadEvent:
    return langfuse.parse(row | changes, now=NOW)


def used(details: dict[str, int], **changes: Any) -> tuple[int | None, int | None, int | None, int | None, set[str]]:
    """Fresh, cached, visible and hidden tokens, and the flags."""
    event = parse(usageDetails=details, **changes)
    tokens = event.tokens
    return tokens.input_fresh, tokens.cache_read, tokens.output_visible, tokens.reasoning, set(event.flags)


@pytest.fixture
def written(shared_dir: Path, tmp_path: Path) -> truth.Written:
    return truth.write(shared_dir, tmp_path, NAME, "langfuse_observations_v2.jsonl")


@pytest.mark.django_db
def test_every_call_comes_out_as_it_was(project: Project, events: None, written: truth.Written) -> None:
    found = {event["source_record_id"]: event for event in truth.take(project, written, format_name=NAME)}
    assert len(found) == len(written.calls)
    for call in written.calls:
        event = found[call["formats"][NAME]["record_id"]]
        complaints = [each for each in truth.complaints(call, event, NAME) if each not in UNTOLD]
        assert complaints == [], call["call_id"]
        assert (event["trace_id"], event["tags"], event["metadata"]) == (
            call["trace_id"],
            call["tags"],
            call["metadata"],
        )


@pytest.mark.django_db
def test_the_totals_hold_and_reimporting_adds_nothing(project: Project, events: None, written: truth.Written) -> None:
    first, again = (truth.take(project, written, format_name=NAME) for _ in range(2))
    assert len(again) == len(first)
    assert {event["version"] for event in again} == {1}
    for name, total in written.totals["tokens"].items():
        assert sum(event[name] or 0 for event in again) == total
    cost = sum(event["cost_recorded_usd"] or 0 for event in again)
    assert cost == Decimal(written.totals["cost_recorded_usd"])


@pytest.mark.django_db
def test_pages_hold_the_same_calls(project: Project, events: None, written: truth.Written) -> None:
    pages = sorted((written.folder / "langfuse_pages").glob("*.json"))
    path = written.folder / "pages.jsonl"
    path.write_text("".join(json.dumps(json.loads(page.read_text())) + "\n" for page in pages))
    taking = importing.run(Import.objects.create(project=project, file_name=path.name, file_path=str(path)))
    assert (taking.format, taking.n_rejected, taking.n_taken) == (NAME, 0, len(written.calls))
    assert taking.n_skipped == written.totals["rows"] - len(written.calls)
    assert log.count(project.pk, EventFilter()) == len(written.calls)


def test_a_whole_observation() -> None:
    event = parse()
    assert (event.source, event.source_record_id, event.trace_id) == (NAME, "obs-501", ROW["traceId"])
    assert (event.time_precision, event.duration_ms, event.ttft_ms, event.stream) == ("ms", 2000.0, 500.0, True)
    assert (event.served_model, event.requested_model, event.provider) == ("gpt-4o-mini", None, None)
    assert (event.cost_recorded_usd, event.usage_origin) == (Decimal("0.00132"), UsageOrigin.PROVIDER)
    assert (event.session_id, event.user_id, event.environment, event.tags) == ("s-9", "u-4", "prod", ("web",))
    assert (event.outcome, event.flags) == (Outcome.OK, frozenset())
    assert replayability.reasons(event.request, event.operation, event.flags) == []


def test_an_observation_of_the_first_version() -> None:
    event = parse(V1)
    assert (event.tokens.input_fresh, event.tokens.output_visible) == (140, 60)
    assert (event.duration_ms, event.ended_at, event.stream) == (1250.0, None, False)
    assert (event.cost_recorded_usd, event.served_model) == (Decimal("0.00132"), "gpt-4o-mini")
    assert parse(V1, usage={"input": 900, "output": 2, "unit": "CHARACTERS"}).flags == {"no_usage"}
    assert parse(V1, usage={"input": 0, "output": 0, "total": 0}).tokens.input_fresh is None


def test_a_row_of_the_blob_export() -> None:
    event = parse(BLOB)
    assert event.started_at == datetime(2026, 11, 3, 10, 0, 0, 125000, tzinfo=UTC)
    assert (event.duration_ms, event.tokens.input_fresh, event.cost_recorded_usd) == (2000.0, 140, Decimal("0.00132"))
    assert (event.session_id, event.environment, event.tags) == ("s-9", "test", ("web",))
    assert (event.span_id, event.stream, event.usage_origin) == (BLOB["id"], False, UsageOrigin.PROVIDER)
    assert event.request is not None
    assert [tool["function"]["name"] for tool in event.request["tools"]] == ["clock"]


def test_counts_of_langfuses_own_tokenizer_are_not_the_providers() -> None:
    event = parse(BLOB, provided_usage_details="{}")
    assert (event.usage_origin, event.tokens.input_fresh) == (UsageOrigin.TOKENIZER, 140)
    assert "usage_gateway_estimate" in event.flags


def test_the_total_tells_whether_input_includes_the_cached_part() -> None:
    assert used({"input": 140, "input_cached_tokens": 100, "output": 60, "total": 200}) == (40, 100, 60, None, set())
    assert used({"input": 40, "input_cached_tokens": 100, "output": 60, "total": 200}) == (40, 100, 60, None, set())


def test_more_cached_than_sent_is_certainly_apart() -> None:
    assert used({"input": 40, "cache_read_input_tokens": 100, "output": 60}) == (40, 100, 60, None, set())


def test_where_nothing_tells_the_rule_is_taken_and_named() -> None:
    told = {"input": 140, "input_cached_tokens": 100, "output": 60}
    assert used(told) == (140, 100, 60, None, {"cache_semantics_assumed"})
    assert used(told | {"total": 777}) == (140, 100, 60, None, {"cache_semantics_assumed", "usage_mismatch"})


def test_the_senders_own_cost_of_the_input_tells_too() -> None:
    told = {"input": 140, "input_cached_tokens": 100, "output": 60}
    own = {"input": 40 * 0.000003, "total": 0.0013}  # 40 of 140 tokens paid in full
    assert used(told, costDetails=own) == (40, 100, 60, None, set())
    multiplied = {"input": 140 * 0.000003, "total": 0.0013}  # Langfuse's own: it says nothing
    assert used(told, costDetails=multiplied)[4] == {"cache_semantics_assumed"}


def test_the_total_tells_whether_output_includes_the_hidden_part() -> None:
    assert used({"input": 10, "output": 60, "output_reasoning": 20, "total": 70}) == (10, None, 40, 20, set())
    assert used({"input": 10, "output": 60, "output_reasoning": 20, "total": 90}) == (10, None, 60, 20, set())
    assert used({"input": 10, "output": 60, "output_reasoning": 20})[4] == {"output_semantics_assumed"}


def test_both_overlaps_at_once() -> None:
    told = {"input": 140, "input_cached_tokens": 100, "output": 60, "output_reasoning_tokens": 20}
    assert used(told | {"total": 200}) == (40, 100, 40, 20, set())
    assert used(told | {"total": 220}) == (40, 100, 60, 20, set())
    assert used(told | {"total": 300}) == (140, 100, 40, 20, set())


def test_cache_writes_by_their_length() -> None:
    told = {"input": 5, "output": 7, "input_cache_creation_5m": 11, "input_cache_creation_1h": 13, "total": 36}
    tokens = parse(usageDetails=told).tokens
    assert (tokens.input_fresh, tokens.cache_write_5m, tokens.cache_write_1h) == (5, 11, 13)
    whole = {"input": 5, "output": 7, "cache_creation_input_tokens": 24, "input_cache_creation_1h": 13, "total": 36}
    tokens = parse(usageDetails=whole).tokens
    assert (tokens.input_fresh, tokens.cache_write_5m, tokens.cache_write_1h) == (5, 11, 13)


def test_no_usage_is_unknown_not_nothing() -> None:
    for details in ({}, {"input": 0, "output": 0, "total": 0}):
        event = parse(**UNUSED | {"usageDetails": details})
        assert (event.tokens.input_total, event.cost_recorded_usd, event.flags) == (None, None, {"no_usage"})
    assert "cost_unknown" in parse(totalCost=0).flags


@pytest.mark.parametrize("kind", ["SPAN", "AGENT", "TOOL", "CHAIN", "EVENT", "GUARDRAIL"])
def test_what_repeats_the_calls_below_it_is_no_call(kind: str) -> None:
    with pytest.raises(Skipped):
        parse(type=kind)


def test_an_embedding_is_a_call_that_is_not_replayed() -> None:
    event = parse(type="EMBEDDING", input='["a", "b"]', output=None)
    assert (event.operation, event.request and event.request["input"]) == ("embedding", ["a", "b"])
    assert "operation" in replayability.reasons(event.request, event.operation, event.flags)


QUESTION = [{"role": "user", "content": "Hi"}]
TOOL = {"type": "function", "function": {"name": "clock", "parameters": {}}}


@pytest.mark.parametrize(
    "given",
    [
        QUESTION,
        QUESTION[0],
        {"messages": QUESTION},
        json.dumps({"messages": QUESTION}),
        [[{"type": "human", "content": "Hi"}]],
        [{"lc": 1, "id": ["langchain", "HumanMessage"], "kwargs": {"content": "Hi"}}],
    ],
)
def test_messages_in_whatever_wrapping(given: Any) -> None:
    request = parse(input=given).request
    assert request is not None
    assert request["messages"] == QUESTION
    assert request["temperature"] == 0.2


def test_tools_beside_or_among_the_messages_or_in_the_metadata() -> None:
    beside = parse(input={"messages": QUESTION, "tools": [TOOL]})
    among = parse(input=[*QUESTION, {"role": "tool", "content": TOOL}])
    apart = parse(metadata={"tools": json.dumps([TOOL])})
    for event in (beside, among, apart):
        assert event.request is not None
        assert event.request["tools"] == [TOOL]
        assert [each["role"] for each in event.request["messages"]] == ["user"]


def test_tool_calls_without_their_definitions_are_not_replayed() -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "clock", "arguments": "{}"}}
    event = parse(input=[*QUESTION, {"role": "assistant", "content": None, "tool_calls": [call]}])
    assert "tools_missing" in replayability.reasons(event.request, event.operation, event.flags)


def test_a_plain_prompt_stays_one() -> None:
    event = parse(input="Say hello")
    assert event.request == {"temperature": 0.2, "stream": True, "prompt": "Say hello"}
    assert (event.operation, event.flags) == ("text", frozenset())
    assert parse(input=None).flags == {"no_body"}
    assert "truncated_request" in parse(input='[{"role": "user", "content": "Onc').flags


@pytest.mark.parametrize(
    ("output", "text"),
    [
        ("At six.", "At six."),
        ('{"closes": 18}', '{"closes": 18}'),
        ({"closes": 18}, '{"closes":18}'),
        ({"role": "assistant", "content": "At six."}, "At six."),
        (
            [{"role": "assistant", "parts": [{"type": "text", "content": "At six."}], "finish_reason": "stop"}],
            "At six.",
        ),
        ({"type": "ai", "lc": 1, "content": "At six."}, "At six."),
    ],
)
def test_answers_in_whatever_wrapping(output: Any, text: str) -> None:
    event = parse(output=output)
    assert event.response is not None
    assert [choice["message"]["content"] for choice in event.response["choices"]] == [text]
    assert (event.outcome, event.flags) == (Outcome.OK, frozenset())


def test_a_whole_completion_says_how_it_ended() -> None:
    cut = {"id": "chatcmpl-1", "choices": [{"index": 0, "finish_reason": None, "message": {"content": "At"}}]}
    event = parse(output=json.dumps(cut))
    assert (event.provider_response_id, event.outcome) == ("chatcmpl-1", Outcome.CANCELLED)
    assert event.flags == {"streamed_incomplete"}


REFERENCE = "@@@langfuseMedia:type=image/png|id=m1|source=base64_data_uri@@@"


@pytest.mark.parametrize(
    "content",
    [
        [{"type": "image_url", "image_url": {"url": REFERENCE}}],
        [{"type": "input_audio", "input_audio": {"data": REFERENCE, "format": "wav"}}],
        f"What is this? {REFERENCE}",
    ],
)
def test_media_kept_elsewhere_are_not_replayed(content: Any) -> None:
    event = parse(input=[{"role": "user", "content": content}])
    assert "media_by_reference" in event.flags
    assert replayability.reasons(event.request, event.operation, event.flags) == ["media_gone"]


def test_an_input_too_large_to_be_kept() -> None:
    event = parse(input="@@@langfuseMedia:type=text/plain|id=m2|source=field_size_limit@@@")
    assert (event.request, event.flags) == (None, {"media_by_reference", "no_body"})


UNUSED: dict[str, Any] = {"usageDetails": {}, "costDetails": {}, "totalCost": None}


def test_a_failure_names_the_model_that_was_asked() -> None:
    event = parse(level="ERROR", statusMessage="429 Too many requests", output=None, **UNUSED)
    assert (event.outcome, event.error_type, event.http_status) == (Outcome.PROVIDER_ERROR, "http_429", None)
    assert (event.requested_model, event.served_model) == ("gpt-4o-mini", None)
    assert (event.cost_recorded_usd, event.tokens.input_total, event.flags) == (None, None, frozenset())


def test_what_came_by_opentelemetry_tells_more() -> None:
    attributes = {
        "gen_ai.response.id": "chatcmpl-8",
        "gen_ai.request.model": "small",
        "gen_ai.response.model": "gpt-4o-mini-2024-07-18",
        "gen_ai.system": "openai",
    }
    event = parse(metadata={"attributes": attributes, "tier": "gold"})
    assert (event.provider_response_id, event.provider) == ("chatcmpl-8", "openai")
    assert (event.requested_model, event.served_model) == ("small", "gpt-4o-mini-2024-07-18")
    assert event.metadata == {"tier": "gold"}


def test_masked_texts_are_named() -> None:
    assert "redacted" in parse(input="redacted-by-litellm").flags


def test_metadata_of_any_kind() -> None:
    assert parse(metadata="a note").metadata == {"metadata": "a note"}
    assert parse(metadata={"attributes": ["x"]}).flags == frozenset()
    assert parse(promptName="greeting").metadata == {"prompt_name": "greeting", "feature": "hours"}


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"id": ""}, "missing_id"),
        ({"startTime": None}, "missing_timestamp"),
        ({"startTime": "2027-11-03T10:00:00.000Z"}, "timestamp_in_future"),
        ({"usageDetails": {"input": -3}}, "negative_token_count"),
        ({"usageDetails": [3]}, "wrong_type"),
        ({"totalCost": -1}, "negative_cost"),
        ({"type": None}, "wrong_type"),
    ],
)
def test_what_cannot_be_meant_is_refused(changes: dict[str, Any], code: str) -> None:
    with pytest.raises(Rejected) as refused:
        parse(**changes)
    assert refused.value.code == code


def test_an_end_before_the_start_is_named() -> None:
    event = parse(endTime="2026-11-03T09:00:00.000Z")
    assert ("clock_mismatch" in event.flags, event.duration_ms) == (True, None)


def test_observations_are_recognised_singly_and_by_the_page() -> None:
    for found in (ROW, V1, BLOB, {"data": [ROW], "meta": {}}):
        assert formats.detect([found]) == NAME
    assert not langfuse.detect({"data": [{"request_id": "x"}], "meta": {}})
