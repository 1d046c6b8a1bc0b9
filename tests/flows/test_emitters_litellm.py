"""LiteLLM's SDK sending to a running Netra: its own logging payloads through the import API, and its OTel callback."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.flows import calls, emitting, scripted
from tests.flows.emitting import Event, Netra, Provider

USED = {"input_fresh": 20, "cache_read": 100, "output_visible": 10, "reasoning": 30}
Emitted = dict[str, Event]
PAYLOADS = """
from tests.flows import litellm_calls

litellm_calls.everything()
litellm_calls.wait_for("calls.jsonl", n=litellm_calls.N_CALLS + 1)
send("calls.jsonl")
send("calls.jsonl")
"""
SPANS = """
from tests.flows import litellm_calls

asyncio.run(litellm_calls.asynchronously())
"""


@pytest.fixture(scope="module")
def payloads(running: Netra, answering: Provider, scripted_url: str, tmp_path_factory) -> Emitted:
    folder: Path = tmp_path_factory.mktemp("litellm")
    emitting.emit(
        "LiteLLM's logging payload", running, "litellm", answering, folder, then=PAYLOADS, scripted=scripted_url
    )
    return emitting.by_call(running.events("litellm", n=9))


@pytest.fixture(scope="module")
def traced(running: Netra, answering: Provider, scripted_url: str, tmp_path_factory) -> Emitted:
    heading, folder = "LiteLLM's OpenTelemetry callback", tmp_path_factory.mktemp("litellm-otel")
    emitting.emit(heading, running, "litellm-otel", answering, folder, then=SPANS, scripted=scripted_url)
    return emitting.by_call(running.events("litellm-otel", n=6))


def used(event: Event) -> dict[str, int]:
    return {name: count for name, count in event["tokens"].items() if count}


def test_the_documented_snippet_arrives_whole(payloads: Emitted, answering: Provider) -> None:
    event = payloads[answering.model]
    assert event["request"]["messages"] == [{"role": "user", "content": answering.question}]
    assert (event["source"], event["provider"], event["outcome"]) == ("litellm", "openai", "ok")
    assert (event["session_id"], event["user_id"], event["tags"]) == ("s-9", "u-4", ["gold"])
    assert event["is_replayable"] and event["duration_ms"] > 0 and event["response"]["choices"]


def test_a_plain_call(payloads: Emitted) -> None:
    event = payloads["plain"]
    names = ("requested_model", "served_model", "provider_response_id", "operation", "finish_reason")
    assert [event[name] for name in names] == ["plain", f"plain{scripted.SERVED}", "chatcmpl-plain", "chat", "stop"]
    assert event["request"].items() >= {"messages": calls.ASKED, "temperature": 0, "max_tokens": 50}.items()
    assert used(event) == USED and event["http_status"] == 200


def test_a_session_written_as_a_trace_is_a_session(payloads: Emitted) -> None:
    """Two ways of naming it with LiteLLM's defaults, and an id of its own making, which is none."""
    assert payloads["plain"]["session_id"] == "s-9" and payloads["refuses"]["session_id"] == "s-10"
    assert payloads["plain-streamed"]["session_id"] is None


def test_streams(payloads: Emitted) -> None:
    told, untold = payloads["plain-streamed"], payloads["plain-untold"]
    assert told["stream"] and 0 < told["ttft_ms"] <= told["duration_ms"] and used(told) == USED
    assert untold["stream"] and "no_usage" in untold["flags"] and used(untold) == {}


def test_tools_and_a_refusal(payloads: Emitted) -> None:
    message = payloads["tools"]["response"]["choices"][0]["message"]
    assert payloads["tools"]["request"]["tools"] == [calls.TOOL] and len(message["tool_calls"]) == 2
    assert payloads["refuses"]["is_refusal"]


def test_an_error(payloads: Emitted) -> None:
    event = payloads["busy"]
    assert (event["outcome"], event["http_status"], event["error_type"]) == ("provider_error", 429, "RateLimitError")
    assert event["request"]["messages"] == calls.ASKED and event["provider_response_id"] is None


def test_embeddings(payloads: Emitted) -> None:
    event = payloads["embeds"]
    assert (event["operation"], used(event)) == ("embedding", {"input_fresh": 6})
    assert event["request"]["input"] == ["one", "two"]


def test_costs_are_known_or_unknown_but_never_nothing(payloads: Emitted) -> None:
    assert payloads["plain"]["cost_recorded_usd"] is None and "cost_unknown" in payloads["plain"]["flags"]
    assert float(payloads["gpt-4o-mini"]["cost_recorded_usd"]) == pytest.approx(3.45e-5)


def test_a_file_sent_twice_adds_nothing(payloads: Emitted, running: Netra) -> None:
    deadline = time.monotonic() + emitting.DEADLINE_S
    while any(each["finished_at"] is None for each in running.get("litellm", "/imports")):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    counts = ("n_taken", "n_duplicate", "n_merged", "n_rejected")
    both = running.get("litellm", "/imports")
    assert [sum(each[name] for each in both) for name in counts] == [9, 9, 0, 0]


def test_its_spans_hold_the_providers_own_usage(traced: Emitted) -> None:
    event = traced["plain"]
    assert used(event) == USED and event["provider_response_id"] == "chatcmpl-plain" and event["operation"] == "chat"
    assert event["request"]["messages"] == calls.ASKED and event["duration_ms"] > 0


def test_its_spans_tell_streams_tools_and_errors(traced: Emitted) -> None:
    message = traced["tools"]["response"]["choices"][0]["message"]
    assert traced["plain-streamed"]["stream"] and [each["function"]["name"] for each in message["tool_calls"]] == [
        "order",
        "order",
    ]
    assert (traced["busy"]["http_status"], traced["busy"]["provider_response_id"]) == (429, None)


def test_its_spans_of_embeddings_and_of_the_documented_snippet(traced: Emitted, answering: Provider) -> None:
    assert (traced["embeds"]["operation"], traced["embeds"]["request"]["input"]) == ("embedding", ["one", "two"])
    assert traced[answering.model]["user_id"] == "u-4" and traced[answering.model]["is_replayable"]
