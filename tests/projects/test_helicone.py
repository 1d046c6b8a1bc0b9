"""Helicone requests against the truth that was written beside them, the damaged files, and each trap by hand."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from netra.tokens import Tokens
from projects.ingest import formats, helicone
from projects.ingest.verdicts import Rejected
from projects.models import Project
from projects.replayability import reasons
from projects.workloads import Outcome, UsageOrigin, WorkloadEvent
from tests import factories
from tests.projects import truth

NOW = datetime(2026, 11, 21, tzinfo=UTC)
# Only a body shows that its stream was cut; the one that is behind the link is not in the file.
UNSEEN = "flags {'streamed_incomplete'} are missing"


@pytest.fixture
def written(shared_dir: Path, tmp_path: Path) -> truth.Written:
    return truth.write(shared_dir, tmp_path, "helicone", "helicone.jsonl")


@pytest.mark.django_db
def test_every_call_comes_out_as_it_was(project: Project, events: None, written: truth.Written) -> None:
    found = truth.take(project, written, format_name="helicone")
    assert len(found) == len(written.calls)
    by_id = {event["source_record_id"]: event for event in found}
    for call in written.calls:
        told = by_id[call["formats"]["helicone"]["record_id"]]
        complaints = set(truth.complaints(call, told, "helicone"))
        if "no_body" in told["flags"]:
            complaints.discard(UNSEEN)
        assert not complaints, call["call_id"]
        assert told["environment"] == call["environment"]


@pytest.mark.django_db
def test_calls_end_as_they_did_where_a_body_tells(project: Project, events: None, written: truth.Written) -> None:
    by_id = {each["source_record_id"]: each for each in truth.take(project, written, format_name="helicone")}
    for call in written.calls:
        told = by_id[call["formats"]["helicone"]["record_id"]]
        if "no_body" not in told["flags"]:
            assert (told["outcome"], told["error_type"]) == (call["outcome"], call["error_type"])


@pytest.mark.django_db
def test_reimporting_adds_nothing(project: Project, events: None, written: truth.Written) -> None:
    first = truth.take(project, written, format_name="helicone")
    again = truth.take(project, written, format_name="helicone")
    assert len(again) == len(first)
    assert {event["version"] for event in again} == {1}


@pytest.mark.django_db
def test_the_totals_are_those_of_the_summary(project: Project, events: None, written: truth.Written) -> None:
    found = truth.take(project, written, format_name="helicone")
    for name, total in written.totals["tokens"].items():
        assert sum(event[name] or 0 for event in found) == total
    assert sum(event["tok_input_fresh"] is not None for event in found) == written.totals["calls_with_tokens"]
    costs = [event["cost_recorded_usd"] for event in found if event["cost_recorded_usd"] is not None]
    assert (len(costs), sum(costs)) == (written.totals["calls_with_cost"], Decimal(written.totals["cost_recorded_usd"]))


def row(**fields: Any) -> dict[str, Any]:
    """A plain successful call as the query API tells it."""
    return {
        "request_id": "hr-1",
        "response_id": "hs-1",
        "request_created_at": "2026-11-05T08:00:00.000Z",
        "response_created_at": "2026-11-05T08:00:01.310Z",
        "response_status": 200,
        "provider": "OPENAI",
        "request_model": "gpt-4o-mini",
        "response_model": "gpt-4o-mini-2024-07-18",
        "request_path": "/v1/chat/completions",
        "prompt_tokens": 12,
        "completion_tokens": 3,
        "total_tokens": 15,
        "prompt_cache_read_tokens": 0,
        "prompt_cache_write_tokens": 0,
        "delay_ms": 1310,
        "time_to_first_token": None,
        "cost": 0.000254,
        "request_user_id": "u-2",
        "properties": {"Helicone-Session-Id": "s-1", "env": "prod"},
        "signed_body_url": "https://bodies.example.invalid/hr-1",
        "request_body": factories.chat_request(),
        "response_body": factories.chat_response(),
        **fields,
    }


def event(**fields: Any) -> WorkloadEvent:
    return helicone.parse(row(**fields), now=NOW)


CHUNKS = [
    {"id": "c-1", "model": "m-1", "choices": [{"index": 0, "delta": {"role": "assistant", "content": "It "}}]},
    {"id": "c-1", "choices": [{"index": 0, "delta": {"content": "ships."}, "finish_reason": "stop"}]},
]
EVENTS = "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in CHUNKS) + "data: [DONE]\n\n"


@pytest.mark.parametrize("logged", [CHUNKS, json.dumps(CHUNKS), EVENTS])
def test_streams_are_assembled_from_chunks_and_from_events(logged: Any) -> None:
    found = event(response_body=logged, request_body=factories.chat_request(stream=True))
    assert found.response is not None
    assert found.response["choices"][0]["message"]["content"] == "It ships."
    assert (found.stream, found.finish_reason, found.provider_response_id) == (True, "stop", "c-1")


def test_a_stream_cut_in_the_middle_is_incomplete() -> None:
    found = event(response_body=EVENTS[:-90], request_body=factories.chat_request(stream=True))
    assert (found.outcome, "streamed_incomplete" in found.flags) == (Outcome.CANCELLED, True)


def test_bodies_behind_a_link_are_missing_not_empty() -> None:
    found = event(request_body={}, response_body={}, time_to_first_token=402)
    assert (found.request, found.response, found.stream, found.ttft_ms) == (None, None, True, 402)
    assert (found.outcome, found.tokens.input_fresh, found.usage_origin) == (Outcome.OK, 12, UsageOrigin.PROVIDER)
    assert "no_body" in found.flags


def test_helicones_own_id_is_not_the_providers() -> None:
    assert event().provider_response_id == "chatcmpl-1"
    assert event(response_body={}).provider_response_id is None


@pytest.mark.parametrize("state", [-4, -2, 0, 99, "-2"])
def test_internal_states_are_no_http_status(state: Any) -> None:
    found = event(response_status=state)
    assert (found.outcome, found.http_status, "outcome_unknown" in found.flags) == (Outcome.UNKNOWN, None, True)


def test_costs_stand_under_either_name() -> None:
    assert event().cost_recorded_usd == Decimal("0.000254")
    assert event(cost=None, costUSD=0.5).cost_recorded_usd == Decimal("0.5")


def test_a_cost_of_nothing_is_unknown_and_none_is_not_nothing() -> None:
    assert (event(cost=0).cost_recorded_usd, "cost_unknown" in event(cost=0).flags) == (None, True)
    assert (event(cost=None).cost_recorded_usd, "cost_unknown" in event(cost=None).flags) == (None, False)


@pytest.mark.parametrize("nothing", [None, 0])
def test_no_counts_are_unknown(nothing: int | None) -> None:
    names = ("prompt_tokens", "completion_tokens", "total_tokens")
    found = event(response_body=factories.chat_response(usage=None), **dict.fromkeys(names, nothing))
    assert (found.tokens, "no_usage" in found.flags) == (Tokens(), True)


def test_counts_that_no_provider_told_are_an_estimate() -> None:
    found = event(response_body=factories.chat_response(usage=None))
    assert (found.tokens.input_fresh, found.usage_origin) == (12, UsageOrigin.GATEWAY_ESTIMATE)
    assert "usage_gateway_estimate" in found.flags


def columns(prompt: int, read: int, total: int, **fields: Any) -> WorkloadEvent:
    """A call known by its columns only; five tokens came out."""
    told = {"prompt_tokens": prompt, "completion_tokens": 5, "total_tokens": total, "prompt_cache_read_tokens": read}
    return event(request_body={}, response_body={}, **told | fields)


def test_columns_with_cached_tokens_inside_and_beside() -> None:
    assert columns(100, 80, 105).tokens.input_fresh == 20
    assert columns(20, 80, 105).tokens.input_fresh == 20
    assert columns(10, 80, 15).tokens.input_fresh == 10


def test_anthropics_columns_leave_cached_tokens_out_as_anthropic_does() -> None:
    found = columns(100, 80, 105, provider="ANTHROPIC")
    assert (found.tokens.input_fresh, found.tokens.cache_read) == (100, 80)
    assert "cache_semantics_assumed" in found.flags
    assert "cache_semantics_assumed" not in columns(100, 80, 185, provider="ANTHROPIC").flags


def test_reasoning_beside_the_completion_is_not_taken_from_it() -> None:
    assert columns(100, 0, 112, reasoning_tokens=7).tokens.output_visible == 5
    assert columns(100, 0, 105, reasoning_tokens=4).tokens.output_visible == 1


@pytest.mark.parametrize(("reference", "outcome"), [("hr-0", Outcome.CACHED), (helicone.NO_CACHE, Outcome.OK)])
def test_cached_answers_are_no_baseline(reference: str, outcome: str) -> None:
    found = event(cache_reference_id=reference)
    assert (found.outcome, "response_cache_hit" in found.flags) == (outcome, outcome == Outcome.CACHED)


def test_an_answer_older_than_its_question_is_a_clock() -> None:
    found = event(response_created_at="2020-01-01T00:00:00Z", delay_ms=-5)
    assert (found.ended_at, found.duration_ms, "clock_mismatch" in found.flags) == (None, None, True)
    assert event(delay_ms=None).duration_ms == 1310


def test_a_negative_delay_of_a_good_clock_is_refused() -> None:
    with pytest.raises(Rejected, match="duration"):
        event(delay_ms=-5)


def test_property_names_keep_their_capitals_and_are_found_without() -> None:
    found = event(properties={"helicone-session-id": "s-9", "Environment": "test", "Feature": "search"})
    assert (found.session_id, found.environment, found.metadata["Feature"]) == ("s-9", "test", "search")


def test_pictures_kept_elsewhere_are_flagged_and_not_replayable() -> None:
    part = {"type": "image_url", "image_url": {"url": "<helicone-asset-id key='a-1'/>"}}
    asked = {"model": "m", "messages": [{"role": "user", "content": [part]}]}
    found = event(request_body=asked, asset_ids=["a-1"])
    assert "media_by_reference" in found.flags
    assert reasons(found.request, found.operation, found.flags) == ["media_gone"]


@pytest.mark.parametrize(
    ("told", "outcome", "error"),
    [
        ({"response_status": 429, "response_body": {"error": {"code": "slow"}}}, Outcome.PROVIDER_ERROR, "slow"),
        ({"response_status": 500, "response_body": None}, Outcome.PROVIDER_ERROR, "http_500"),
        ({"response_status": 408, "response_body": None}, Outcome.GATEWAY_ERROR, "timeout"),
    ],
)
def test_how_a_call_ended(told: dict[str, Any], outcome: str, error: str) -> None:
    found = event(**told)
    assert (found.outcome, found.error_type) == (outcome, error)


@pytest.mark.parametrize(
    ("told", "code"),
    [
        ({"request_id": ""}, "missing_id"),
        ({"request_created_at": None}, "missing_timestamp"),
        ({"request_created_at": "yesterday"}, "invalid_timestamp"),
        ({"prompt_tokens": -1}, "negative_token_count"),
        ({"cost": -1}, "negative_cost"),
        ({"response_status": [200]}, "wrong_type"),
        ({"properties": "env"}, "wrong_type"),
    ],
)
def test_what_cannot_be_meant_is_refused(told: dict[str, Any], code: str) -> None:
    with pytest.raises(Rejected) as refused:
        event(**told)
    assert refused.value.code == code


def test_requests_are_told_from_other_formats() -> None:
    assert formats.detect([row(), row(request_body={}, response_body={})]) == "helicone"
    assert not helicone.detect({"id": "1", "request": {}, "response": {}})
