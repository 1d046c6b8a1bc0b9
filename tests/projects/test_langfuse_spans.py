"""Spans of Langfuse's SDKs: which are its own, what each version writes, and what becomes of odd ones."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from projects.ingest import otel, parsing
from projects.ingest.verdicts import Rejected, Skipped
from projects.workloads import Outcome, WorkloadEvent

NOW = datetime(2026, 11, 20, tzinfo=UTC)
OWN = "langfuse.observation."
START = 1_793_700_000_120_000_000
CALL = {
    f"{OWN}type": "generation",
    f"{OWN}model.name": "gpt-4o-mini-2024-07-18",
    f"{OWN}input": json.dumps([{"role": "user", "content": "Where is order 8812?"}]),
    f"{OWN}output": json.dumps({"role": "assistant", "content": "On Friday."}),
    f"{OWN}usage_details": json.dumps({"input": 12, "output": 3, "total": 15}),
}


def found(told: dict[str, str], *, version: str = "5.0.4", scope: str = "langfuse-sdk", **span: Any) -> parsing.Found:
    attributes = [{"key": name, "value": {"stringValue": value}} for name, value in told.items()]
    sent = {"traceId": "ab" * 16, "spanId": "cd" * 8, "startTimeUnixNano": str(START), "attributes": attributes}
    sent |= {"endTimeUnixNano": str(START + 1_400_000_000), **span}
    batch = {"scopeSpans": [{"scope": {"name": scope, "version": version}, "spans": [sent]}]}
    (only,) = parsing.parsed(otel, {"resourceSpans": [batch]}, NOW)
    return only


def event(told: dict[str, str], **options: Any) -> WorkloadEvent:
    made = found(told, **options)
    assert isinstance(made, WorkloadEvent), made
    return made


def test_the_record_is_the_observation_langfuse_would_make_of_it() -> None:
    made = event(CALL)
    assert (made.source, made.source_record_id, made.trace_id) == ("langfuse", "cd" * 8, "ab" * 16)
    assert (made.outcome, made.duration_ms, made.tokens.input_fresh) == (Outcome.OK, 1400.0, 12)


@pytest.mark.parametrize(("version", "told"), [("3.9.0", '{"a": 1}'), ("5.0.4", '{"a": 1}')])
def test_metadata_is_opened_where_the_version_wrote_json(version: str, told: str) -> None:
    made = event(CALL | {f"{OWN}metadata.setting": told, "langfuse.trace.metadata.tier": '"gold"'}, version=version)
    assert made.metadata == {"setting": {"a": 1}, "tier": "gold" if version[0] == "5" else '"gold"'}


def test_numbers_in_words_stay_words_of_older_versions() -> None:
    assert event(CALL | {f"{OWN}metadata.order": "8812"}, version="3.9.0").metadata == {"order": "8812"}
    assert event(CALL | {f"{OWN}metadata.order": '"8812"'}).metadata == {"order": "8812"}


def test_without_a_type_a_model_makes_it_a_call() -> None:
    nameless = {name: value for name, value in CALL.items() if name != f"{OWN}type"}
    assert isinstance(found(nameless), WorkloadEvent)
    assert isinstance(found({f"{OWN}input": "hi"}), Skipped)


@pytest.mark.parametrize("kind", ["span", "agent", "tool", "chain", "event", "EVALUATOR", ""])
def test_what_is_no_call_is_skipped(kind: str) -> None:
    assert isinstance(found(CALL | {f"{OWN}type": kind}), Skipped)


def test_another_instrumentation_through_its_exporter_is_read_by_its_own_names() -> None:
    others = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "gpt-4o-mini", f"{OWN}level": "DEFAULT"}
    assert event(others, scope="opentelemetry.instrumentation.openai").source == "otel"
    assert event(CALL, scope="my.own.tracer").source == "langfuse"


def test_an_exception_tells_the_status() -> None:
    failed = {"code": 2, "message": "Error code: 429 - slow down"}
    made = event(CALL | {f"{OWN}level": "ERROR"}, status=failed)
    assert (made.outcome, made.http_status, made.error_type) == (Outcome.PROVIDER_ERROR, 429, "http_429")
    assert event(CALL, status={"code": 2, "message": "ValueError: no"}).http_status is None


def test_odd_clocks_and_ids_are_flagged_or_refused() -> None:
    early = event(CALL, endTimeUnixNano=str(START - 5))
    assert "clock_mismatch" in early.flags and early.duration_ms is None
    assert isinstance(found(CALL, spanId="0" * 16), Rejected) and isinstance(found(CALL, traceId="xyz"), Rejected)


@pytest.mark.parametrize("name", ["usage_details", "cost_details", "model.parameters", "completion_start_time"])
def test_values_that_cannot_be_meant_lose_nothing_but_their_span(name: str) -> None:
    assert not isinstance(found(CALL | {f"{OWN}{name}": '"yesterday"'}), Skipped)
    assert isinstance(found(CALL | {f"{OWN}usage_details": '{"input": -4}'}), Rejected)
