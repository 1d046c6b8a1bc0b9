"""The door to providers: streams over a real socket, and providers that litellm translates."""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import warnings
from dataclasses import replace
from datetime import timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from django.utils import timezone

from netra import exchange, llm
from netra.errors import ProviderFailed
from netra.llm import Destination
from tests.routing.scripted import CANARY, Step, error, piece, provider, said, streamed

ASKED = {"messages": [{"role": "user", "content": "hi"}]}


def there(base_url: str, provider_name: str = llm.OPENAI_COMPATIBLE, **fields: Any) -> Destination:
    return Destination(provider_name, base_url, CANARY, **fields)


async def ask(base_url: str, request: dict[str, Any] | None = None, deadline_s: float = 5) -> llm.Answer:
    return await llm.complete(there(base_url), "foo", request or ASKED, deadline_s=deadline_s)


GOOD_STREAM = [
    piece({"role": "assistant", "content": ""}),
    piece({"content": "fo"}),
    piece({"content": "ur"}, "stop"),
    {"id": "c-1", "choices": [], "usage": {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}},
]


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
async def test_a_stream_comes_back_whole_with_usage_and_time_to_first_token(newline: str) -> None:
    async with provider(streamed(*GOOD_STREAM, newline=newline)) as server:
        answer = await ask(server.base_url, {**ASKED, "stream": True})
    assert answer.body["choices"][0]["message"]["content"] == "four"
    assert answer.body["usage"]["total_tokens"] == 7
    assert answer.ttft_ms is not None and answer.ttft_ms >= 0
    assert answer.adjustments == ("stream_options.include_usage added",)
    assert server.asked[0]["stream_options"] == {"include_usage": True}


async def test_stream_options_stay_as_they_are_and_go_only_with_streams() -> None:
    async with provider(streamed(*GOOD_STREAM), said()) as server:
        options = {"include_usage": True, "x": 1}
        streaming = await ask(server.base_url, {**ASKED, "stream": True, "stream_options": options})
        plain = await ask(server.base_url, {**ASKED, "stream_options": options})
    assert streaming.adjustments == plain.adjustments == ()
    assert server.asked[0]["stream_options"] == options and "stream_options" not in server.asked[1]


async def test_a_server_that_streams_without_a_final_mark_is_understood() -> None:
    async with provider(streamed(*GOOD_STREAM, done=False)) as server:
        answer = await ask(server.base_url, {**ASKED, "stream": True})
    assert answer.body["choices"][0]["finish_reason"] == "stop"


async def test_a_server_that_does_not_stream_though_asked_is_understood() -> None:
    async with provider(said("four")) as server:
        answer = await ask(server.base_url, {**ASKED, "stream": True})
    assert answer.ttft_ms is None and answer.body["choices"][0]["message"]["content"] == "four"


async def test_an_error_inside_a_stream() -> None:
    async with provider(streamed(piece({"content": "a"}), {"error": {"message": "overloaded"}})) as server:
        with pytest.raises(ProviderFailed, match="overloaded") as failed:
            await ask(server.base_url, {**ASKED, "stream": True})
    assert failed.value.retry and failed.value.paid is None


async def test_an_endless_answer_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchange, "MAX_ANSWER_BYTES", 1_000)
    async with provider(Step(body=b" " * 5_000), streamed(*[piece({"content": "a" * 300})] * 9)) as server:
        for _ in range(2):
            with pytest.raises(ProviderFailed) as failed:
                await ask(server.base_url)
            assert failed.value.code == "answer_too_large" and not failed.value.retry


async def test_which_models_a_server_has() -> None:
    body = json.dumps({"data": [{"id": "a"}, {"id": 3}, "x", {"id": "b"}]}).encode()
    async with provider(Step(body=body)) as server:
        assert await llm.model_names(there(server.base_url)) == ["a", "b"]
    assert server.paths == ["/v1/models"]


async def test_a_server_without_a_list_of_models() -> None:
    async with provider(error(404)) as server:
        with pytest.raises(ProviderFailed, match="404"):
            await llm.model_names(there(server.base_url))


def test_each_event_loop_has_its_session_and_closes_it() -> None:
    async def twice() -> None:
        async with provider(said()) as server:
            await ask(server.base_url)
            await ask(server.base_url)

    with warnings.catch_warnings():
        warnings.simplefilter("error", ResourceWarning)
        asyncio.run(twice())
        asyncio.run(twice())
        gc.collect()


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, None),
        ({"Retry-After": "3"}, 3.0),
        ({"Retry-After": "0.5"}, 0.5),
        ({"retry-after-ms": "250", "Retry-After": "3"}, 0.25),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "-3"}, None),
        ({"Retry-After": "1e9"}, None),
        ({"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}, 0.0),
        ({"Retry-After": "Wed, 99 Oct 2015 07:28:00 GMT"}, None),
    ],
)
def test_when_to_come_again(headers: dict[str, str], expected: float | None) -> None:
    assert llm.retry_after_s(headers) == expected


def test_a_date_to_come_again() -> None:
    header = format_datetime(timezone.now() + timedelta(seconds=90), usegmt=True)
    assert 80 < (llm.retry_after_s({"Retry-After": header}) or 0) <= 90


def test_secrets_are_taken_out_of_what_is_shown() -> None:
    to = there("http://x", headers={"X-Team": "team-secret-1"})
    shown = to.without_secrets(f"bad {CANARY}\n and team-secret-1 and sk-proj-abcdef123456 " + "x" * 900)
    assert CANARY not in shown and "team-secret-1" not in shown and "abcdef" not in shown
    assert len(shown) <= 300 and "\n" not in shown
    assert CANARY not in repr(to) and "team-secret-1" not in repr(to)


ANTHROPIC = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-sonnet-4-5",
    "content": [{"type": "text", "text": "four"}],
    "stop_reason": "end_turn",
    "stop_sequence": None,
    "usage": {"input_tokens": 10, "output_tokens": 2, "cache_read_input_tokens": 90, "cache_creation_input_tokens": 0},
}


def as_json(body: dict[str, Any]) -> Step:
    return Step(body=json.dumps(body).encode(), headers={"Content-Type": "application/json"})


async def ask_claude(base_url: str, request: dict[str, Any], **fields: Any) -> llm.Answer:
    to = there(base_url.removesuffix("/v1"), "anthropic", **fields)
    return await llm.complete(to, "claude-sonnet-4-5", request, deadline_s=60)


async def test_a_provider_with_its_own_format_is_translated() -> None:
    async with provider(as_json(ANTHROPIC)) as server:
        answer = await ask_claude(server.base_url, {**ASKED, "max_tokens": 50}, headers={"X-Team": "red"})
    assert server.paths == ["/v1/messages"] and server.asked[0]["max_tokens"] == 50
    assert server.headers[0]["x-api-key"] == CANARY and server.headers[0]["x-team"] == "red"
    assert answer.body["choices"][0]["message"]["content"] == "four"
    assert answer.body["choices"][0]["finish_reason"] == "stop"
    assert answer.body["usage"]["prompt_tokens"] == 100
    assert answer.body["usage"]["prompt_tokens_details"]["cached_tokens"] == 90


async def test_parameters_a_provider_does_not_know_are_left_out_only_when_told_and_never_silently() -> None:
    request = {**ASKED, "max_tokens": 5, "logit_bias": {"1": 2}}
    async with provider(as_json(ANTHROPIC)) as server:
        with pytest.raises(ProviderFailed) as failed:
            await ask_claude(server.base_url, request)
        assert not failed.value.retry and server.asked == []
        answer = await ask_claude(server.base_url, request, drop_unsupported=True)
    assert answer.adjustments == ("logit_bias left out",)
    assert "logit_bias" not in server.asked[0]


@pytest.mark.parametrize(
    ("status", "retry", "paid"), [(401, False, False), (400, False, False), (429, True, False), (529, True, None)]
)
async def test_errors_of_translated_providers(
    status: int, retry: bool, paid: bool | None, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    body = json.dumps({"type": "error", "error": {"type": "x", "message": f"no {CANARY}"}}).encode()
    async with provider(Step(status, body, {"Content-Type": "application/json"})) as server:
        with pytest.raises(ProviderFailed) as failed:
            await ask_claude(server.base_url, {**ASKED, "max_tokens": 5})
    assert (failed.value.retry, failed.value.paid) == (retry, paid)
    assert len(server.asked) == 1, "litellm must not retry behind our back: each attempt is accounted"
    assert CANARY not in str(failed.value) and failed.value.__cause__ is None


async def test_a_translated_stream() -> None:
    events = [
        {"type": "message_start", "message": {**ANTHROPIC, "content": []}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "four"}},
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 2}},
        {"type": "message_stop"},
    ]
    raw = "".join(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in events).encode()
    async with provider(Step(body=raw, headers={"Content-Type": "text/event-stream"})) as server:
        request = {**ASKED, "max_tokens": 5, "stream": True, "stream_options": {"include_usage": True}}
        answer = await ask_claude(server.base_url, request)
    assert answer.body["choices"][0]["message"]["content"] == "four"
    assert answer.ttft_ms is not None
    assert answer.body["usage"]["completion_tokens"] == 2


def test_addresses_of_those_who_speak_the_format_themselves() -> None:
    assert Destination("openai").address == "https://api.openai.com/v1"
    assert replace(Destination("openai"), base_url="http://proxy/v1/").address == "http://proxy/v1"
    assert not Destination("anthropic").speaks_openai
