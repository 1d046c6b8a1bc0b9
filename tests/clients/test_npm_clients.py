"""Clients from npm over real sockets: openai-node and the Vercel AI SDK, with only the address and the key changed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.clients import node
from tests.flows import scripted as several
from tests.flows.scripted import SAID
from tests.routing.gatewayed import Gateway, listening
from tests.routing.scripted import Step, piece, said, served, streamed

Play = Callable[..., Any]


@pytest.fixture(scope="module")
def driver() -> Iterator[node.Driver]:
    with node.driver() as made:
        yield made


@pytest.fixture(params=["openai", "vercel"])
def play(request: pytest.FixtureRequest, driver: node.Driver, gateway: Gateway) -> Iterator[Play]:
    """Play a scenario of a client, at a model that says one sentence unless told otherwise."""
    with listening() as address, several.provider() as upstream:
        gateway.lead_to(upstream, "proxy", "plain-1", "tools-1", "busy-1")
        known = {"base_url": address, "key": gateway.key, "model": "proxy/plain-1"}
        yield lambda scenario, **fields: driver.play(request.param, scenario, **known | fields)


def test_a_plain_answer(play: Play, gateway: Gateway) -> None:
    assert play("chat") == {"text": SAID, "tokens": 160, "option": "proxy/plain-1"}
    assert gateway.logged()[0]["outcome"] == "ok"


def test_a_stream_with_its_usage(play: Play, gateway: Gateway) -> None:
    assert play("stream") == {"text": SAID, "tokens": 160}
    assert gateway.logged()[0]["tok_reasoning"] == 30


@pytest.mark.parametrize("scenario", ["tools", "streamed_tools"])
def test_tools(play: Play, scenario: str) -> None:
    assert play(scenario, model="proxy/tools-1") == [8812, 8813]


def test_structured_output(play: Play, gateway: Gateway) -> None:
    with served(said('{"day": "Friday"}')) as upstream:
        gateway.lead_to(upstream.base_url, "other", "json-1")
        assert play("schema", model="other/json-1") == {"day": "Friday"}
    assert upstream.asked[0]["response_format"]["type"] == "json_schema" and gateway.logged()[0]["wants_json"]


def test_responses(play: Play, gateway: Gateway) -> None:
    assert play("responses") == SAID
    assert gateway.logged()[0]["operation"] == "responses"


def test_embeddings(play: Play) -> None:
    assert play("embeddings") == [[0.5, 0.25], [0.5, 0.25]]


@pytest.mark.parametrize(
    ("fields", "status"),
    [({"model": "proxy/busy-1"}, 429), ({"model": "nobody/knows"}, 404), ({"key": "netra_wrong"}, 401)],
)
def test_errors_are_the_clients_own(play: Play, fields: dict[str, str], status: int) -> None:
    found = play("chat", **fields)
    assert found["status"] == status and found["problem"].endswith("Error")


def test_an_aborted_stream_is_stopped_upstream_and_in_the_log(play: Play, gateway: Gateway) -> None:
    begun = streamed(*[piece({"content": "word "})] * 3, done=False)
    endless = Step(body=begun.body, headers={**begun.headers, "Content-Length": "1000000"}, stays_s=60.0)
    with served(endless) as upstream:
        gateway.lead_to(upstream.base_url, "slow", "endless-1", deadline_s=60.0)
        assert "word" in play("abort", model="slow/endless-1")
        _until(lambda: upstream.n_inside == 0)
    _until(gateway.logged)
    (event,) = gateway.logged()
    assert (event["outcome"], event["error_type"]) == ("cancelled", "client_disconnected")


def test_the_models_are_listed(driver: node.Driver, gateway: Gateway) -> None:
    with listening() as address:
        gateway.lead_to("http://127.0.0.1:9/v1", "proxy", "plain-1")
        found = driver.play("openai", "models", base_url=address, key=gateway.key, model="")
    assert "proxy/plain-1" in found


def _until(holds: Callable[[], object]) -> None:
    end = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.05)
