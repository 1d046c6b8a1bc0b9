"""LiteLLM's spend logs against the truth written beside them, and the traps of that format one by one."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from projects import importing, log, replayability
from projects.ingest import formats, litellm_spendlogs
from projects.ingest.verdicts import Rejected, Skipped
from projects.log import EventFilter
from projects.models import Import, Project
from projects.workloads import Outcome, UsageOrigin, WorkloadEvent
from tests.projects import truth

NAME = "litellm_spendlogs"
NOW = datetime(2026, 11, 20, tzinfo=UTC)
USAGE = {
    "prompt_tokens": 700,
    "completion_tokens": 20,
    "total_tokens": 720,
    "prompt_tokens_details": {"cached_tokens": 512},
}
ROW: dict[str, Any] = {
    "request_id": "chatcmpl-5",
    "call_type": "acompletion",
    "spend": 0.0004,
    "total_tokens": 720,
    "prompt_tokens": 700,
    "completion_tokens": 20,
    "startTime": "2026-11-03 10:00:00.125",
    "endTime": "2026-11-03 10:00:02.125",
    "completionStartTime": "2026-11-03 10:00:00.625",
    "model": "gpt-4o-mini",
    "model_group": "small",
    "custom_llm_provider": "openai",
    "user": "default_user_id",
    "end_user": "u-3",
    "session_id": "s-1",
    "status": "success",
    "cache_hit": "False",
    "litellm_call_id": "call-5",
    "request_tags": ["support"],
    "metadata": {"usage_object": USAGE, "requester_metadata": {"environment": "staging"}},
    "messages": {},
    "response": {},
    "proxy_server_request": {},
}
CLICKHOUSE: dict[str, Any] = {
    "request_id": "chatcmpl-6_cache_hit1793700000.5",
    "response_id": "chatcmpl-6",
    "call_type": "acompletion",
    "spend": None,
    "prompt_tokens": "700",
    "completion_tokens": "20",
    "total_tokens": "720",
    "cache_read_tokens": "512",
    "cache_write_tokens": "0",
    "start_time": "1793700000125",
    "end_time": "1793700002125",
    "completion_start_time": None,
    "model": "gpt-4o-mini",
    "model_group": "",
    "status": "success",
    "cache_hit": False,
    "trace_id": "9f1c0000000000000000000000000a01",
    "span_id": "00f067aa0ba902b7",
    "request_tags": [],
    "metadata": json.dumps({"litellm_lens_internal": False}),
    "messages": json.dumps([{"role": "user", "content": "Hello"}]),
    "response": "",
}
BODY = {"model": "small", "temperature": 0.5, "messages": [{"role": "user", "content": "Where is my parcel?"}]}


def parse(row: dict[str, Any] = ROW, **changes: Any) -> WorkloadEvent:
    return litellm_spendlogs.parse(row | changes, now=NOW)


def is_told(call: dict[str, Any], complaint: str) -> bool:
    """Whether the row could have told: without its answer, nothing in it says that a stream was cut."""
    return "no_body" not in call["formats"][NAME]["flags"] or complaint != "flags {'streamed_incomplete'} are missing"


@pytest.fixture
def written(shared_dir: Path, tmp_path: Path) -> truth.Written:
    return truth.write(shared_dir, tmp_path, NAME, f"{NAME}.jsonl")


@pytest.mark.django_db
def test_every_call_comes_out_as_it_was(project: Project, events: None, written: truth.Written) -> None:
    found = {event["source_record_id"]: event for event in truth.take(project, written, format_name=NAME)}
    assert len(found) == len(written.calls)
    for call in written.calls:
        event = found[call["formats"][NAME]["record_id"]]
        complaints = truth.complaints(call, event, NAME)
        assert [each for each in complaints if is_told(call, each)] == [], call["call_id"]
        assert (event["tags"], event["call_id"]) == (call["tags"], call["call_id"])


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
def test_a_page_of_the_api_holds_rows(project: Project, events: None, tmp_path: Path) -> None:
    page = {"data": [ROW, ROW | {"request_id": "chatcmpl-9"}], "total": 2, "page": 1, "total_pages": 1}
    path = tmp_path / "page.jsonl"
    path.write_text(json.dumps(page) + "\n")
    taking = importing.run(Import.objects.create(project=project, file_name=path.name, file_path=str(path)))
    assert (taking.format, taking.n_taken) == (NAME, 2)
    assert log.count(project.pk, EventFilter()) == 2


def test_a_row_without_bodies() -> None:
    event = parse()
    assert (event.source, event.source_record_id, event.call_id) == (NAME, "chatcmpl-5", "call-5")
    assert (event.request, event.response, event.flags) == (None, None, {"no_body"})
    assert event.started_at == datetime(2026, 11, 3, 10, 0, 0, 125000, tzinfo=UTC)
    assert (event.time_precision, event.ttft_ms, event.duration_ms, event.stream) == ("ms", 500.0, 2000.0, True)
    assert (event.tokens.input_fresh, event.tokens.cache_read) == (188, 512)
    assert (event.user_id, event.session_id, event.environment) == ("u-3", "s-1", "staging")
    assert (event.provider_response_id, event.outcome) == ("chatcmpl-5", Outcome.OK)


def test_the_proxys_copy_of_the_request_is_the_request() -> None:
    for kept in (BODY, {"url": "/chat/completions", "body": BODY}, json.dumps(BODY)):
        event = parse(proxy_server_request=kept)
        assert event.request == BODY | {"stream": True}
        assert replayability.reasons(event.request, event.operation, event.flags) == []
    assert parse(messages=BODY["messages"]).request == {"model": "small", "messages": BODY["messages"], "stream": True}


def test_text_cut_in_the_middle_is_never_replayed() -> None:
    cut = [{"role": "user", "content": "Once ... (litellm_truncated skipped 3857 chars) ... upon"}]
    event = parse(messages=cut, proxy_server_request=BODY | {"messages": cut})
    assert "truncated_request" in event.flags
    assert "truncated" in replayability.reasons(event.request, event.operation, event.flags)


@pytest.mark.parametrize(("told", "is_hit"), [("True", True), ("False", False), ("None", False), ("", False)])
def test_the_response_cache_is_told_in_words(told: str, is_hit: bool) -> None:
    event = parse(cache_hit=told, spend=0.0)
    assert ("response_cache_hit" in event.flags, event.outcome == Outcome.CACHED) == (is_hit, is_hit)
    assert ("cost_unknown" in event.flags) is not is_hit
    assert event.cost_recorded_usd == (0 if is_hit else None)


def test_an_unpriced_stream_has_its_cost_in_the_breakdown() -> None:
    metadata = ROW["metadata"] | {
        "cost_breakdown": {"input_cost": 0.0003, "cache_read_cost": 0.0001, "total_cost": 0.0005}
    }
    assert parse(spend=0, metadata=metadata).cost_recorded_usd == Decimal("0.0005")


def test_columns_alone_are_the_gateways_estimate() -> None:
    event = parse(metadata={})
    assert (event.usage_origin, event.tokens.input_fresh) == (UsageOrigin.GATEWAY_ESTIMATE, 700)
    assert {"usage_gateway_estimate", "no_body"} == event.flags


def test_no_counts_at_all() -> None:
    event = parse(metadata={}, prompt_tokens=0, completion_tokens=0, total_tokens=0, spend=0)
    assert (event.tokens.input_total, event.usage_origin) == (None, UsageOrigin.MISSING)
    assert (event.cost_recorded_usd, event.flags) == (None, {"no_usage", "no_body"})


def test_a_failure_carries_the_gateways_own_id() -> None:
    error = {"error_information": {"error_code": "408", "error_class": "Timeout", "llm_provider": "openai"}}
    event = parse(request_id="call-5", status="failure", metadata=error, prompt_tokens=0, completion_tokens=0, spend=0)
    assert (event.provider_response_id, event.served_model) == (None, None)
    assert (event.outcome, event.http_status, event.error_type) == (Outcome.GATEWAY_ERROR, 408, "Timeout")


def test_calls_of_the_gateway_itself_are_no_demand() -> None:
    assert "synthetic" in parse(metadata={"internal_call_origin": "router"}).flags
    assert "synthetic" in parse(user="litellm-internal-health-check").flags
    with pytest.raises(Skipped):
        parse(mcp_namespaced_tool_name="search-web")


def test_a_clickhouse_row() -> None:
    event = parse(CLICKHOUSE)
    assert event.started_at == datetime(2026, 11, 3, 10, 0, 0, 125000, tzinfo=UTC)
    assert (event.provider_response_id, event.outcome) == ("chatcmpl-6", Outcome.CACHED)
    assert (event.tokens.input_fresh, event.tokens.cache_read, event.tokens.output_visible) == (188, 512, 20)
    assert (event.usage_origin, event.cost_recorded_usd) == (UsageOrigin.PROVIDER, None)
    assert (event.trace_id, event.span_id, event.parent_span_id) == (CLICKHOUSE["trace_id"], None, "00f067aa0ba902b7")
    assert (event.requested_model, event.stream, event.ttft_ms) == ("gpt-4o-mini", None, None)
    assert event.request == {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Hello"}]}


def test_a_clickhouse_rows_zeros_and_blanks_are_unknown() -> None:
    blank = parse(CLICKHOUSE, request_id="chatcmpl-8", end_time="0", cache_read_tokens="0", messages="")
    assert (blank.ended_at, blank.duration_ms, blank.request) == (None, None, None)
    assert (blank.tokens.cache_read, blank.usage_origin) == (None, UsageOrigin.GATEWAY_ESTIMATE)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"request_id": None}, "missing_id"),
        ({"startTime": None}, "missing_timestamp"),
        ({"startTime": "yesterday"}, "invalid_timestamp"),
        ({"prompt_tokens": -4, "metadata": {}}, "negative_token_count"),
        ({"spend": "much"}, "not_a_number"),
        ({"metadata": "{broken"}, "wrong_type"),
    ],
)
def test_what_cannot_be_meant_is_refused(changes: dict[str, Any], code: str) -> None:
    with pytest.raises(Rejected) as refused:
        parse(**changes)
    assert refused.value.code == code


def test_rows_are_told_from_payloads() -> None:
    assert formats.detect([ROW, CLICKHOUSE]) == NAME
    assert not litellm_spendlogs.detect({"id": "x", "call_type": "acompletion", "spend": 1})
