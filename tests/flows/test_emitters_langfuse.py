"""Langfuse's SDK with nothing changed but its address and key: its generations arrive as events of a running Netra."""

from __future__ import annotations

import pytest

from tests.flows import calls, emitting, scripted
from tests.flows.emitting import Event, Netra, Provider

USED = {"input_fresh": 20, "cache_read": 100, "output_visible": 10, "reasoning": 30}
THEN = "from tests.flows import calls\n\ncalls.everything()\nlangfuse.flush()\n"
BY_HAND = "claude-sonnet-4-6"
Emitted = dict[str, Event]


@pytest.fixture(scope="module")
def emitted(running: Netra, answering: Provider, scripted_url: str, tmp_path_factory) -> Emitted:
    folder = tmp_path_factory.mktemp("langfuse")
    emitting.emit("Langfuse's SDK", running, "langfuse", answering, folder, then=THEN, scripted=scripted_url)
    return emitting.by_call(running.events("langfuse", n=2 + len(calls.NAMES)))


def used(event: Event) -> dict[str, int]:
    return {name: count for name, count in event["tokens"].items() if count}


def said(event: Event) -> str:
    return event["response"]["choices"][0]["message"]["content"]


def test_the_documented_snippet_arrives_whole(emitted: Emitted, answering: Provider) -> None:
    event = emitted[answering.model]
    assert event["request"]["messages"] == [{"role": "user", "content": answering.question}]
    assert (event["source"], event["outcome"], event["flags"]) == ("langfuse", "ok", [])
    assert said(event) and event["is_replayable"] and event["duration_ms"] > 0
    assert event["tokens"]["input_fresh"] > 0 and event["tokens"]["output_visible"] > 0


def test_it_tells_whose_call_it_was(emitted: Emitted, answering: Provider) -> None:
    event = emitted[answering.model]
    assert (event["session_id"], event["user_id"], event["tags"]) == ("s-9", "u-4", ["gold"])
    assert (event["environment"], event["kind"]) == ("staging", "orders")


def test_the_calls_of_a_trace_belong_together(emitted: Emitted, answering: Provider) -> None:
    one, other = emitted[answering.model], emitted[BY_HAND]
    assert one["trace_id"] == other["trace_id"] and one["parent_span_id"] == other["parent_span_id"] is not None
    assert one["span_id"] != other["span_id"]


def test_a_generation_written_by_hand(emitted: Emitted) -> None:
    event = emitted[BY_HAND]
    assert used(event) == {"input_fresh": 140, "cache_read": 2048, "output_visible": 61}
    assert float(event["cost_recorded_usd"]) == 0.0019494 and said(event) == "Printer jam, solved."
    assert event["request"]["messages"] == [{"role": "user", "content": "Summarise ticket 31"}]


def test_a_plain_call(emitted: Emitted) -> None:
    event = emitted["plain"]
    assert event["request"].items() >= {"messages": calls.ASKED, "temperature": 0, "max_tokens": 50}.items()
    assert (event["served_model"], event["operation"], used(event)) == (f"plain{scripted.SERVED}", "chat", USED)
    assert said(event) == scripted.SAID


def test_a_limit_that_was_not_set_is_not_sent_again(emitted: Emitted) -> None:
    assert "max_tokens" not in emitted["plain-turn"]["request"]


def test_a_stream(emitted: Emitted) -> None:
    event = emitted["plain-streamed"]
    assert event["stream"] and 0 < event["ttft_ms"] <= event["duration_ms"]
    assert (used(event), event["finish_reason"], event["flags"]) == (USED, "stop", [])


@pytest.mark.parametrize("name", ["tools", "tools-streamed"])
def test_tools_and_their_calls(emitted: Emitted, name: str) -> None:
    event = emitted[name]
    called = event["response"]["choices"][0]["message"]["tool_calls"]
    assert event["request"]["tools"] == [calls.TOOL]
    assert [(each["id"], each["function"]["name"]) for each in called] == [("call_1", "order"), ("call_2", "order")]


def test_structured_answers_and_images_can_be_replayed(emitted: Emitted) -> None:
    assert emitted["plain-json"]["request"]["response_format"] == calls.SCHEMA
    assert emitted["plain-seen"]["request"]["messages"][0]["content"][1] == calls.IMAGE
    assert emitted["plain-json"]["is_replayable"] and emitted["plain-seen"]["is_replayable"]


def test_an_error(emitted: Emitted) -> None:
    event = emitted["busy"]
    assert (event["outcome"], event["http_status"], event["error_type"]) == ("provider_error", 429, "http_429")
    assert event["request"]["messages"] == calls.ASKED and event["cost_recorded_usd"] is None


def test_embeddings_and_responses(emitted: Emitted) -> None:
    assert (emitted["embeds"]["operation"], used(emitted["embeds"])) == ("embedding", {"input_fresh": 6})
    assert emitted["embeds"]["request"]["input"] == ["one", "two"]
    assert said(emitted["responds"]) == scripted.SAID and used(emitted["responds"]) == USED


def test_agents_are_counted_as_skipped(emitted: Emitted, running: Netra) -> None:
    (taking,) = running.get("langfuse", "/imports")
    assert (taking["n_taken"], taking["n_skipped"], taking["n_rejected"]) == (len(emitted), 1, 0)
