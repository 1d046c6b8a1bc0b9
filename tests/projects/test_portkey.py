"""Portkey logs against the truth that was written beside them, the damaged files, and each trap by hand."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from netra.tokens import Tokens
from projects.ingest import formats, portkey
from projects.ingest.verdicts import Rejected
from projects.models import Project
from projects.workloads import Outcome, UsageOrigin, WorkloadEvent
from tests import factories
from tests.projects import truth

NOW = datetime(2026, 11, 21, tzinfo=UTC)
# Which attempt came first is seen only across records: a row by itself does not tell that it was a second attempt.
ACROSS_RECORDS = "flags {'retried'} are missing"


@pytest.fixture
def written(shared_dir: Path, tmp_path: Path) -> truth.Written:
    return truth.write(shared_dir, tmp_path, "portkey", "portkey.jsonl")


@pytest.mark.django_db
def test_every_call_comes_out_as_it_was(project: Project, events: None, written: truth.Written) -> None:
    found = truth.take(project, written, format_name="portkey")
    assert len(found) == len(written.calls)
    by_id = {event["source_record_id"]: event for event in found}
    for call in written.calls:
        event = by_id[call["formats"]["portkey"]["record_id"]]
        complaints = set(truth.complaints(call, event, "portkey")) - {ACROSS_RECORDS}
        assert not complaints, call["call_id"]
        assert (event["outcome"], event["trace_id"]) == (call["outcome"], call["trace_id"])
        assert (event["error_type"], event["environment"]) == (call["error_type"], call["environment"])


@pytest.mark.django_db
def test_reimporting_adds_nothing(project: Project, events: None, written: truth.Written) -> None:
    first = truth.take(project, written, format_name="portkey")
    again = truth.take(project, written, format_name="portkey")
    assert len(again) == len(first)
    assert {event["version"] for event in again} == {1}


@pytest.mark.django_db
def test_the_totals_are_those_of_the_summary(project: Project, events: None, written: truth.Written) -> None:
    found = truth.take(project, written, format_name="portkey")
    for name, total in written.totals["tokens"].items():
        assert sum(event[name] or 0 for event in found) == total
    assert sum(event["tok_input_fresh"] is not None for event in found) == written.totals["calls_with_tokens"]
    costs = [event["cost_recorded_usd"] for event in found if event["cost_recorded_usd"] is not None]
    assert (len(costs), sum(costs)) == (written.totals["calls_with_cost"], Decimal(written.totals["cost_recorded_usd"]))


def row(**fields: Any) -> dict[str, Any]:
    """A plain successful call as an export tells it."""
    return {
        "id": "pk-1",
        "trace_id": "tr-1",
        "created_at": "2026-11-02T09:14:03.120",
        "is_success": 1,
        "ai_org": "openai",
        "ai_model": "gpt-4o-mini",
        "req_units": 12,
        "res_units": 3,
        "total_units": 15,
        "cost": 0.02798,
        "cost_currency": "USD",
        "response_time": 1420,
        "response_status_code": 200,
        "request_url": "https://api.openai.com/v1/chat/completions",
        "mode": "single",
        "metadata": {"_user": "u-19", "env": "prod"},
        "request": factories.chat_request(),
        "response": factories.chat_response(),
        **fields,
    }


def event(**fields: Any) -> WorkloadEvent:
    return portkey.parse(row(**fields), now=NOW)


def test_costs_are_cents() -> None:
    assert event().cost_recorded_usd == Decimal("0.0002798")
    assert event(cost="1e-7").cost_recorded_usd == Decimal("1e-9")


def test_a_stream_without_usage_is_unknown_not_free() -> None:
    zeros = {"req_units": 0, "res_units": 0, "total_units": 0, "cost": 0}
    found = event(response=factories.chat_response(usage=None), stream_mode=1, **zeros)
    assert (found.tokens, found.usage_origin, found.cost_recorded_usd) == (Tokens(), UsageOrigin.MISSING, None)
    assert "no_usage" in found.flags and "cost_unknown" not in found.flags


def test_zeros_in_the_assembled_answer_are_unknown_too() -> None:
    nothing = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}
    found = event(response=factories.chat_response(usage=nothing), req_units=0, res_units=0, total_units=0, cost=0)
    assert found.tokens == Tokens()
    assert "no_usage" in found.flags


def test_a_model_without_a_price_costs_an_unknown_amount() -> None:
    found = event(cost=0)
    assert found.cost_recorded_usd is None
    assert "cost_unknown" in found.flags


def test_other_currencies_are_unknown() -> None:
    found = event(cost_currency="EUR")
    assert (found.cost_recorded_usd, "cost_currency_unknown" in found.flags) == (None, True)


@pytest.mark.parametrize("status", ["HIT", "SEMANTIC HIT"])
def test_cached_answers_cost_nothing_and_are_no_baseline(status: str) -> None:
    found = event(cache_status=status, cost=0, response_time=9)
    assert (found.outcome, found.cost_recorded_usd) == (Outcome.CACHED, 0)
    assert "response_cache_hit" in found.flags and "cost_unknown" not in found.flags


@pytest.mark.parametrize("status", ["MISS", "DISABLED", None])
def test_other_cache_states_are_calls(status: str | None) -> None:
    assert event(cache_status=status).outcome == Outcome.OK


@pytest.mark.parametrize("empty", [None, {}, ""])
def test_without_bodies_the_columns_count(empty: Any) -> None:
    found = event(request=empty, response=empty)
    assert found.tokens == Tokens(input_fresh=12, output_visible=3)
    assert (found.usage_origin, found.outcome, found.error_type) == (UsageOrigin.PROVIDER, Outcome.OK, None)
    assert (found.requested_model, found.served_model, found.stream) == ("gpt-4o-mini", None, None)
    assert "no_body" in found.flags


def test_the_providers_usage_goes_before_the_columns() -> None:
    usage = {"prompt_tokens": 12, "completion_tokens": 3, "prompt_tokens_details": {"cached_tokens": 8}}
    found = event(response=factories.chat_response(usage=usage))
    assert (found.tokens.input_fresh, found.tokens.cache_read) == (4, 8)
    assert "usage_mismatch" not in found.flags


def test_columns_that_say_otherwise_are_flagged() -> None:
    found = event(req_units=99, total_units=102)
    assert found.tokens.input_fresh == 12
    assert "usage_mismatch" in found.flags


def test_pictures_are_not_counted_in_tokens() -> None:
    url = "https://api.openai.com/v1/images/generations"
    found = event(request_url=url, request={"prompt": "a cat"}, response={"data": []}, req_units=1, res_units=1)
    assert (found.operation, found.tokens) == ("other", Tokens())


def test_requested_and_served_model_stay_apart() -> None:
    found = event()
    assert (found.requested_model, found.served_model) == ("gpt-4o-mini", "gpt-4o-mini-2024-07-18")


@pytest.mark.parametrize(
    "told", ["2026-11-02T09:14:03.120", "2026-11-02T09:14:03.120Z", "2026-11-02T11:14:03.12+02:00"]
)
def test_times_without_a_zone_are_utc(told: str) -> None:
    assert event(created_at=told).started_at == datetime(2026, 11, 2, 9, 14, 3, 120_000, UTC)


CHUNKS = [
    {"id": "c-1", "model": "m-1", "choices": [{"index": 0, "delta": {"role": "assistant", "content": "It "}}]},
    {"id": "c-1", "choices": [{"index": 0, "delta": {"content": "ships."}, "finish_reason": "stop"}]},
]


def test_streams_are_assembled_from_chunks_and_from_events() -> None:
    text = "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in CHUNKS) + "data: [DONE]\n\n"
    for logged in (CHUNKS, json.dumps(CHUNKS), text):
        found = event(request=None, response=logged)
        assert found.response is not None
        assert found.response["choices"][0]["message"]["content"] == "It ships."
        assert (found.served_model, found.provider_response_id) == ("m-1", "c-1")
    assert event(request=None, response=CHUNKS).stream is True


def test_a_stream_that_never_finished_is_incomplete() -> None:
    answer = factories.chat_response(usage=None)
    answer["choices"][0]["finish_reason"] = None
    found = event(stream_mode=True, response=answer)
    assert (found.outcome, "streamed_incomplete" in found.flags) == (Outcome.CANCELLED, True)


@pytest.mark.parametrize(
    "told",
    [
        {"retry_success_count": 1},
        {"retry_success_count": -1},
        {"mode": "fallback", "lastUsedOptionJsonPath": "config.targets[1]"},
    ],
)
def test_attempts_after_the_first_are_flagged(told: dict[str, Any]) -> None:
    assert "retried" in event(**told).flags


@pytest.mark.parametrize(
    "told",
    [
        {"retry_success_count": 0},
        {"mode": "fallback", "lastUsedOptionJsonPath": "config.targets[0]"},
        {"mode": "loadbalance", "lastUsedOptionJsonPath": "config.targets[1]"},
    ],
)
def test_first_attempts_are_not(told: dict[str, Any]) -> None:
    assert "retried" not in event(**told).flags


@pytest.mark.parametrize(
    ("told", "outcome", "error"),
    [
        ({"response_status_code": 429, "response": {"error": {"code": "slow"}}}, Outcome.PROVIDER_ERROR, "slow"),
        ({"response_status_code": 500, "response": None}, Outcome.PROVIDER_ERROR, "http_500"),
        ({"response_status_code": 408, "response": None}, Outcome.GATEWAY_ERROR, "timeout"),
        ({"response_status_code": None, "response": None, "is_success": False}, Outcome.PROVIDER_ERROR, "no_response"),
        ({"is_success": False}, Outcome.UNKNOWN, None),
    ],
)
def test_how_a_call_ended(told: dict[str, Any], outcome: str, error: str | None) -> None:
    found = event(**told)
    assert (found.outcome, found.error_type) == (outcome, error)


def single() -> dict[str, Any]:
    """The same call as the API gives a log by its id."""
    flat = row()
    asked, answered, metadata = flat.pop("request"), flat.pop("response"), flat.pop("metadata")
    status, took, address = flat.pop("response_status_code"), flat.pop("response_time"), flat.pop("request_url")
    return {
        "_id": flat.pop("id"),
        "created_at": flat.pop("created_at"),
        "request": {"url": address, "method": "POST", "headers": {}, "body": asked},
        "response": {"status": status, "headers": {}, "body": answered, "responseTime": took},
        "metrics": {**flat, "metadata.key": list(metadata), "metadata.value": list(metadata.values())},
    }


def test_a_single_log_is_the_same_call() -> None:
    assert portkey.detect(single())
    assert portkey.parse(single(), now=NOW) == event()


def test_a_single_log_without_bodies() -> None:
    log_object = single()
    del log_object["request"]["body"], log_object["response"]["body"]
    found = portkey.parse(log_object, now=NOW)
    assert (found.request, found.response, found.http_status) == (None, None, 200)


def test_the_older_export_has_dotted_names_and_lists_side_by_side() -> None:
    old = row(**{"request.body": json.dumps(factories.chat_request()), "response.body": factories.chat_response()})
    old |= {"metadata.key": ["_user", "env"], "metadata.value": ["u-19", "prod"]}
    for name in ("request", "response", "metadata"):
        del old[name]
    assert portkey.parse(old, now=NOW) == event()


def test_lists_of_unequal_length_are_refused() -> None:
    with pytest.raises(Rejected, match="differ in length"):
        event(**{"metadata.key": ["a", "b"], "metadata.value": ["1"]})


def test_what_the_client_told_is_kept() -> None:
    found = event(metadata={"_user": "u-1", "session_id": 7, "_environment": "test", "feature": "search"})
    assert (found.user_id, found.session_id, found.environment) == ("u-1", "7", "test")
    assert found.metadata["feature"] == "search"


def test_anthropics_own_usage_leaves_cached_tokens_out() -> None:
    usage = {"input_tokens": 10, "cache_read_input_tokens": 90, "output_tokens": 5}
    found = event(
        response={"id": "msg_1", "type": "message", "usage": usage}, req_units=10, res_units=5, total_units=15
    )
    assert (found.tokens.input_fresh, found.tokens.cache_read) == (10, 90)
    assert "usage_mismatch" not in found.flags


def test_rows_are_told_from_other_formats() -> None:
    assert formats.detect([row(), row(request=None), single()]) == "portkey"
    assert not portkey.detect({"request": factories.chat_request(), "response": factories.chat_response()})
