"""Portkey's open-source gateway as an upstream: a connection with its headers, the provider behind it on a socket."""

from __future__ import annotations

import json
import socket
import subprocess
import time
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from routing import connections
from tests import factories
from tests.clients import node
from tests.routing.gatewayed import Gateway, chat
from tests.routing.scripted import Provider, Step, error, piece, said, served, streamed

ASKED = chat(model="portkey/foo")
STREAM = streamed(
    piece({"role": "assistant", "content": "4"}),
    piece({}, "stop"),
    {"id": "c-1", "choices": [], "usage": {"prompt_tokens": 12, "completion_tokens": 3, "total_tokens": 15}},
)


@pytest.fixture(scope="module")
def portkey() -> Iterator[str]:
    """Its address; the gateway is told of the provider by each request's headers."""
    node.ready()
    port = _free_port()
    server = node.MODULES / "@portkey-ai" / "gateway" / "build" / "start-server.js"
    command = ("node", str(server), f"--port={port}", "--headless")
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        _wait_for(port, process)
        yield f"http://127.0.0.1:{port}/v1"
        process.terminate()


def _free_port() -> int:
    with socket.socket() as each:
        each.bind(("127.0.0.1", 0))
        return int(each.getsockname()[1])


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end and process.poll() is None:
        with socket.socket() as each:
            if each.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    pytest.fail("Portkey's gateway did not start.")


def lead(gateway: Gateway, portkey: str, behind: Provider) -> None:
    """The connection as its owner makes it, and an option behind it."""
    headers = {"x-portkey-provider": "openai", "x-portkey-custom-host": behind.base_url}
    given = {"base_url": portkey, "key": "sk-behind-portkey", "headers": headers, "deadline_s": 20.0}
    connections.create(gateway.project, name="portkey", provider="openai_compatible", given=given)
    factories.supply_option("portkey/foo", abilities=["tools"], max_output_tokens=100)


def test_an_answer_comes_through(gateway: Gateway, portkey: str) -> None:
    with served(said("4", prompt=1_000, completion=500)) as behind:
        lead(gateway, portkey, behind)
        reply = gateway.ask(ASKED)
    assert reply.json["choices"][0]["message"]["content"] == "4"
    (event,) = gateway.logged()
    assert event["cost_recorded_usd"] == Decimal("0.006") and event["tok_input_fresh"] == 1_000


def test_the_key_and_the_request_reach_the_provider_behind_it(gateway: Gateway, portkey: str) -> None:
    with served(said()) as behind:
        lead(gateway, portkey, behind)
        gateway.ask({**ASKED, "temperature": 0.2, "tools": [{"type": "function", "function": {"name": "order"}}]})
    assert behind.headers[0]["authorization"] == "Bearer sk-behind-portkey"
    assert behind.paths == ["/v1/chat/completions"]
    assert behind.asked[0]["temperature"] == 0.2 and behind.asked[0]["model"] == "foo" and behind.asked[0]["tools"]
    assert gateway.key not in json.dumps(behind.headers)


def test_a_stream_comes_through_event_by_event(gateway: Gateway, portkey: str) -> None:
    with served(STREAM) as behind:
        lead(gateway, portkey, behind)
        reply = gateway.ask({**ASKED, "stream": True})
    assert reply.events[-1] == "[DONE]" and reply.events[0]["choices"][0]["delta"]["content"] == "4"
    assert behind.asked[0]["stream_options"] == {"include_usage": True}
    assert gateway.logged()[0]["tok_output_visible"] == 3


def test_a_refusal_of_the_provider_is_told_as_one(gateway: Gateway, portkey: str) -> None:
    with served(error(400, "temperature must be at most 2")) as behind:
        lead(gateway, portkey, behind)
        reply = gateway.ask(ASKED)
    assert reply.status == 400 and "temperature must be at most 2" in reply.body.decode()
    assert len(behind.asked) == 1


def test_a_provider_that_fails_once_is_asked_again(gateway: Gateway, portkey: str) -> None:
    with served(error(500), said("good")) as behind:
        lead(gateway, portkey, behind)
        reply = gateway.ask(ASKED)
    assert reply.json["choices"][0]["message"]["content"] == "good"
    assert [each["error"] for each in _attempts(gateway)] == ["provider_error", None]


def test_a_stream_cut_behind_it_is_no_whole_answer(gateway: Gateway, portkey: str) -> None:
    cut = streamed(piece({"content": "The ans"}), done=False)
    with served(Step(body=cut.body, headers=cut.headers)) as behind:
        lead(gateway, portkey, behind)
        reply = gateway.ask({**ASKED, "stream": True})
    assert reply.events[-1]["error"]["code"] == "cut_stream"


def test_an_edit_of_it_shows_no_header(gateway: Gateway, portkey: str) -> None:
    with served(said()) as behind:
        lead(gateway, portkey, behind)
    reply = factories.api_client(gateway.project).get(f"/api/v1/projects/{gateway.project.slug}/providers")
    assert reply.json()[0]["name"] == "portkey" and "x-portkey" not in reply.content.decode()


def _attempts(gateway: Gateway) -> list[dict[str, Any]]:
    (event,) = gateway.logged()
    return list(event["metadata"]["attempts"])
