"""Real clients over real sockets: the openai SDK and litellm, with only the address and the key changed."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from typing import Any

import openai
import pytest
from pydantic import BaseModel

from tests import factories
from tests.flows import scripted
from tests.flows.scripted import SAID
from tests.routing.gatewayed import Gateway, listening
from tests.routing.scripted import Step, served

ASKED: list[Any] = [{"role": "user", "content": "When does it ship?"}]
TOOLS: list[Any] = [{"type": "function", "function": {"name": "order", "parameters": {"type": "object"}}}]
# Two calls, as Anthropic answers.
CALLING: dict[str, Any] = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-sonnet-4-5",
    "content": [
        {"type": "tool_use", "id": f"toolu_{number}", "name": "order", "input": {"number": number}}
        for number in (8812, 8813)
    ],
    "stop_reason": "tool_use",
    "stop_sequence": None,
    "usage": {"input_tokens": 10, "output_tokens": 20},
}


@pytest.fixture
def address(gateway: Gateway) -> Iterator[str]:
    with listening() as found, scripted.provider() as upstream:
        gateway.lead_to(upstream, "proxy", "plain-1", "tools-1", "busy-1", "several-1")
        yield found


@pytest.fixture
def client(gateway: Gateway, address: str) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=address, api_key=gateway.key, max_retries=0) as made:
        yield made


def test_a_plain_answer(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(model="proxy/plain-1", messages=ASKED)
    assert answer.choices[0].message.content == SAID and answer.usage and answer.usage.total_tokens == 160


def test_a_stream(client: openai.OpenAI, gateway: Gateway) -> None:
    chunks = list(client.chat.completions.create(model="proxy/plain-1", messages=ASKED, stream=True))
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == SAID
    assert gateway.logged()[0]["tok_reasoning"] == 30


def test_tools_in_a_stream(client: openai.OpenAI) -> None:
    with client.chat.completions.stream(model="proxy/tools-1", messages=ASKED, tools=TOOLS) as stream:
        calls = stream.get_final_completion().choices[0].message.tool_calls or []
    assert [json.loads(call.function.arguments)["number"] for call in calls] == [8812, 8813]


def test_tools_in_a_stream_of_a_provider_with_a_protocol_of_its_own(client: openai.OpenAI, gateway: Gateway) -> None:
    with served(Step(body=json.dumps(CALLING).encode(), headers={"Content-Type": "application/json"})) as upstream:
        there = upstream.base_url.removesuffix("/v1")
        factories.connection(gateway.project, "claude", provider="anthropic", base_url=there)
        factories.supply_option("anthropic/claude-sonnet-4-5", abilities=["tools"], max_output_tokens=100)
        asked: Any = {"model": "anthropic/claude-sonnet-4-5", "messages": ASKED, "tools": TOOLS}
        with client.chat.completions.stream(**asked) as stream:
            calls = stream.get_final_completion().choices[0].message.tool_calls or []
    assert [json.loads(call.function.arguments)["number"] for call in calls] == [8812, 8813]


def test_several_choices(client: openai.OpenAI) -> None:
    assert len(client.chat.completions.create(model="proxy/several-1", messages=ASKED, n=2).choices) == 2


def test_a_schema_goes_out_as_it_was_asked_for(client: openai.OpenAI, gateway: Gateway) -> None:
    class Answer(BaseModel):
        day: str

    with pytest.raises(ValueError, match="Invalid JSON"):  # the script says a sentence, which the SDK then refuses
        client.chat.completions.parse(model="proxy/plain-1", messages=ASKED, response_format=Answer)
    (event,) = gateway.logged()
    assert event["request"]["response_format"]["json_schema"]["name"] == "Answer" and event["wants_json"]


def test_embeddings(client: openai.OpenAI) -> None:
    found = client.embeddings.create(model="proxy/plain-1", input=["one", "two"], encoding_format="float")
    assert len(found.data) >= 1


def test_the_raw_answer_tells_the_decision(client: openai.OpenAI, gateway: Gateway) -> None:
    raw = client.chat.completions.with_raw_response.create(model="proxy/plain-1", messages=ASKED)
    assert raw.headers["x-netra-option"] == "proxy/plain-1"
    assert gateway.logged()[0]["source_record_id"] == raw.headers["x-netra-decision"]


def test_errors_are_the_sdks_own(client: openai.OpenAI, address: str) -> None:
    with pytest.raises(openai.NotFoundError):
        client.chat.completions.create(model="nobody/knows", messages=ASKED)
    with pytest.raises(openai.RateLimitError):
        client.chat.completions.create(model="proxy/busy-1", messages=ASKED)
    with pytest.raises(openai.AuthenticationError):
        openai.OpenAI(base_url=address, api_key="netra_wrong", max_retries=0).models.list()


def test_the_models_are_listed(client: openai.OpenAI) -> None:
    assert "proxy/plain-1" in [model.id for model in client.models.list()]


def test_many_at_once_with_the_asynchronous_client(gateway: Gateway, address: str) -> None:
    async def ask() -> list[Any]:
        async with openai.AsyncOpenAI(base_url=address, api_key=gateway.key, max_retries=0) as made:
            asked = [made.chat.completions.create(model="proxy/plain-1", messages=ASKED) for _ in range(20)]
            return await asyncio.gather(*asked)

    answers = asyncio.run(ask())
    assert len(answers) == 20 and len(gateway.logged()) == 20


def test_a_client_that_leaves_a_stream_is_in_the_log(client: openai.OpenAI, gateway: Gateway) -> None:
    stream = client.chat.completions.create(model="proxy/plain-1", messages=ASKED, stream=True)
    next(iter(stream))
    stream.close()
    for _ in range(50):
        if found := gateway.logged():
            break
        time.sleep(0.1)
    assert found[0]["outcome"] in ("ok", "cancelled")


def test_litellm_as_a_client(gateway: Gateway, address: str) -> None:
    import litellm

    answer = litellm.completion(
        model="openai/proxy/plain-1", messages=ASKED, api_base=address, api_key=gateway.key, num_retries=0
    )
    assert answer.choices[0].message.content == SAID
    assert gateway.logged()[0]["requested_model"] == "proxy/plain-1"
