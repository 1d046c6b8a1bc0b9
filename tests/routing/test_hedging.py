"""A slow call asked of a second option as well: who answers, what is kept, what it costs, and how often at most."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from projects.models import Project, User
from routing import allowances, policies
from routing.gateway import front, planning
from routing.health import Health, Ration
from routing.models import Allowance, Spending
from tests import factories
from tests.routing.gatewayed import Gateway, Reply, chat
from tests.routing.scripted import Provider, Step, error, piece, provider, said, streamed

ASKED = chat(model="netra/auto")
NEVER_S = 30.0
AFTER_MS = 50.0
FAST = said("fast")
SLOW = Step(body=said("slow").body, silence_s=NEVER_S)
STREAM = streamed(
    piece({"content": "fast"}),
    piece({}, "stop"),
    {"choices": [], "usage": {"prompt_tokens": 12, "completion_tokens": 3}},
)


@asynccontextmanager
async def two(gateway: Gateway, first: Step, second: Step, **rules: Any) -> AsyncIterator[tuple[Provider, Provider]]:
    """A policy whose default is `one/foo` and whose fallback is `two/foo`."""
    async with AsyncExitStack() as stack:
        one, other = [await stack.enter_async_context(provider(step)) for step in (first, second)]
        await asyncio.to_thread(_led, gateway, one.base_url, other.base_url, rules)
        yield one, other


def _led(gateway: Gateway, one: str, other: str, rules: dict[str, Any]) -> None:
    gateway.lead_to(one, "one", deadline_s=60.0)
    gateway.lead_to(other, "two", deadline_s=60.0)
    rules = {"fallbacks": ["two/foo"], "hedge_after_ms": AFTER_MS, **rules}
    policies.write(gateway.project, "auto", kind="fixed", default_option="one/foo", rules=rules, by=None)


async def logged(gateway: Gateway) -> list[dict[str, Any]]:
    return await asyncio.to_thread(gateway.logged)


def text(reply: Reply) -> str:
    return str(reply.json["choices"][0]["message"]["content"])


async def test_the_next_in_line_answers_for_a_slow_one(gateway: Gateway) -> None:
    async with two(gateway, SLOW, FAST) as (one, other):
        reply = await gateway.asked(ASKED)
    assert text(reply) == "fast" and reply.headers["x-netra-option"] == "two/foo"
    assert len(one.asked) == len(other.asked) == 1
    (event,) = await logged(gateway)
    lost, won = event["metadata"]["attempts"]
    assert (lost["option"], lost["error"], lost["paid"]) == ("one/foo", "outpaced", None)
    assert (won["option"], won["error"], won["is_hedge"]) == ("two/foo", None, True)
    assert event["outcome"] == "ok" and "retried" not in event["flags"]


async def test_what_the_loser_used_is_estimated_and_leaves_the_cost_unknown(gateway: Gateway) -> None:
    async with two(gateway, SLOW, said(prompt=1_000, completion=500)):
        reply = await gateway.asked(ASKED)
    (event,) = await logged(gateway)
    assert Decimal(event["metadata"]["attempts"][0]["used_usd"]) == Decimal(reply.headers["x-netra-cost-usd"])
    assert event["cost_recorded_usd"] is None and event["cost_usd"] == Decimal("0.006")


async def test_the_loser_is_hung_up_on(gateway: Gateway) -> None:
    async with two(gateway, Step(body=said().body, silence_s=0.2, headers={"Content-Length": "99999"}), FAST) as (
        one,
        _,
    ):
        await gateway.asked(ASKED)
        await _until(lambda: one.n_inside == 0)
    assert one.n_inside_most == 1


async def test_a_first_answer_in_time_is_left_alone(gateway: Gateway) -> None:
    async with two(gateway, FAST, SLOW, hedge_after_ms=20_000.0) as (_, other):
        reply = await gateway.asked(ASKED)
    assert reply.headers["x-netra-option"] == "one/foo" and other.asked == []
    (event,) = await logged(gateway)
    assert len(event["metadata"]["attempts"]) == 1 and event["cost_recorded_usd"] is not None


async def test_the_slow_one_may_still_win(gateway: Gateway) -> None:
    async with two(gateway, Step(body=said("first").body, silence_s=0.3), SLOW) as (_, other):
        reply = await gateway.asked(ASKED)
        assert text(reply) == "first" and len(other.asked) == 1
    (event,) = await logged(gateway)
    lost, won = event["metadata"]["attempts"]
    assert lost["is_hedge"] and lost["error"] == "outpaced" and won["option"] == "one/foo"


async def test_of_streams_the_first_byte_wins(gateway: Gateway) -> None:
    async with two(gateway, Step(body=STREAM.body, headers=STREAM.headers, silence_s=NEVER_S), STREAM):
        reply = await gateway.asked({**ASKED, "stream": True})
    assert reply.events[-1] == "[DONE]" and reply.headers["x-netra-option"] == "two/foo"
    (event,) = await logged(gateway)
    used = Decimal(event["metadata"]["attempts"][0]["used_usd"])
    assert used == 12 * Decimal("0.000002")  # nothing of the loser's stream was read


async def test_a_stream_that_has_begun_is_not_hedged(gateway: Gateway) -> None:
    slow = Step(body=STREAM.body, headers={**STREAM.headers, "Content-Length": "99999"})
    async with two(gateway, slow, FAST, hedge_after_ms=300.0) as (_, other):
        asked = asyncio.create_task(gateway.asked({**ASKED, "stream": True}, hang_up_after=1))
        await asyncio.wait_for(asked, 20)
        assert other.asked == []


async def test_a_failed_first_leaves_the_answer_to_the_second(gateway: Gateway) -> None:
    failing = Step(500, error(500).body, silence_s=0.3)
    async with two(gateway, failing, Step(body=FAST.body, silence_s=0.6)) as (one, _):
        reply = await gateway.asked(ASKED)
    assert text(reply) == "fast" and len(one.asked) == 1
    (event,) = await logged(gateway)
    assert [each["error"] for each in event["metadata"]["attempts"]] == ["provider_error", None]
    assert event["cost_recorded_usd"] is not None  # the provider itself says that it failed, so nothing is in doubt


async def test_a_failed_second_leaves_the_answer_to_the_first(gateway: Gateway) -> None:
    async with two(gateway, Step(body=FAST.body, silence_s=0.5), error(400)) as (_, other):
        reply = await gateway.asked(ASKED)
    assert text(reply) == "fast" and len(other.asked) == 1


async def test_where_both_fail_the_rest_of_the_line_is_tried(gateway: Gateway) -> None:
    async with two(gateway, Step(500, error(500).body, silence_s=0.2), error(503)) as (one, other):
        reply = await gateway.asked(ASKED)
    assert reply.status == 502 and (len(one.asked), len(other.asked)) == (2, 3)
    (event,) = await logged(gateway)
    assert len(event["metadata"]["attempts"]) == 5 and event["outcome"] == "provider_error"


async def test_a_client_that_hangs_up_stops_both(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(front, "WATCH_AFTER_S", 0.0)
    async with two(gateway, SLOW, SLOW) as (_, other):
        task = asyncio.create_task(gateway.asked(ASKED))
        await _until(lambda: other.asked)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    (event,) = await logged(gateway)
    assert event["outcome"] == "cancelled"
    assert [each["error"] for each in event["metadata"]["attempts"]] == ["cancelled", "cancelled"]


@pytest.mark.parametrize(
    ("body", "path", "headers"),
    [
        ({**ASKED, "store": True}, "/v1/chat/completions", ()),
        (ASKED, "/v1/chat/completions", ((b"x-netra-hedge", b"no"),)),
        ({"model": "netra/auto", "input": "x"}, "/v1/responses", ()),
    ],
)
async def test_what_leaves_something_behind_is_asked_once(gateway: Gateway, body: Any, path: str, headers: Any) -> None:
    answer = Step(body=json.dumps({**json.loads(said("slow").body), "output": []}).encode(), silence_s=0.3)
    async with two(gateway, answer, FAST) as (_, other):
        reply = await gateway.asked(body, path, headers=headers)
    assert reply.status == 200 and other.asked == []


async def test_an_option_whose_breaker_is_open_is_no_help(gateway: Gateway) -> None:
    async with two(gateway, Step(body=said("slow").body, silence_s=0.3), FAST) as (_, other):
        breaker = planning.health(gateway.project.pk, "two/foo").breaker
        for _ in range(6):
            breaker.failed(time.monotonic())
        reply = await gateway.asked(ASKED)
    assert text(reply) == "slow" and other.asked == []


async def test_only_few_calls_are_hedged(gateway: Gateway) -> None:
    async with two(gateway, Step(body=said("slow").body, silence_s=0.4), FAST) as (_, other):
        await asyncio.gather(*(gateway.asked(ASKED) for _ in range(8)))
    assert len(other.asked) == 1


async def test_the_usual_time_of_the_option_is_waited_for(gateway: Gateway) -> None:
    async with two(gateway, Step(body=said("slow").body, silence_s=0.4), FAST, hedge_quantile=0.9) as (_, other):
        seen = planning.health(gateway.project.pk, "one/foo")
        for _ in range(10):
            seen.answered(20_000.0, time.monotonic())
        assert text(await gateway.asked(ASKED)) == "slow" and other.asked == []


# --- budgets


async def test_a_budget_is_charged_what_was_used(gateway: Gateway) -> None:
    row = await asyncio.to_thread(_allowance, gateway.project, "1")
    async with two(gateway, SLOW, said(prompt=1_000, completion=500)):
        reply = await gateway.asked(ASKED)
    await asyncio.to_thread(allowances._purses[row.pk].give_back)
    taken = (await asyncio.to_thread(Spending.objects.get)).taken_usd
    assert taken == 2 * Decimal(reply.headers["x-netra-cost-usd"])


async def test_a_budget_without_room_for_two_lets_the_first_go_on(gateway: Gateway) -> None:
    async with two(gateway, Step(body=said("slow").body, silence_s=0.4), FAST) as (_, other):
        worst = await asyncio.to_thread(_worst, gateway)
        await asyncio.to_thread(_allowance, gateway.project, format(worst * Decimal("1.5"), "f"))
        reply = await gateway.asked(ASKED)
    assert text(reply) == "slow" and other.asked == []


def _allowance(project: Project, budget: str) -> Allowance:
    return Allowance.objects.create(project=project, budget_usd=Decimal(budget))


def _worst(gateway: Gateway) -> Decimal:
    from routing.calls import worst_case_usd
    from routing.targets import target

    worst = worst_case_usd(ASKED, target(gateway.project, "one/foo"))
    assert worst is not None
    return worst


# --- the parts


@given(st.lists(st.booleans(), max_size=400))
def test_never_more_than_the_share_and_one(wanted: list[bool]) -> None:
    ration, taken = Ration(), 0
    for wants in wanted:
        ration.count()
        taken += wants and ration.take()
    assert taken <= 1 + 0.05 * len(wanted) + 1e-9


def test_a_long_quiet_time_saves_up_a_few_only() -> None:
    ration = Ration()
    for _ in range(10_000):
        ration.count()
    assert sum(ration.take() for _ in range(100)) == 5


def test_first_events_have_a_spread_of_their_own() -> None:
    seen = Health()
    for _ in range(10):
        seen.answered(5_000.0, 0.0)
        seen.began(100.0, 0.0)
    first, whole = seen.first_ms(0.95), seen.latency_ms(0.95)
    assert first is not None and whole is not None
    assert 100 <= first <= 110 and 5_000 <= whole <= 5_500


def test_one_that_was_outpaced_counts_with_the_time_it_had() -> None:
    seen = Health()
    for _ in range(10):
        seen.outpaced(5_000.0, 0.0)
    assert (seen.latency_ms(0.5) or 0) >= 5_000 and seen.failing_share == 0.0


@pytest.mark.parametrize(
    ("rules", "field"),
    [
        ({"hedge_after_ms": 1}, "hedge_after_ms"),
        ({"hedge_quantile": 1}, "hedge_quantile"),
        ({"hedge_quantile": True}, "hedge_quantile"),
        ({"stickiness": "yes"}, "stickiness"),
    ],
)
@pytest.mark.django_db
def test_rules_that_mean_nothing_are_told_at_their_field(project: Project, rules: dict[str, Any], field: str) -> None:
    factories.supply_option("one/foo")
    with pytest.raises(policies.Invalid) as refused:
        policies.check(project, kind="fixed", default_option="one/foo", rules=rules)
    assert refused.value.field == field


# --- pages and API


RULES = {"hedge_after_ms": 200.0, "hedge_quantile": 0.95, "stickiness": False}


@pytest.fixture
def options(project: Project) -> None:
    factories.connection(project, "one", provider="openai_compatible", base_url="http://127.0.0.1:9/v1")
    factories.supply_option("one/foo")


def test_the_rules_are_set_on_the_page_and_shown_again(
    project: Project, options: None, owner: User, events: None
) -> None:
    form = {"kind": "fixed", "default_option": "one/foo", "margin_points": 2, "exploration_percent": 0}
    given = {**form, "name": "auto", "hedge_after_ms": 200, "hedge_percentile": 95}
    assert factories.client(owner).post("/projects/agent/routing/policies/new", given).status_code == 302
    kept = policies.named(project, "auto").rules
    assert {name: kept[name] for name in RULES} == RULES  # a box that is not ticked turns it off
    page = factories.client(owner).get("/projects/agent/routing/policies/auto/").content.decode()
    assert 'value="200.0"' in page and 'value="95.0"' in page


def test_a_wait_past_all_measure_is_told_at_its_field(
    project: Project, options: None, owner: User, events: None
) -> None:
    form = {"kind": "fixed", "default_option": "one/foo", "margin_points": 2, "exploration_percent": 0}
    given = {**form, "name": "auto", "hedge_percentile": 20}
    page = factories.client(owner).post("/projects/agent/routing/policies/new", given)
    assert page.status_code == 200 and b"greater than or equal to 50" in page.content


def test_the_rules_are_set_by_the_api(project: Project, options: None, owner: User, stranger: User) -> None:
    given = json.dumps({"kind": "fixed", "default_option": "one/foo", "rules": RULES})
    url = "/api/v1/routing/agent/policies/auto"
    put = [factories.client(who).put(url, given, "application/json") for who in (owner, stranger)]
    assert [reply.status_code for reply in put] == [200, 404] and put[0].json()["rules"] == RULES


def test_rules_as_they_usually_are_need_not_be_kept(project: Project, options: None) -> None:
    told = policies.check(project, kind="fixed", default_option="one/foo", rules={"stickiness": True})
    assert told == {}


async def test_a_hedged_decision_is_told_on_its_page(gateway: Gateway, owner: User) -> None:
    async with two(gateway, SLOW, FAST):
        await gateway.asked(ASKED)
    (event,) = await logged(gateway)
    url = f"/projects/{gateway.project.slug}/routing/decisions/{event['event_id']}/"
    page = await asyncio.to_thread(lambda: factories.client(owner).get(url).content.decode())
    assert "It was slow, and two/foo, asked as well, was first." in page and "outpaced" in page


async def _until(holds: Any) -> None:
    async with asyncio.timeout(30):
        while not holds():
            await asyncio.sleep(0.01)
