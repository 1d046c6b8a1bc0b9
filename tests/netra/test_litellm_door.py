"""Providers that litellm translates: failures in our own words, money never taken for unspent, and no key let out."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest

from netra import litellm_door, llm
from netra.errors import ProviderFailed
from netra.llm import Destination
from tests.routing.scripted import CANARY, Step, provider

ASKED: dict[str, Any] = {"messages": [{"role": "user", "content": "hi"}], "max_tokens": 5}
TO = Destination("anthropic", "http://x", CANARY)
GOOD = {
    "id": "msg_1", "type": "message", "role": "assistant", "model": "claude-sonnet-4-5",
    "content": [{"type": "text", "text": "four"}], "stop_reason": "end_turn", "stop_sequence": None,
    "usage": {"input_tokens": 10, "output_tokens": 2},
}  # fmt: skip


def trouble(kind: str, **fields: Any) -> Exception:
    """An exception as litellm raises them, told apart by the name of its class; its text holds the key."""
    made: Exception = type(kind, (Exception,), {})(f"failed with key {CANARY}")
    for name, value in fields.items():
        setattr(made, name, value)
    return made


def answer(body: Any, status: int = 200, **headers: str) -> Step:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Step(status, data, {"Content-Type": "application/json", **headers})


async def failure(step: Step, request: dict[str, Any] | None = None, deadline_s: float = 30) -> ProviderFailed:
    async with provider(step) as server:
        to = Destination("anthropic", server.base_url.removesuffix("/v1"), CANARY)
        with pytest.raises(ProviderFailed) as failed:
            await llm.complete(to, "claude-sonnet-4-5", request or ASKED, deadline_s=deadline_s)
        assert len(server.asked) <= 1, "a second request would be unaccounted for"
    return failed.value


# What an exception means.


@pytest.mark.parametrize(
    ("problem", "code", "retry", "paid"),
    [
        (trouble("Timeout"), "timeout", True, None),
        (trouble("Timeout", status_code=408), "timeout", True, None),
        (trouble("APIConnectionError", status_code=500), "disconnected", True, None),
        (trouble("ValueError"), "disconnected", False, None),
        (trouble("APIError", status_code="500"), "disconnected", False, None),
        (trouble("AuthenticationError", status_code=401), "key_refused", False, False),
        (trouble("NotFoundError", status_code=404), "model_not_found", False, False),
        (trouble("BadRequestError", status_code=400), "request_refused", False, False),
        (trouble("RateLimitError", status_code=429), "rate_limited", True, False),
        (trouble("InternalServerError", status_code=500), "provider_error", True, None),
        (trouble("ServiceUnavailableError", status_code=503), "provider_error", True, None),
        (trouble("APIError", status_code=529), "provider_error", True, None),
    ],
    ids=lambda each: type(each).__name__ if isinstance(each, Exception) else None,
)
def test_each_trouble_has_its_code_its_retry_and_its_doubt(
    problem: Exception, code: str, retry: bool, paid: bool | None
) -> None:
    found = litellm_door._failed(TO, problem)
    assert (found.code, found.retry, found.paid) == (code, retry, paid)
    assert CANARY not in str(found) and CANARY not in repr(found)


def test_when_to_come_again_is_passed_on() -> None:
    response = type("Response", (), {"headers": {"retry-after": "7", "Retry-After": "7"}})()
    assert litellm_door._failed(TO, trouble("RateLimitError", status_code=429, response=response)).retry_after_s == 7
    assert litellm_door._failed(TO, trouble("RateLimitError", status_code=429)).retry_after_s is None


# Over a real socket.


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"{half", b"[]", b"null", b'{"id": "x"}', {**GOOD, "content": "four"}]
)
async def test_a_200_that_is_no_answer_may_have_been_paid(body: Any) -> None:
    found = await failure(answer(body))
    assert found.paid is None and CANARY not in str(found)


@pytest.mark.parametrize(
    "step",
    [
        Step(hang_up=True),
        Step(body=json.dumps(GOOD).encode(), headers={"Content-Type": "application/json"}, cut=20),
        Step(body=b"event: message_start\ndata: {", headers={"Content-Type": "text/event-stream"}),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
async def test_an_answer_that_broke_off_may_have_been_paid(step: Step, stream: bool) -> None:
    found = await failure(step, {**ASKED, "stream": stream})
    assert found.paid is None and CANARY not in str(found)


EVENTS = [
    {"type": "message_start", "message": {**GOOD, "content": [], "stop_reason": None}},
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "fo"}},
    {"type": "content_block_stop", "index": 0},
    {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 2}},
]


@pytest.mark.parametrize("n_events", [0, 1, 3, 4])
async def test_half_an_answer_is_not_taken_for_a_whole_one(n_events: int) -> None:
    raw = "".join(f"event: {each['type']}\ndata: {json.dumps(each)}\n\n" for each in EVENTS[:n_events])
    found = await failure(
        Step(body=raw.encode(), headers={"Content-Type": "text/event-stream"}), ASKED | {"stream": True}
    )
    assert (found.code, found.retry, found.paid) == ("cut_stream", True, None)


async def test_silence_ends_at_the_deadline() -> None:
    await failure(answer(GOOD, 401))  # litellm is loaded by now, so that the deadline is the provider's alone
    found = await failure(Step(silence_s=5), deadline_s=0.3)
    assert (found.code, found.paid, found.retry) == ("timeout", None, True)


async def test_nothing_of_the_request_stands_in_the_sentence() -> None:
    request = {"messages": [{"role": "user", "content": "my secret diary"}], "max_tokens": 5}
    found = await failure(answer({"type": "error", "error": {"type": "x", "message": "my secret diary"}}, 400), request)
    assert "diary" not in str(found) and found.__cause__ is None


async def test_a_model_named_in_the_request_does_not_go_before_the_option_s() -> None:
    async with provider(answer(GOOD)) as server:
        to = Destination("anthropic", server.base_url.removesuffix("/v1"), CANARY)
        await llm.complete(to, "claude-sonnet-4-5", {**ASKED, "model": "claude-opus-4-1"}, deadline_s=30)
    assert server.asked[0]["model"] == "claude-sonnet-4-5"


async def test_a_provider_that_nobody_knows_is_a_failure_and_not_a_crash() -> None:
    with pytest.raises(ProviderFailed):
        await llm.complete(Destination("nobody", "", CANARY), "foo", ASKED, deadline_s=30)


async def test_it_loads_without_asking_the_network_for_prices() -> None:
    litellm = litellm_door._litellm()
    assert os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] == "True"
    assert litellm.telemetry is False and litellm.drop_params is False


@pytest.mark.parametrize(
    ("asked", "left_out"),
    [
        ({"max_tokens": 5, "temperature": 0}, ()),
        ({"logit_bias": {}, "temperature": 0, "n": 2}, ("logit_bias", "n")),
        ({"top_k": 5, "thinking": {}}, ()),
        ({}, ()),
    ],
)
def test_only_openais_own_parameters_are_ever_left_out(asked: dict[str, Any], left_out: tuple[str, ...]) -> None:
    found = litellm_door._unsupported(litellm_door._litellm(), TO, "claude-sonnet-4-5", {**ASKED, **asked})
    assert found == left_out


async def test_tools_are_offered_and_called() -> None:
    used = [{"type": "tool_use", "id": "toolu_1", "name": "order", "input": {"number": 8812}}]
    tool = {"type": "function", "function": {"name": "order", "parameters": {"type": "object", "properties": {}}}}
    async with provider(answer({**GOOD, "content": used, "stop_reason": "tool_use"})) as server:
        to = Destination("anthropic", server.base_url.removesuffix("/v1"), CANARY)
        said = await llm.complete(to, "claude-sonnet-4-5", {**ASKED, "tools": [tool]}, deadline_s=30)
    message = said.body["choices"][0]["message"]
    assert message["tool_calls"][0]["function"] == {"name": "order", "arguments": '{"number": 8812}'}
