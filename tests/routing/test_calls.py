"""What a call may cost at most, worked by hand and against hostile requests; and calls whose answers are hostile."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netra import llm
from netra.llm import Answer
from netra.prices import Rates, Tier
from routing import execution
from routing.calls import ModelCall, Outcome, input_tokens_at_most, output_tokens_at_most, worst_case_usd
from tests.routing.scripted import call, provider, said, streamed, target

D = Decimal
FREE_OUT = Rates(input=D(1), output=D(0))
FREE_IN = Rates(input=D(0), output=D(1))
TO = target("http://x", rates=FREE_OUT)
PICTURE = {"type": "image_url", "image_url": {"url": "https://x/y.png"}}

words = st.text(st.characters(codec="utf-8"), max_size=12)
scalars = st.none() | st.booleans() | st.integers() | st.floats() | words
json_values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(words, inner, max_size=4), max_leaves=12
)


def chat(*contents: Any, **fields: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": content} for content in contents], **fields}


def bound(request: Any, **fields: Any) -> int:
    found = input_tokens_at_most(request, replace(TO, **fields))
    assert found is not None
    return found


def nested(depth: int) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for _ in range(depth):
        made = {"properties": made}
    return made


def text_bytes(value: Any) -> int:
    if isinstance(value, str):
        return len(value.encode())
    if isinstance(value, dict):
        return sum(text_bytes(name) + text_bytes(part) for name, part in value.items())
    return sum(map(text_bytes, value)) if isinstance(value, list) else 0


# The bound in hand-worked numbers.


def test_output_is_priced_at_its_limit() -> None:
    # 2 choices of 40 tokens at 3 USD = 240; input is free.
    assert worst_case_usd(chat("hi", max_tokens=40, n=2), target("http://x", rates=Rates(D(0), D(3)))) == 240


def test_a_full_window_is_the_most_that_input_can_cost() -> None:
    # 500 tokens of window at 1 USD, however long the text.
    assert worst_case_usd(chat("x" * 9_999), replace(TO, context_tokens=500)) == 500


def test_input_and_output_add_up() -> None:
    # 1,000 × 0.000002 + 50 × 0.000008 = 0.002 + 0.0004.
    to = target("http://x", rates=Rates(D("0.000002"), D("0.000008")), context_tokens=1_000)
    assert worst_case_usd(chat("x" * 5_000, max_tokens=50), to) == D("0.0024")


def test_a_price_per_image_comes_on_top() -> None:
    per_image = target("http://x", rates=replace(FREE_IN, output=D(0), image=D("0.01")))
    assert worst_case_usd(chat([PICTURE, PICTURE], [PICTURE]), per_image) == D("0.03")


@pytest.mark.parametrize(
    ("rates", "expected"),
    [
        (Rates(D(1), D(0), cache_write_1h=D(2)), 200),
        (Rates(D(1), D(0), audio_in=D(5)), 500),
        (Rates(D(1), D(0), cache_read=D("0.1")), 100),
        (Rates(D(1), D(0), reasoning=D(7)), 100 + 70),
        (Rates(D(1), D(1), audio_out=D(9)), 100 + 90),
        (Rates(D(1), D(0), tiers=(Tier(10**6, Rates(D(3), D(0))),)), 300),
    ],
)
def test_each_token_counts_at_the_dearest_way_to_charge_it(rates: Rates, expected: int) -> None:
    # A window of 100 tokens in, at most 10 out.
    to = target("http://x", rates=rates, context_tokens=100)
    assert worst_case_usd(chat("x" * 999, max_tokens=10), to) == expected


@pytest.mark.parametrize(
    ("tier", "expected"), [("flex", 5), (None, 10), ("default", 10), ("auto", 10), (7, 10), ("priority", None)]
)
def test_the_service_that_is_asked_for_sets_the_price(tier: Any, expected: int | None) -> None:
    rates = Rates(D(0), D(1), services={"flex": Rates(D(0), D("0.5"))})
    assert worst_case_usd(chat("hi", max_tokens=10, service_tier=tier), target("http://x", rates=rates)) == expected


def test_a_call_is_bounded_as_its_request_is() -> None:
    made = call(TO, request={"max_tokens": 9})
    assert worst_case_usd(made, TO) == worst_case_usd(made.request, TO)


@pytest.mark.parametrize(("default", "expected"), [(None, 16_384), (700, 700)])
def test_an_option_without_a_limit_takes_the_default(default: int | None, expected: int) -> None:
    to = target("http://x", rates=FREE_IN, max_output_tokens=None)
    assert worst_case_usd(chat("hi"), to, max_tokens_default=default) == expected


@pytest.mark.parametrize("limit", [0, -5, None, "9", 9.5, True, [9], {"max": 9}])
def test_a_limit_that_is_none_does_not_lower_the_bound(limit: Any) -> None:
    assert output_tokens_at_most(chat("hi", max_tokens=limit), TO) == 100


@pytest.mark.parametrize("n", [0, -1, None, True, [], "x"])
def test_a_number_of_choices_that_is_none_counts_as_one(n: Any) -> None:
    assert output_tokens_at_most(chat("hi", n=n), TO) == 100


@pytest.mark.parametrize("kind", ["file", "video_url"])
def test_attachments_of_unknown_length_fill_the_window_or_have_no_bound(kind: str) -> None:
    request = chat([{"type": kind, kind: {"id": "f-1"}}])
    assert input_tokens_at_most(request, TO) is None and worst_case_usd(request, TO) is None
    assert input_tokens_at_most(request, replace(TO, context_tokens=900)) == 900


@pytest.mark.parametrize("role", ["system", "user", "assistant", "tool"])
def test_pictures_count_whoever_sends_them(role: str) -> None:
    one = bound({"messages": [{"role": role, "content": [PICTURE]}]})
    two = bound({"messages": [{"role": role, "content": [PICTURE, PICTURE]}]})
    assert 6_000 <= two - one < 6_100


@pytest.mark.parametrize(
    ("provider_name", "model", "is_small"),
    [
        ("openai", "gpt-4o-mini", True),
        ("azure", "gpt-4.1-nano", True),
        ("openai", "gpt-4o", False),
        ("anthropic", "claude-mini", False),
    ],
)
def test_only_openais_small_models_count_pictures_higher(provider_name: str, model: str, is_small: bool) -> None:
    where = replace(TO.destination, provider=provider_name)
    assert (bound(chat([PICTURE]), model=model, destination=where) > 50_000) is is_small


@pytest.mark.parametrize("name", ["tools", "functions", "response_format"])
def test_what_providers_add_for_tools_and_schemas_counts(name: str) -> None:
    plain = bound(chat("hi"))
    assert bound(chat("hi", **{name: [{"x": 1}]})) >= plain + 1_000
    assert bound(chat("hi", **{name: None})) < plain + 1_000


# Hostile requests.


@given(json_values)
def test_all_text_of_a_request_counts(value: Any) -> None:
    request = chat("hi", metadata=value)
    assert bound(request) >= text_bytes(request)


@given(json_values)
def test_any_request_at_all_has_a_bound(value: Any) -> None:
    for request in ({"messages": value}, {"messages": [value]}, chat(value), chat([value])):
        assert bound(request, context_tokens=10**9) > 0


@given(st.lists(words, max_size=5), words)
def test_another_message_never_lowers_the_bound(texts: list[str], more: str) -> None:
    assert bound(chat(*texts, more)) > bound(chat(*texts))


@given(st.integers(1, 9), st.integers(1, 10_000))
def test_choices_multiply_the_output(n: int, limit: int) -> None:
    assert output_tokens_at_most(chat("x", n=n, max_tokens=limit), TO) == n * limit


@pytest.mark.parametrize(
    "request_",
    [
        {"messages": [{"role": "user", "type": "image_url", "content": "x" * 100_000}]},
        chat([{**PICTURE, "text": "x" * 100_000}]),
        chat("hi", tools=[{"type": "image_url", "function": {"description": "x" * 100_000}}]),
        chat("hi", metadata={"type": "image_url", "note": "x" * 100_000}),
    ],
)
def test_text_cannot_hide_behind_the_word_for_pictures(request_: dict[str, Any]) -> None:
    assert bound(request_) > 100_000


@pytest.mark.parametrize("depth", [200, 300])
def test_nesting_is_counted_like_any_text(depth: int) -> None:
    assert bound(chat("hi", tools=[nested(depth)])) > 10 * depth


def test_what_is_nested_too_deeply_to_be_measured_has_no_bound_but_the_window() -> None:
    request = chat([PICTURE], tools=[nested(900)])
    assert worst_case_usd(request, TO) is None
    assert bound(request, context_tokens=900) == 900


async def test_a_request_nested_too_deeply_to_be_sent_ends_as_an_outcome() -> None:
    async with provider(said()) as server:
        to = target(server.base_url, context_tokens=900)
        outcome = await execution.run(call(to, request={"tools": [nested(5_000)]}))
    assert not outcome.ok and outcome.error_code == "unsendable"
    assert (outcome.cost_usd, server.asked) == (0, [])


async def test_a_request_nested_deeper_than_the_fast_writer_takes_is_sent_whole() -> None:
    async with provider(said()) as server:
        outcome = await execution.run(call(target(server.base_url), request={"metadata": nested(300)}))
    assert outcome.ok and server.asked[0]["metadata"] == nested(300)


async def test_numbers_beyond_64_bits_are_sent_exactly() -> None:
    async with provider(said()) as server:
        assert (await execution.run(call(target(server.base_url), request={"seed": 2**70}))).ok
    assert server.asked[0]["seed"] == 2**70


# Hostile answers: the call ends in an outcome, its money booked.

BODY_FIELDS = ("id", "model", "usage", "service_tier", "created", "object", "system_fingerprint")
MESSAGE_FIELDS = ("content", "refusal", "tool_calls", "role", "function_call")
bodies = st.fixed_dictionaries({}, optional=dict.fromkeys(BODY_FIELDS, json_values))
messages = st.fixed_dictionaries({}, optional=dict.fromkeys(MESSAGE_FIELDS, json_values))


def answered(body: dict[str, Any]) -> Outcome:
    async def complete(*_: Any, **__: Any) -> Answer:
        return Answer(200, body)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(llm, "complete", complete)
        return asyncio.run(execution.run(call(target("http://x"))))


@given(bodies, messages, json_values)
def test_any_answer_with_a_message_is_accounted_for(body: Any, message: Any, finish: Any) -> None:
    outcome = answered({**body, "choices": [{"message": message, "finish_reason": finish}]})
    assert outcome.ok and outcome.charged_at_most_usd >= 0
    assert outcome.cost_usd in (None, outcome.charged_at_most_usd)


@given(st.dictionaries(st.sampled_from(["prompt_tokens", "completion_tokens", "total_tokens"]), json_values))
def test_counts_that_are_no_counts_leave_the_cost_unknown_and_booked(usage: dict[str, Any]) -> None:
    outcome = answered({"choices": [{"message": {"content": "4"}}], "usage": {**usage, "prompt_tokens": "many"}})
    assert outcome.cost_usd is None
    assert outcome.charged_at_most_usd == outcome.attempts[0].charged_at_most_usd > 0


@pytest.mark.parametrize(("depth", "is_taken"), [(150, True), (300, False), (900, False)])
async def test_an_answer_nested_deeper_than_the_log_takes_is_none(depth: int, is_taken: bool) -> None:
    async with provider(said("4", logprobs=nested(depth))) as server:
        outcome = await execution.run(call(target(server.base_url), max_attempts=1))
    assert outcome.error_code == (None if is_taken else "malformed")
    assert outcome.attempts[0].charged_at_most_usd > 0


HOSTILE_EVENTS: list[dict[str, Any]] = [
    {"choices": 5},
    {"choices": True},
    {"choices": [{"index": 0, "message": "x", "delta": {"content": "a"}, "finish_reason": "stop"}]},
    {"choices": [{"index": 0, "message": {"tool_calls": [3, "x"], "content": ""}, "finish_reason": "stop"}]},
    {"choices": [{"index": 0, "delta": nested(300), "finish_reason": "stop"}]},
    {"choices": [{"index": 0, "delta": nested(900), "finish_reason": "stop"}]},
    {"choices": [{"index": 0, "delta": {"tool_calls": [3, None, {"index": []}]}, "finish_reason": {}}]},
]


@pytest.mark.parametrize("event", HOSTILE_EVENTS, ids=lambda event: json.dumps(event)[:40])
async def test_no_event_of_a_stream_can_break_a_call(event: dict[str, Any]) -> None:
    end = {"choices": [{"index": 0, "delta": {"content": "b"}, "finish_reason": "stop"}]}
    async with provider(streamed(event, end)) as server:
        made = call(target(server.base_url), request={"stream": True}, max_attempts=1)
        outcome = await execution.run(made)
    assert outcome.attempts[0].charged_at_most_usd > 0
    assert outcome.ok or outcome.error_code in ("cut_stream", "malformed")


# What an attempt and its call carry.


def test_a_target_is_named_after_its_option() -> None:
    to = target("http://x", option="mine/a/b")
    assert (to.name, to.provider) == ("mine/a/b", "mine")


async def test_attempts_are_no_fewer_than_one() -> None:
    async with provider(said()) as server:
        outcome = await execution.run(call(target(server.base_url), max_attempts=0))
    assert outcome.ok and len(outcome.attempts) == 1


async def test_a_call_s_own_deadline_goes_before_the_connection_s() -> None:
    slow = said()
    slow.silence_s = 0.5
    async with provider(slow) as server:
        made: ModelCall = call(target(server.base_url, deadline_s=30), deadline_s=0.05, max_attempts=1)
        outcome = await execution.run(made)
    assert (outcome.error_code, outcome.attempts[0].paid) == ("timeout", None)


async def test_a_budget_that_ends_the_call_between_attempts_keeps_what_was_booked() -> None:
    async with provider(said(), said()) as server:
        made = call(target(server.base_url, rates=Rates(D("0.001"), D(0)), context_tokens=100))
        outcome = await execution.run(made, lambda _, worst: worst > D("0.1"))
    # 100 tokens × 0.001 = 0.1 at most, which is not more than 0.1: never sent, nothing charged.
    assert (outcome.error_code, outcome.cost_usd, outcome.attempts) == ("budget_exhausted", 0, ())
    assert server.asked == []
