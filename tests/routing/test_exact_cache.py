"""The exact response cache: who gets an answer that was given before, what it costs, and who never does."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from netra.tokens import Tokens
from projects.models import ApiKey, Erasure, Project, User
from routing import controls, policies
from routing.gateway.caching import ANSWERS
from routing.gateway.tenants import TENANTS
from routing.models import Allowance
from tests import factories
from tests.routing.controlled import chat, set_up, several, states
from tests.routing.gatewayed import Gateway
from tests.routing.scripted import Step, error, piece, said, served, streamed

OFF = [(b"x-netra-cache", b"off")]


@pytest.fixture(autouse=True)
def cached(gateway: Gateway) -> Iterator[None]:
    ANSWERS.renew()
    set_up(gateway.project, exact_cache=True)
    yield
    ANSWERS.renew()


def test_a_repeated_question_is_answered_without_the_provider(gateway: Gateway) -> None:
    with served(said("4", odd=[1])) as upstream:
        gateway.lead_to(upstream.base_url)
        first, second = several(gateway, chat(), chat())
    assert len(upstream.asked) == 1 and states([first, second]) == ["miss", "exact"]
    assert second.json == first.json and second.headers["x-netra-cost-usd"] == "0"


def test_a_hit_is_an_event_that_cost_nothing(gateway: Gateway) -> None:
    with served(said(prompt=1000, completion=500)) as upstream:
        gateway.lead_to(upstream.base_url)
        first, second = several(gateway, chat(), chat())
    asked, hit = sorted(gateway.logged(), key=lambda event: event["started_at"])
    assert (hit["outcome"], hit["cost_usd"], hit["http_status"]) == ("cached", 0, None)
    assert "response_cache_hit" in hit["flags"] and hit["source_record_id"] == second.headers["x-netra-decision"]
    told = hit["metadata"]["cache"]
    assert told == {"kind": "exact", "of": asked["source_record_id"], "saved_usd": "0.006000"}
    assert hit["response"] == asked["response"] and asked["source_record_id"] == first.headers["x-netra-decision"]


def test_nothing_is_kept_where_nobody_asked_for_it(gateway: Gateway) -> None:
    set_up(gateway.project, exact_cache=False)
    with served(said()) as upstream:
        gateway.lead_to(upstream.base_url)
        assert states(several(gateway, chat(), chat())) == [None, None]
    assert len(upstream.asked) == 2


@pytest.mark.parametrize(
    "aside", [{"user": "ada"}, {"metadata": {"a": "b"}}, {"service_tier": "flex"}, {"prompt_cache_key": "k"}]
)
def test_what_changes_no_answer_is_not_looked_at(gateway: Gateway, aside: dict[str, Any]) -> None:
    with served(said()) as upstream:
        gateway.lead_to(upstream.base_url)
        assert states(several(gateway, chat(), chat(**aside))) == ["miss", "exact"]


@pytest.mark.parametrize(
    "other",
    [
        chat("What is 2 + 3?"),
        chat(temperature=0),
        chat(seed=1),
        chat(max_tokens=5),
        chat(tools=[{"type": "function", "function": {"name": "f"}}]),
        chat(model="foo"),
        {**chat(), "messages": [{"role": "system", "content": "Short."}, *chat()["messages"]]},
    ],
)
def test_whatever_else_differs_is_another_question(gateway: Gateway, other: dict[str, Any]) -> None:
    with served(said()) as upstream:
        gateway.lead_to(upstream.base_url)
        assert states(several(gateway, chat(), other)) == ["miss", "miss"]


@pytest.mark.parametrize("varied", [{"temperature": 1.2}, {"n": 2}, {"web_search_options": {}, "n": 3}])
def test_who_wants_variety_gets_it(gateway: Gateway, varied: dict[str, Any]) -> None:
    with served(said()) as upstream:
        gateway.lead_to(upstream.base_url)
        assert states(several(gateway, chat(**varied), chat(**varied))) == ["off", "off"]
    assert len(upstream.asked) == 2


@pytest.mark.parametrize("refusal", [OFF, [(b"cache-control", b"no-store")]])
def test_a_request_can_stay_out_of_it(gateway: Gateway, refusal: list[tuple[bytes, bytes]]) -> None:
    with served(said("old"), said("new")) as upstream:
        gateway.lead_to(upstream.base_url)
        assert states(several(gateway, chat(), chat(), headers=refusal)) == ["off", "off"]
        assert states(several(gateway, chat())) == ["miss"]


def test_a_request_can_ask_for_a_fresh_answer(gateway: Gateway) -> None:
    with served(said("old"), said("new")) as upstream:
        gateway.lead_to(upstream.base_url)
        several(gateway, chat())
        (fresh,) = several(gateway, chat(), headers=[(b"cache-control", b"no-cache")])
        (after,) = several(gateway, chat())
    assert states([fresh, after]) == ["miss", "exact"]
    assert after.json["choices"][0]["message"]["content"] == "new"


def test_a_stream_is_answered_as_a_stream(gateway: Gateway) -> None:
    with served(said("4")) as upstream:
        gateway.lead_to(upstream.base_url)
        _, plain, with_usage = several(
            gateway, chat(), chat(stream=True), chat(stream=True, stream_options={"include_usage": True})
        )
    words, end, done = plain.events
    assert words["choices"][0]["delta"]["content"] == "4" and words["object"] == "chat.completion.chunk"
    assert end["choices"][0]["finish_reason"] == "stop" and done == "[DONE]" and "usage" not in end
    assert with_usage.events[-2]["usage"]["total_tokens"] == 15 and plain.headers["x-netra-cache"] == "exact"


def test_a_streamed_answer_is_kept_whole(gateway: Gateway) -> None:
    called = {"index": 0, "id": "t-1", "type": "function", "function": {"name": "f", "arguments": '{"a":'}}
    more = {"index": 0, "function": {"arguments": "1}"}}
    script = streamed(piece({"tool_calls": [called]}), piece({"tool_calls": [more]}), piece({}, "tool_calls"))
    with served(script) as upstream:
        gateway.lead_to(upstream.base_url)
        _, whole, again = several(gateway, chat(stream=True), chat(), chat(stream=True))
    call = whole.json["choices"][0]["message"]["tool_calls"][0]
    assert call["function"] == {"name": "f", "arguments": '{"a":1}'} and whole.headers["x-netra-cache"] == "exact"
    assert again.events[0]["choices"][0]["delta"]["tool_calls"][0]["index"] == 0


@pytest.mark.parametrize(
    "bad",
    [
        error(400),
        said(
            "cut", choices=[{"index": 0, "finish_reason": "length", "message": {"role": "assistant", "content": "c"}}]
        ),
        said("x", choices=[{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "refusal": "No."}}]),
        streamed(piece({"content": "half"}), done=False),
    ],
)
def test_only_whole_answers_are_kept(gateway: Gateway, bad: Step) -> None:
    with served(bad, said("good")) as upstream:
        gateway.lead_to(upstream.base_url)
        body = chat(stream=True) if "event-stream" in str(bad.headers) else chat()
        assert several(gateway, body, body)[-1].headers["x-netra-cache"] == "miss"


def test_an_answer_too_large_is_not_kept(gateway: Gateway) -> None:
    with served(said("long " * 60_000)) as upstream:
        gateway.lead_to(upstream.base_url)
        assert states(several(gateway, chat(), chat())) == ["miss", "miss"]


def test_an_answer_grows_old(gateway: Gateway) -> None:
    set_up(gateway.project, ttl_s=1)

    async def later() -> list[str]:
        first = await gateway.asked(chat())
        await asyncio.sleep(1.1)
        return [first.headers["x-netra-cache"], (await gateway.asked(chat())).headers["x-netra-cache"]]

    with served(said()) as upstream:
        gateway.lead_to(upstream.base_url)
        assert asyncio.run(later()) == ["miss", "miss"]


def test_the_oldest_goes_when_there_are_too_many(gateway: Gateway) -> None:
    set_up(gateway.project, max_entries=2)
    with served(said()) as upstream:
        gateway.lead_to(upstream.base_url)
        several(gateway, *(chat(f"Question {name}") for name in "abc"))
        found = states(several(gateway, *(chat(f"Question {name}") for name in "cba")))
    assert found == ["exact", "exact", "miss"]


def test_a_budget_that_is_spent_still_allows_what_costs_nothing(gateway: Gateway) -> None:
    with served(said(prompt=100, completion=50)) as upstream:
        gateway.lead_to(upstream.base_url)
        several(gateway, chat())
        Allowance.objects.create(project=gateway.project, budget_usd=Decimal("0.000001"))
        TENANTS.forget()
        known, unknown = several(gateway, chat(), chat("Another one"))
    assert (known.status, unknown.status) == (200, 402)


def test_a_limit_of_requests_counts_hits_too(gateway: Gateway) -> None:
    Allowance.objects.create(project=gateway.project, requests_per_minute=2)
    with served(said()) as upstream:
        gateway.lead_to(upstream.base_url)
        assert [reply.status for reply in several(gateway, chat(), chat(), chat())] == [200, 200, 429]


def test_a_key_gets_no_answer_of_a_model_it_may_not_call(gateway: Gateway) -> None:
    row, narrow = ApiKey.issue(gateway.project, "narrow", by=None)
    Allowance.objects.create(project=gateway.project, api_key=row, allowed_models=["proxy/bar"])
    with served(said()) as upstream:
        gateway.lead_to(upstream.base_url, "proxy", "foo", "bar")
        several(gateway, chat())
        (reply,) = several(gateway, chat(), key=narrow)
    assert reply.status == 403 and "x-netra-cache" not in reply.headers


def test_a_stranger_asking_the_same_is_answered_anew(gateway: Gateway, stranger: User) -> None:
    theirs = Project.objects.get(slug="elsewhere")
    set_up(theirs, exact_cache=True)
    _, key = ApiKey.issue(theirs, "agent", by=None)
    with served(said("ours"), said("theirs")) as upstream:
        gateway.lead_to(upstream.base_url)
        factories.connection(theirs, "proxy", provider="openai_compatible", base_url=upstream.base_url, deadline_s=5.0)
        several(gateway, chat())
        (reply,) = several(gateway, chat(), key=key)
    assert reply.headers["x-netra-cache"] == "miss" and reply.json["choices"][0]["message"]["content"] == "theirs"


def test_a_policy_answers_for_itself_and_a_new_version_begins_anew(gateway: Gateway, owner: User) -> None:
    def write(limit: float) -> None:
        policies.write(
            gateway.project,
            "auto",
            kind="fixed",
            default_option="proxy/foo",
            rules={"max_cost_usd": limit},
            by=owner,
        )
        TENANTS.forget()

    with served(said()) as upstream:
        gateway.lead_to(upstream.base_url)
        write(1.0)
        assert states(several(gateway, chat(model="netra/auto"), chat(model="netra/auto"))) == ["miss", "exact"]
        write(2.0)
        assert states(several(gateway, chat(model="netra/auto"))) == ["miss"]
    events = sorted(gateway.logged(), key=lambda event: event["started_at"])
    assert ["decision" in event["metadata"] for event in events] == [True, False, True]


def test_a_split_is_decided_by_lot_each_time(gateway: Gateway, owner: User) -> None:
    with served(said()) as upstream:
        gateway.lead_to(upstream.base_url)
        shares = {"shares": {"proxy/foo": 1.0}}
        policies.write(gateway.project, "ab", kind="split", default_option="proxy/foo", rules=shares, by=owner)
        TENANTS.forget()
        assert states(several(gateway, chat(model="netra/ab"), chat(model="netra/ab"))) == ["off", "off"]


def test_an_answer_with_masked_data_is_not_kept(gateway: Gateway) -> None:
    Project.objects.filter(pk=gateway.project.pk).update(masks=["email"])
    TENANTS.forget()
    with served(said("Write to ada@example.com")) as upstream:
        gateway.lead_to(upstream.base_url)
        assert states(several(gateway, chat(), chat())) == ["miss", "miss"]


def test_in_privacy_mode_nothing_is_kept(gateway: Gateway) -> None:
    with served(said()) as upstream:
        gateway.lead_to(upstream.base_url)
        several(gateway, chat())
        Project.objects.filter(pk=gateway.project.pk).update(is_private=True)
        TENANTS.forget()
        assert states(several(gateway, chat())) == [None]


def test_clearing_forgets_and_so_does_deleting_a_persons_events(gateway: Gateway) -> None:
    with served(said()) as upstream:
        gateway.lead_to(upstream.base_url)
        several(gateway, chat())
        controls.clear(gateway.project)
        TENANTS.forget()
        assert states(several(gateway, chat(), chat())) == ["miss", "exact"]
        later = timezone.now() + timedelta(seconds=1)
        Erasure.objects.create(project=gateway.project, fingerprint="person-1", at=later)
        TENANTS.forget()
        assert states(several(gateway, chat())) == ["miss"]


def test_an_answer_is_not_given_for_longer_than_events_are_kept(project: Project) -> None:
    controls.write(project, {"exact_cache": True, "ttl_s": 30 * 86_400})
    project.retention_days = 2
    held = controls.held(project)
    assert held is not None and held.ttl_s == 2 * 86_400


def test_tokens_of_a_hit_are_not_told_twice(gateway: Gateway) -> None:
    with served(said(prompt=1000, completion=500)) as upstream:
        gateway.lead_to(upstream.base_url)
        several(gateway, chat(), chat())
    hit = next(event for event in gateway.logged() if event["outcome"] == "cached")
    assert Tokens(hit["tok_input_fresh"], hit["tok_output_visible"]) == Tokens()


def test_half_characters_are_asked_and_not_kept(gateway: Gateway) -> None:
    odd = json.dumps(chat("half \ud800", big=10**30)).encode()
    with served(said("half \udfff too")) as upstream:
        gateway.lead_to(upstream.base_url)
        replies = several(gateway, odd, odd)
    assert [reply.status for reply in replies] == [200, 200] and states(replies) == ["miss", "miss"]
