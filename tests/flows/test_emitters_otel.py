"""OpenAI's SDK, traced by three instrumentations, exporting OTLP to a running Netra: every call arrives as it was."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.flows import calls, emitting, scripted
from tests.flows.emitting import Event, Netra, Provider

HEADINGS = {
    "genai": "OpenAI with OpenTelemetry",
    "openinference": "OpenAI with OpenInference",
    "openllmetry": "OpenAI with OpenLLMetry",
}
USED = {"input_fresh": 20, "cache_read": 100, "output_visible": 10, "reasoning": 30}
ASKED = calls.ASKED
Emitted = dict[str, Event]


@pytest.fixture(scope="module", params=HEADINGS)
def emitted(
    request: pytest.FixtureRequest, running: Netra, answering: Provider, scripted_url: str, tmp_path_factory
) -> Emitted:
    slug = request.param
    folder: Path = tmp_path_factory.mktemp(slug)
    then = "from tests.flows import calls\n\ncalls.everything()\n"
    emitting.emit(HEADINGS[slug], running, slug, answering, folder, then=then, scripted=scripted_url)
    found = emitting.by_call(running.events(slug, n=1 + len(calls.NAMES)))
    return found | {"emitter": {"slug": slug}}


def used(event: Event) -> dict[str, int]:
    return {name: count for name, count in event["tokens"].items() if count}


def said(event: Event) -> str:
    return event["response"]["choices"][0]["message"]["content"]


def test_the_documented_snippet_arrives_whole(emitted: Emitted, answering: Provider) -> None:
    event = emitted[answering.model]
    assert event["request"]["messages"] == [{"role": "user", "content": answering.question}]
    assert (event["source"], event["provider"], event["outcome"], event["flags"]) == ("otel", "openai", "ok", [])
    assert said(event) and event["is_replayable"] and event["metadata"]["service.name"] == emitted["emitter"]["slug"]
    assert event["provider_response_id"].startswith("chatcmpl-") and event["duration_ms"] > 0
    assert event["tokens"]["input_fresh"] > 0 and event["tokens"]["output_visible"] > 0


def test_a_plain_call(emitted: Emitted) -> None:
    event = emitted["plain"]
    names = ("requested_model", "served_model", "provider_response_id", "operation", "finish_reason")
    assert [event[name] for name in names] == ["plain", f"plain{scripted.SERVED}", "chatcmpl-plain", "chat", "stop"]
    assert event["request"].items() >= {"model": "plain", "messages": ASKED, "temperature": 0, "max_tokens": 50}.items()
    assert used(event) == USED and said(event) == scripted.SAID


def test_a_stream_tells_its_first_token(emitted: Emitted) -> None:
    event = emitted["plain-streamed"]
    assert event["stream"] and 0 < event["ttft_ms"] <= event["duration_ms"] and event["flags"] == []
    assert said(event) == scripted.SAID and event["finish_reason"] == "stop"


def test_a_stream_tells_its_tokens(emitted: Emitted) -> None:
    """OpenLLMetry leaves the hidden part out of streams: it is unknown then, and within the visible."""
    whole = {"input_fresh": 20, "cache_read": 100, "output_visible": 40}
    assert used(emitted["plain-streamed"]) == (whole if emitted["emitter"]["slug"] == "openllmetry" else USED)


def test_a_stream_without_usage_is_flagged_and_counts_nothing(emitted: Emitted) -> None:
    event = emitted["plain-untold"]
    assert (event["flags"], used(event), event["outcome"]) == (["no_usage"], {}, "ok")


def test_a_stream_left_early_is_cancelled(emitted: Emitted) -> None:
    event = emitted["plain-left"]
    assert event["outcome"] == "cancelled" and "streamed_incomplete" in event["flags"]


@pytest.mark.parametrize("name", ["tools", "tools-streamed"])
def test_tools_and_their_calls(emitted: Emitted, name: str) -> None:
    event = emitted[name]
    called = [each["function"] for each in event["response"]["choices"][0]["message"]["tool_calls"]]
    assert event["request"]["tools"] == [calls.TOOL] and event["finish_reason"] == "tool_calls"
    assert [each["name"] for each in called] == ["order", "order"] and "8813" in called[1]["arguments"]


def test_what_a_tool_answered_is_part_of_the_request(emitted: Emitted) -> None:
    turn = emitted["plain-turn"]["request"]["messages"][2:]
    assert turn[1] == calls.TURN[1] and turn[0]["tool_calls"][0]["id"] == "call_1"
    assert emitted["plain-turn"]["is_replayable"]


def test_several_answers_and_a_refusal(emitted: Emitted) -> None:
    assert len(emitted["several"]["response"]["choices"]) == 2 and "multiple_choices" in emitted["several"]["flags"]
    assert emitted["refuses"]["is_refusal"]


def test_an_error_keeps_its_request_and_its_status(emitted: Emitted) -> None:
    event = emitted["busy"]
    assert (event["outcome"], event["http_status"], event["served_model"]) == ("provider_error", 429, None)
    assert event["error_type"].endswith("RateLimitError") and event["request"]["messages"] == ASKED
    assert event["flags"] == []


def test_a_schema_that_was_not_traced_cannot_be_replayed(emitted: Emitted) -> None:
    event = emitted["plain-json"]
    if emitted["emitter"]["slug"] == "genai":
        assert event["not_replayable"] == ["schema_missing"] and "schema_unknown" in event["flags"]
    else:
        assert event["request"]["response_format"] == calls.SCHEMA and event["is_replayable"]


def test_an_image_is_kept_or_missed(emitted: Emitted) -> None:
    event = emitted["plain-seen"]
    if emitted["emitter"]["slug"] == "openllmetry":
        assert event["not_replayable"] == ["no_request"]
    else:
        assert event["request"]["messages"][0]["content"][1] == calls.IMAGE


def test_embeddings(emitted: Emitted) -> None:
    event = emitted["embeds"]
    assert (event["operation"], used(event)) == ("embedding", {"input_fresh": 6})
    assert (event["request"] or {"input": ["one", "two"]})["input"] == ["one", "two"]


def test_the_responses_api(emitted: Emitted) -> None:
    event = emitted["responds"]
    assert event["request"]["messages"] == ASKED and said(event) == scripted.SAID and used(event) == USED
    assert event["provider_response_id"] == "resp_responds"


def test_openinference_tells_whose_call_it_was(emitted: Emitted, answering: Provider) -> None:
    if emitted["emitter"]["slug"] == "openinference":
        event = emitted[answering.model]
        assert (event["session_id"], event["user_id"], event["tags"]) == ("s-9", "u-4", ["gold"])
        assert event["kind"] == "orders"
