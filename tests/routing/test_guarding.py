"""Guardrails on the way in and out: what is refused, masked and restored, and what the event says of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from projects.models import ApiKey, Project, User
from routing.gateway import guarding
from routing.gateway.caching import ANSWERS
from tests.routing.controlled import REGEX, chat, set_up, several
from tests.routing.gatewayed import Gateway
from tests.routing.scripted import Step, piece, said, served, streamed

PII = {"name": "people", "kind": "pii", "action": "mask", "kinds": ["email"]}
ADA, BOB = "ada@example.com", "bob@example.org"


@pytest.fixture(autouse=True)
def empty() -> Iterator[None]:
    ANSWERS.renew()
    yield
    ANSWERS.renew()


def notes(gateway: Gateway) -> list[dict[str, Any]]:
    (event,) = gateway.logged()
    return event["metadata"].get("guardrails", [])


def note(rule: str, on: str, action: str, count: int = 1) -> dict[str, Any]:
    return {"guardrail": rule, "guardrail_on": on, "guardrail_action": action, "count": count}


def words(reply: Any) -> str:
    return "".join(
        choice["delta"].get("content") or ""
        for event in reply.events
        if event != "[DONE]"
        for choice in event.get("choices", ())
    )


def in_pieces(text: str, size: int = 3) -> Step:
    cut = [text[at : at + size] for at in range(0, len(text), size)]
    usage = {"id": "c-1", "choices": [], "usage": {"prompt_tokens": 12, "completion_tokens": 3, "total_tokens": 15}}
    return streamed(*(piece({"content": part}) for part in cut), piece({}, "stop"), usage)


def test_a_request_that_a_rule_refuses_goes_nowhere(gateway: Gateway) -> None:
    set_up(gateway.project, guardrails=[REGEX])
    with served(said()) as upstream:
        gateway.lead_to(upstream.base_url)
        reply = gateway.ask(chat("Tell me of X-1234"))
    assert reply.status == 400 and upstream.asked == []
    assert reply.json["error"]["code"] == "guardrail_blocked" and "'no codes'" in reply.json["error"]["message"]
    (event,) = gateway.logged()
    assert event["outcome"] == "gateway_error" and event["error_type"] == "guardrail_blocked"
    assert event["cost_usd"] == 0 or event["cost_recorded_usd"] == 0
    assert event["metadata"]["guardrails"] == [note("no codes", "input", "block")]
    assert "X-1234" not in json.dumps(event, default=str)


@pytest.mark.parametrize(
    "body",
    [
        chat("ask", messages=[{"role": "system", "content": "X-1234"}]),
        chat("ask", messages=[{"role": "user", "content": [{"type": "text", "text": "X-1234"}]}]),
        chat("ask", messages=[{"role": "tool", "tool_call_id": "t", "content": "X-1234"}]),
        chat(
            "ask", messages=[{"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": "X-1234"}}]}]
        ),
        {"path": "/v1/embeddings", "model": "proxy/foo", "input": ["fine", "X-1234"]},
        {"path": "/v1/responses", "model": "proxy/foo", "input": [{"role": "user", "content": "X-1234"}]},
        {"path": "/v1/responses", "model": "proxy/foo", "input": "fine", "instructions": "X-1234"},
    ],
)
def test_a_rule_looks_wherever_a_model_reads(gateway: Gateway, body: dict[str, Any]) -> None:
    set_up(gateway.project, guardrails=[REGEX])
    path = body.pop("path", "/v1/chat/completions")
    with served(said()) as upstream:
        gateway.lead_to(upstream.base_url)
        assert gateway.ask(body, path).status == 400


def test_masked_words_go_out_and_into_the_log_masked(gateway: Gateway) -> None:
    set_up(gateway.project, guardrails=[PII])
    with served(said("Fine")) as upstream:
        gateway.lead_to(upstream.base_url)
        assert gateway.ask(chat(f"Write to {ADA} and {BOB}")).status == 200
    assert upstream.asked[0]["messages"][0]["content"] == "Write to [email] and [email]"
    (event,) = gateway.logged()
    assert event["request"]["messages"][0]["content"] == "Write to [email] and [email]"
    assert event["metadata"]["guardrails"] == [note("people", "input", "mask", 2)]


def test_the_answer_gets_the_originals_back(gateway: Gateway) -> None:
    set_up(gateway.project, guardrails=[PII | {"restore": True}])
    with served(said("I wrote to [email_2], not to [email_1] or [email_3]")) as upstream:
        gateway.lead_to(upstream.base_url)
        reply = gateway.ask(chat(f"{ADA} {BOB} {ADA}"))
    assert upstream.asked[0]["messages"][0]["content"] == "[email_1] [email_2] [email_1]"
    assert reply.json["choices"][0]["message"]["content"] == f"I wrote to {BOB}, not to {ADA} or [email_3]"
    assert ADA not in json.dumps(gateway.logged(), default=str)


def test_a_stream_gets_them_back_too(gateway: Gateway) -> None:
    set_up(gateway.project, guardrails=[PII | {"restore": True}])
    called = {"index": 0, "id": "t", "type": "function", "function": {"name": "f", "arguments": '{"to":"[ema'}}
    script = streamed(
        piece({"content": "To [email"}),
        piece({"content": "_1] at once"}),
        piece({"tool_calls": [called]}),
        piece({"tool_calls": [{"index": 0, "function": {"arguments": 'il_1]"}'}}]}),
        piece({}, "tool_calls"),
    )
    with served(script) as upstream:
        gateway.lead_to(upstream.base_url)
        reply = gateway.ask(chat(ADA, stream=True))
    assert words(reply) == f"To {ADA} at once" and reply.events[-1] == "[DONE]"
    calls = [call for event in reply.events[:-1] for call in event["choices"][0]["delta"].get("tool_calls", ())]
    assert "".join(call["function"].get("arguments", "") for call in calls) == json.dumps({"to": ADA}).replace(" ", "")
    assert ADA not in json.dumps(gateway.logged(), default=str)


def test_two_who_differ_in_what_is_masked_share_an_answer(gateway: Gateway) -> None:
    set_up(gateway.project, exact_cache=True, guardrails=[PII | {"restore": True}])
    with served(said("Sent to [email_1]")) as upstream:
        gateway.lead_to(upstream.base_url)
        first, second = several(gateway, chat(f"Write to {ADA}"), chat(f"Write to {BOB}"))
    assert len(upstream.asked) == 1 and second.headers["x-netra-cache"] == "exact"
    assert [each.json["choices"][0]["message"]["content"] for each in (first, second)] == [
        f"Sent to {ADA}",
        f"Sent to {BOB}",
    ]


def test_the_projects_own_terms_are_personal(gateway: Gateway) -> None:
    Project.objects.filter(pk=gateway.project.pk).update(masked_terms=["Falcon"])
    set_up(gateway.project, guardrails=[PII])
    with served(said()) as upstream:
        gateway.lead_to(upstream.base_url)
        gateway.ask(chat("What of falcon?"))
    assert upstream.asked[0]["messages"][0]["content"] == "What of [term]?"


def test_an_answer_that_a_rule_refuses_is_withheld_and_paid(gateway: Gateway) -> None:
    set_up(gateway.project, guardrails=[REGEX | {"on": "output"}], exact_cache=True)
    with served(said("It is X-1234", prompt=1000, completion=500)) as upstream:
        gateway.lead_to(upstream.base_url)
        reply, again = several(gateway, chat(), chat())
    assert reply.status == again.status == 400 and reply.json["error"]["code"] == "guardrail_blocked"
    assert b"X-1234" not in reply.body and len(upstream.asked) == 2
    event = gateway.logged()[0]
    assert event["finish_reason"] == "content_filter" and float(event["cost_recorded_usd"]) == 0.006
    assert "X-1234" not in json.dumps(event, default=str)
    assert event["metadata"]["guardrails"] == [note("no codes", "output", "block")]


def test_an_answer_is_masked_with_its_probabilities(gateway: Gateway) -> None:
    set_up(gateway.project, guardrails=[REGEX | {"on": "output", "action": "mask"}])
    choice = {
        "index": 0,
        "finish_reason": "stop",
        "message": {"role": "assistant", "content": "Take X-1234, X-9999", "tool_calls": None},
        "logprobs": {"content": [{"token": "X-1234"}]},
    }
    with served(said(choices=[choice])) as upstream:
        gateway.lead_to(upstream.base_url)
        reply = gateway.ask()
    assert reply.json["choices"][0]["message"]["content"] == "Take [no codes], [no codes]"
    assert b"X-1234" not in reply.body and notes(gateway) == [note("no codes", "output", "mask", 2)]


@pytest.mark.parametrize("size", [1, 3, 50])
def test_a_stream_is_masked_however_it_is_cut(gateway: Gateway, size: int) -> None:
    set_up(gateway.project, guardrails=[REGEX | {"on": "output", "action": "mask", "longest": 16}])
    with served(in_pieces("First X-1234, then a long way on to X-9999.", size)) as upstream:
        gateway.lead_to(upstream.base_url)
        reply = gateway.ask(chat(stream=True))
    assert words(reply) == "First [no codes], then a long way on to [no codes]."
    assert reply.events[-1] == "[DONE]"
    (event,) = gateway.logged()
    assert event["response"]["choices"][0]["message"]["content"] == words(reply)
    assert event["metadata"]["guardrails"] == [note("no codes", "output", "mask", 2)]


def test_a_stream_stops_before_what_a_rule_refuses(gateway: Gateway) -> None:
    set_up(gateway.project, guardrails=[REGEX | {"on": "output", "longest": 16}])
    with served(in_pieces("So much may be said before the rest, which is X-1234 and more.")) as upstream:
        gateway.lead_to(upstream.base_url)
        reply = gateway.ask(chat(stream=True))
    assert words(reply).startswith("So much may be said") and "X-" not in words(reply)
    assert reply.events[-1]["error"]["code"] == "guardrail_blocked" and reply.is_whole
    (event,) = gateway.logged()
    assert event["outcome"] == "gateway_error" and "X-1234" not in json.dumps(event, default=str)


def test_a_stream_refused_at_its_beginning_is_a_plain_refusal(gateway: Gateway) -> None:
    set_up(gateway.project, guardrails=[REGEX | {"on": "output"}])
    with served(in_pieces("X-1234 is it")) as upstream:
        gateway.lead_to(upstream.base_url)
        reply = gateway.ask(chat(stream=True))
    assert reply.status == 400 and reply.json["error"]["code"] == "guardrail_blocked" and len(upstream.asked) == 1


def test_other_streams_cannot_be_followed_and_are_refused(gateway: Gateway) -> None:
    set_up(gateway.project, guardrails=[REGEX | {"on": "output"}])
    with served(said()) as upstream:
        gateway.lead_to(upstream.base_url)
        reply = gateway.ask({"model": "proxy/foo", "input": "hi", "stream": True}, "/v1/responses")
    assert reply.status == 400 and "without stream" in reply.json["error"]["message"] and upstream.asked == []


def test_answers_of_responses_are_looked_through(gateway: Gateway) -> None:
    set_up(gateway.project, guardrails=[REGEX | {"on": "output", "action": "mask"}])
    output = [{"type": "message", "content": [{"type": "output_text", "text": "X-1234"}]}]
    body = json.dumps({"id": "r", "output": output, "usage": {"input_tokens": 1, "output_tokens": 1}}).encode()
    with served(Step(body=body, headers={"Content-Type": "application/json"})) as upstream:
        gateway.lead_to(upstream.base_url)
        reply = gateway.ask({"model": "proxy/foo", "input": "hi"}, "/v1/responses")
    assert reply.json["output"][0]["content"][0]["text"] == "[no codes]"


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ({}, {"max_completion_tokens": 50}),
        ({"max_tokens": 500}, {"max_tokens": 50}),
        ({"max_completion_tokens": 20}, {"max_completion_tokens": 20}),
        ({"max_completion_tokens": 500, "max_tokens": 10}, {"max_completion_tokens": 50, "max_tokens": 10}),
    ],
)
def test_answers_are_capped(gateway: Gateway, given: dict[str, int], sent: dict[str, int]) -> None:
    set_up(gateway.project, guardrails=[{"name": "short", "kind": "max_tokens", "on": "output", "limit": 50}])
    with served(said()) as upstream:
        gateway.lead_to(upstream.base_url)
        gateway.ask(chat(**given))
    found = upstream.asked[0]
    assert {name: found[name] for name in ("max_tokens", "max_completion_tokens") if name in found} == sent
    assert notes(gateway) == ([] if sent == given else [note("short", "output", "cap")])


@pytest.mark.parametrize(
    ("unit", "limit", "status"), [("tokens", 10, 200), ("tokens", 9, 400), ("characters", 39, 400)]
)
def test_requests_are_capped(gateway: Gateway, unit: str, limit: int, status: int) -> None:
    set_up(gateway.project, guardrails=[{"name": "small", "kind": "max_tokens", "limit": limit, "unit": unit}])
    with served(said()) as upstream:
        gateway.lead_to(upstream.base_url)
        assert gateway.ask(chat("x" * 40)).status == status


def test_rules_are_applied_in_their_order(gateway: Gateway) -> None:
    first = REGEX | {"action": "mask"}
    second = {"name": "no brackets", "kind": "regex", "pattern": r"\[no codes\]", "action": "mask"}
    set_up(gateway.project, guardrails=[first, second])
    with served(said()) as upstream:
        gateway.lead_to(upstream.base_url)
        gateway.ask(chat("X-1234"))
        set_up(gateway.project, guardrails=[second, first])
        gateway.ask(chat("X-1234"))
    assert [asked["messages"][0]["content"] for asked in upstream.asked] == ["[no brackets]", "[no codes]"]


def test_a_text_full_of_finds_is_refused(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guarding, "MOST_FINDS", 20)
    set_up(gateway.project, guardrails=[REGEX | {"action": "mask"}])
    with served(said()) as upstream:
        gateway.lead_to(upstream.base_url)
        reply = gateway.ask(chat("X-1234 " * 3_000))
    assert reply.status == 400 and "more than 20 finds" in reply.json["error"]["message"]


def test_half_characters_pass(gateway: Gateway) -> None:
    set_up(gateway.project, guardrails=[REGEX | {"on": "output", "action": "mask"}, REGEX | {"name": "in"}])
    with served(said("odd \ud800 X-1234")) as upstream:
        gateway.lead_to(upstream.base_url)
        reply = gateway.ask(json.dumps(chat("odd \udfff text")).encode())
    assert reply.status == 200 and "[no codes]" in reply.json["choices"][0]["message"]["content"]


def test_in_privacy_mode_rules_are_still_counted_by_name(gateway: Gateway) -> None:
    Project.objects.filter(pk=gateway.project.pk).update(is_private=True)
    set_up(gateway.project, guardrails=[REGEX])
    with served(said()) as upstream:
        gateway.lead_to(upstream.base_url)
        assert gateway.ask(chat("X-1234")).status == 400
    assert notes(gateway) == [note("no codes", "input", "block")]


def test_a_stranger_has_rules_of_their_own(gateway: Gateway, stranger: User) -> None:
    set_up(gateway.project, guardrails=[REGEX])
    _, key = ApiKey.issue(Project.objects.get(slug="elsewhere"), "agent", by=None)
    with served(said()) as upstream:
        gateway.lead_to(upstream.base_url)
        reply = gateway.ask(chat("X-1234"), key=key)
    assert reply.json["error"]["code"] != "guardrail_blocked" and "x-netra-cache" not in reply.headers


def test_numbers_beyond_all_parsers_pass(gateway: Gateway) -> None:
    set_up(gateway.project, guardrails=[PII | {"restore": True}, REGEX | {"on": "output"}])
    script = streamed(piece({"content": "To [email_1]"}, odd=float("nan")), piece({}, "stop"))
    with served(script, said("To [email_1]", odd=float("nan"), big=10**30)) as upstream:
        gateway.lead_to(upstream.base_url)
        assert words(gateway.ask(chat(ADA, stream=True))) == f"To {ADA}"
        assert gateway.ask(chat(ADA)).json["choices"][0]["message"]["content"] == f"To {ADA}"
