"""The gateway as a client of OpenAI's API meets it: answers, streams, errors, and the event of each."""

from __future__ import annotations

import asyncio
import json
from decimal import Decimal
from typing import Any

import pytest
from pytest_django import DjangoAssertNumQueries

from netra.errors import NotFound
from projects.models import Project
from routing import policies
from routing.gateway import front, tenants
from routing.gateway.tenants import TENANTS
from tests import factories
from tests.routing.gatewayed import Gateway, chat
from tests.routing.scripted import CANARY, Step, error, piece, provider, said, served, streamed

STREAM = streamed(
    piece({"role": "assistant", "content": ""}),
    piece({"content": "4"}),
    piece({}, "stop"),
    {"id": "c-1", "choices": [], "usage": {"prompt_tokens": 12, "completion_tokens": 3, "total_tokens": 15}},
)


def test_an_answer_is_passed_on_as_it_came(gateway: Gateway) -> None:
    with served(said("4", odd_field={"kept": True})) as upstream:
        gateway.lead_to(upstream.base_url)
        reply = gateway.ask(chat(temperature=0.2, unknown_field=[1]))
    assert reply.status == 200 and reply.json["odd_field"] == {"kept": True}
    assert upstream.asked[0] == {**chat(temperature=0.2, unknown_field=[1]), "model": "foo"}


def test_the_answer_says_which_option_and_what_it_cost(gateway: Gateway) -> None:
    with served(said(prompt=1000, completion=500)) as upstream:
        gateway.lead_to(upstream.base_url)
        headers = gateway.ask().headers
    assert headers["x-netra-option"] == "proxy/foo"
    assert Decimal(headers["x-netra-cost-usd"]) == Decimal("0.006")
    assert len(headers["x-netra-decision"]) == 32


def test_the_event_is_in_the_log(gateway: Gateway) -> None:
    with served(said(prompt=1000, completion=500)) as upstream:
        gateway.lead_to(upstream.base_url)
        reply = gateway.ask(headers=[(b"x-netra-session", b"s-1"), (b"x-netra-feature", b"triage")])
    (event,) = gateway.logged()
    assert event["source_record_id"] == reply.headers["x-netra-decision"]
    assert event["purpose"] == "live" and event["session_id"] == "s-1" and event["kind"] == "triage"
    assert event["cost_recorded_usd"] == Decimal("0.006") and event["tok_input_fresh"] == 1000


def test_the_providers_key_goes_out_and_nothing_of_ours(gateway: Gateway) -> None:
    with served(said()) as upstream:
        gateway.lead_to(upstream.base_url, key=CANARY)
        gateway.ask()
    assert upstream.headers[0]["authorization"] == f"Bearer {CANARY}"
    assert gateway.key not in json.dumps(upstream.headers)


def test_a_bare_model_name_is_enough(gateway: Gateway) -> None:
    with served(said()) as upstream:
        gateway.lead_to(upstream.base_url)
        assert gateway.ask(chat(model="foo")).headers["x-netra-option"] == "proxy/foo"


def test_a_stream_is_passed_on_without_the_usage_nobody_asked_for(gateway: Gateway) -> None:
    with served(STREAM) as upstream:
        gateway.lead_to(upstream.base_url)
        reply = gateway.ask(chat(stream=True))
    assert reply.events[-1] == "[DONE]" and len(reply.events) == 4
    assert upstream.asked[0]["stream_options"] == {"include_usage": True}
    (event,) = gateway.logged()
    assert event["tok_output_visible"] == 3 and event["response"]["choices"][0]["message"]["content"] == "4"
    assert event["ttft_ms"] is not None and event["stream"] is True


def test_a_stream_shows_its_usage_to_who_asks(gateway: Gateway) -> None:
    with served(STREAM) as upstream:
        gateway.lead_to(upstream.base_url)
        reply = gateway.ask(chat(stream=True, stream_options={"include_usage": True}))
    assert reply.events[-2]["usage"]["total_tokens"] == 15


def test_a_failing_provider_is_asked_once_more(gateway: Gateway) -> None:
    with served(error(500), said("good")) as upstream:
        gateway.lead_to(upstream.base_url)
        assert gateway.ask().json["choices"][0]["message"]["content"] == "good"
    (event,) = gateway.logged()
    assert [attempt["error"] for attempt in event["metadata"]["attempts"]] == ["provider_error", None]
    assert "retried" in event["flags"]


def test_a_request_the_provider_refuses_is_refused_in_its_words(gateway: Gateway) -> None:
    with served(error(400, "temperature must be at most 2")) as upstream:
        gateway.lead_to(upstream.base_url)
        reply = gateway.ask()
    assert reply.status == 400 and reply.json["error"]["message"] == "temperature must be at most 2"
    assert len(upstream.asked) == 1
    assert gateway.logged()[0]["outcome"] == "provider_error"


def test_a_refused_provider_key_is_not_the_clients(gateway: Gateway) -> None:
    with served(error(401, f"Incorrect API key provided: {CANARY}")) as upstream:
        gateway.lead_to(upstream.base_url, key=CANARY)
        reply = gateway.ask()
    assert reply.status == 502 and reply.json["error"]["code"] == "key_refused"
    assert CANARY not in reply.body.decode()


def test_a_limit_upstream_is_a_limit_here(gateway: Gateway) -> None:
    with served(Step(429, b'{"error": {"message": "slow down"}}', {"Retry-After": "30"})) as upstream:
        gateway.lead_to(upstream.base_url)
        reply = gateway.ask()
    assert reply.status == 429 and len(upstream.asked) == 1


@pytest.mark.parametrize(
    "bad",
    [
        Step(body=b'{"choices": [{"mess', headers={"Content-Type": "application/json"}),
        Step(body=b"{}", headers={"Content-Type": "application/json"}),
        Step(hang_up=True),
        Step(body=said().body, cut=20),
    ],
)
def test_no_half_answer_reaches_the_client(gateway: Gateway, bad: Step) -> None:
    with served(bad, said("whole")) as upstream:
        gateway.lead_to(upstream.base_url)
        assert gateway.ask().json["choices"][0]["message"]["content"] == "whole"
    assert gateway.logged()[0]["cost_recorded_usd"] is None  # the first attempt may have been paid


def test_a_stream_that_breaks_off_ends_with_an_error(gateway: Gateway) -> None:
    with served(streamed(piece({"content": "The ans"}), done=False)) as upstream:
        gateway.lead_to(upstream.base_url)
        reply = gateway.ask(chat(stream=True))
    assert reply.events[-1]["error"]["code"] == "cut_stream" and reply.is_whole
    (event,) = gateway.logged()
    assert event["outcome"] == "provider_error" and event["usage_origin"] == "gateway_estimate"
    assert event["response"]["choices"][0]["message"]["content"] == "The ans"


def test_a_stream_that_never_begins_is_tried_again(gateway: Gateway) -> None:
    with served(Step(body=b"data: {half", headers={"Content-Type": "text/event-stream"}), STREAM) as upstream:
        gateway.lead_to(upstream.base_url)
        assert gateway.ask(chat(stream=True)).events[-1] == "[DONE]"


def test_a_client_that_hangs_up_stops_the_call_and_leaves_its_event(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(front, "WATCH_AFTER_S", 0.0)
    slow = streamed(*[piece({"content": "word "})] * 3, done=False)
    with served(Step(body=slow.body + b" " * 10, headers={**slow.headers, "Content-Length": "100000"})) as upstream:
        gateway.lead_to(upstream.base_url)
        reply = gateway.ask(chat(stream=True), hang_up_after=1)
    assert not reply.is_whole
    (event,) = gateway.logged()
    assert event["outcome"] == "cancelled" and event["error_type"] == "client_disconnected"


def test_embeddings_are_served(gateway: Gateway) -> None:
    answer = {
        "object": "list",
        "data": [{"index": 0, "embedding": [0.5]}],
        "usage": {"prompt_tokens": 3, "total_tokens": 3},
    }
    with served(Step(body=json.dumps(answer).encode())) as upstream:
        gateway.lead_to(upstream.base_url)
        reply = gateway.ask({"model": "proxy/foo", "input": "x"}, "/v1/embeddings")
    assert reply.json == answer and upstream.paths == ["/v1/embeddings"]
    assert gateway.logged()[0]["operation"] == "embeddings"


def test_responses_are_served_as_streams_of_named_events(gateway: Gateway) -> None:
    whole = {
        "id": "r-1",
        "model": "foo",
        "output": [],
        "usage": {"input_tokens": 4, "output_tokens": 2, "total_tokens": 6},
    }
    events = ({"type": "response.created"}, {"type": "response.completed", "response": whole})
    with served(streamed(*events, done=False)) as upstream:
        gateway.lead_to(upstream.base_url)
        reply = gateway.ask({"model": "proxy/foo", "input": "x", "stream": True}, "/v1/responses")
    assert b"event: response.completed\ndata: " in reply.body
    assert gateway.logged()[0]["tok_output_visible"] == 2


def test_which_models_there_are(gateway: Gateway) -> None:
    gateway.lead_to("http://127.0.0.1:9/v1")
    reply = gateway.ask(path="/v1/models", method="GET")
    assert "proxy/foo" in [row["id"] for row in reply.json["data"]]


@pytest.mark.parametrize(
    ("sent", "status", "code"),
    [
        (b"", 400, "invalid"),
        (b"[]", 400, "invalid"),
        (b"{}", 400, "invalid"),
        (b'{"model": 5}', 400, "invalid"),
        (b'{"model": "nobody/knows"}', 404, "model_not_found"),
        (b'{"model": "netra/auto"}', 404, "model_not_found"),
        (b"[" * 100_000, 400, "invalid"),
        (b'{"model": "\xff"}', 400, "invalid"),
        (b'{"model": "a\\u0000b"}', 404, "model_not_found"),
    ],
)
def test_what_cannot_be_served_is_told_in_openais_shape(gateway: Gateway, sent: bytes, status: int, code: str) -> None:
    reply = gateway.ask(sent or b" ")
    assert (reply.status, reply.json["error"]["code"]) == (status, code)


def test_a_name_that_no_option_can_have_is_not_looked_for(
    project: Project, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_num_queries(0), pytest.raises(NotFound, match="There is no model"):
        tenants._option_name(project, "a\0b")


@pytest.mark.parametrize("key", ["", "netra_wrong", "\x00"])
def test_without_a_key_in_use_nothing_is_served(gateway: Gateway, key: str) -> None:
    assert gateway.ask(key=key).status == 401


def test_a_key_leads_to_its_own_projects_options_only(gateway: Gateway) -> None:
    stranger = factories.project("other")
    factories.connection(stranger, "theirs", provider="openai_compatible", base_url="http://127.0.0.1:9/v1")
    factories.supply_option("theirs/secret", project=stranger)
    assert gateway.ask(chat(model="theirs/secret")).status == 404


def test_a_revoked_key_is_refused_after_the_refresh(gateway: Gateway) -> None:
    gateway.ask()
    gateway.project.api_keys.get().revoke()
    TENANTS.forget()
    assert gateway.ask().status == 401


@pytest.mark.parametrize("value", [b"x", b"0", b"-1", b"nan", b"inf"])
def test_a_header_that_is_no_number_is_told(gateway: Gateway, value: bytes) -> None:

    gateway.lead_to("http://127.0.0.1:9/v1")
    policies.write(gateway.project, "auto", kind="fixed", default_option="proxy/foo", rules={}, by=None)
    reply = gateway.ask(chat(model="netra/auto"), headers=[(b"x-netra-deadline-ms", value)])
    assert reply.status == 400 and "x-netra-deadline-ms" in reply.json["error"]["message"]


@pytest.mark.parametrize("odd", ["NaN", '"half \\ud800 a character"', '"null \\u0000 byte"', "1e999", "[[[[1]]]]"])
def test_odd_values_are_passed_on_and_logged(gateway: Gateway, odd: str) -> None:
    body = json.dumps(chat("Hi")).replace('"Hi"', '"Hi", "odd": ' + odd)
    answer = json.loads(said().body)
    with served(Step(body=json.dumps(answer).replace('"object"', f'"odd": {odd}, "object"').encode())) as upstream:
        gateway.lead_to(upstream.base_url)
        assert gateway.ask(body.encode()).status == 200
    (event,) = gateway.logged()
    assert event["outcome"] == "ok" and event["request"]["messages"][0]["content"] == "Hi"


def test_masks_hold_before_anything_is_on_disk(gateway: Gateway) -> None:
    gateway.project.masks = ["email"]
    gateway.project.save()
    with served(said("Mail bob@example.org")) as upstream:
        gateway.lead_to(upstream.base_url)
        gateway.ask(chat("I am ann@example.com"))
    assert upstream.asked[0]["messages"][0]["content"] == "I am ann@example.com"
    on_disk = b"".join(path.read_bytes() for path in gateway.spool.folder.iterdir())
    assert b"ann@" not in on_disk and b"bob@" not in on_disk
    assert "[email]" in str(gateway.logged()[0]["response"])


def test_a_full_disk_share_is_told_before_the_answer(gateway: Gateway) -> None:
    gateway.spool.max_bytes = 10
    with served(said()) as upstream:
        gateway.lead_to(upstream.base_url)
        reply = gateway.ask()
    assert reply.status == 429 and "retry-after" in reply.headers


async def test_many_at_once_each_get_their_own(gateway: Gateway) -> None:

    async with provider(said("same")) as upstream:
        await asyncio.to_thread(gateway.lead_to, upstream.base_url, max_concurrency=4)
        replies: list[Any] = await asyncio.gather(*(gateway.asked() for _ in range(20)))
    assert {reply.status for reply in replies} == {200} and upstream.n_inside_most <= 4
    assert len({reply.headers["x-netra-decision"] for reply in replies}) == 20
