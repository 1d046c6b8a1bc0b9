"""Providers that fail one request in three, under load: no wrong answer, nothing charged twice, nothing forgotten.

`benchmarks/gateway_faults.py` does the same for longer, with the gateway in a process of its own.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from projects import log, shipping
from projects.log import EventFilter
from routing import policies
from routing.gateway import planning
from tests import factories
from tests.flows import faulty
from tests.flows.faulty import Asked, Faulty, Reply, audit, read_reply, wording
from tests.routing.conftest import gateway
from tests.routing.gatewayed import Gateway, chat

__all__ = ["gateway"]

N = 120
AT_ONCE = 24


@pytest.fixture
def providers(gateway: Gateway) -> Iterator[tuple[Faulty, Faulty]]:
    """Two of them behind `netra/auto`: `one/foo`, and `two/foo` where it fails."""
    with faulty.serving(rate=0.3, seed=1) as one, faulty.serving(rate=0.3, seed=2) as two:
        for name, each in (("one", one), ("two", two)):
            factories.connection(
                gateway.project,
                name,
                provider="openai_compatible",
                base_url=each.base_url,
                max_concurrency=64,
                deadline_s=4.0,
            )
            price = {key: format(value, "f") for key, value in faulty.PRICE.items()}
            factories.supply_option(f"{name}/foo", price=price, max_output_tokens=100)
        rules = {"fallbacks": ["two/foo"]}
        policies.write(gateway.project, "auto", kind="fixed", default_option="one/foo", rules=rules, by=None)
        yield one, two


async def ask(gateway: Gateway, prompt: str, *, is_stream: bool = False) -> Reply:
    reply = await gateway.asked(chat(prompt, model="netra/auto", stream=is_stream))
    decision = reply.headers.get("x-netra-decision", "")
    return read_reply(prompt, reply.status, decision, reply.body, is_stream=is_stream)


async def ask_all(gateway: Gateway, n: int) -> list[Reply]:
    at_once = asyncio.Semaphore(AT_ONCE)

    async def one(number: int) -> Reply:
        async with at_once:
            return await ask(gateway, f"prompt {number}", is_stream=number % 2 == 1)

    return await asyncio.gather(*(one(number) for number in range(n)))


def logged(gateway: Gateway) -> list[dict[str, Any]]:
    shipping.ship(gateway.spool)
    rows = log.events(gateway.project.pk, EventFilter(purpose="live"), limit=500).rows
    return [log.event(gateway.project.pk, row["event_id"]) for row in rows]


async def test_faults_under_load(gateway: Gateway, providers: tuple[Faulty, Faulty]) -> None:
    one, two = providers
    replies = await ask_all(gateway, N)
    events = await asyncio.to_thread(logged, gateway)
    assert audit(replies, events, {"one/foo": one.log, "two/foo": two.log}) == []
    met = Counter(each.fault for each in (*one.log, *two.log))
    assert set(met) == {"", *faulty.KINDS}  # each kind of fault was met
    assert sum(reply.status == 200 and reply.is_ended for reply in replies) > N * 0.5
    ok = [event for event in events if event["outcome"] == "ok"]
    delivered = [reply.prompt for reply in replies if reply.status == 200 and reply.is_ended]
    assert sum(event["cost_usd"] for event in ok) == sum(map(faulty.bill_usd, delivered), Decimal(0))


async def test_the_breaker_opens_and_recovers(gateway: Gateway, providers: tuple[Faulty, Faulty]) -> None:
    one, two = providers
    one.rate, one.kinds, two.rate = 1.0, ("500",), 0.0
    breaker = planning.health(gateway.project.pk, "one/foo").breaker
    breaker._rest_s = 0.2
    failed = [await ask(gateway, f"failing {number}") for number in range(6)]
    assert breaker.state == "open" and all(reply.text == wording(reply.prompt) for reply in failed)
    one.rate = 0.0
    n_asked = len(one.log)
    await _until_back(gateway)
    assert breaker.state == "closed" and n_asked < len(one.log)
    events = await asyncio.to_thread(logged, gateway)
    served = Counter(event["metadata"]["option"] for event in events)
    assert served["two/foo"] >= 6 and served["one/foo"] == 1
    assert len(events) == sum(served.values())


async def _until_back(gateway: Gateway) -> None:
    end = time.monotonic() + 60
    for number in range(10_000):
        reply = await gateway.asked(chat(f"later {number}", model="netra/auto"))
        if reply.headers["x-netra-option"] == "one/foo":
            return
        assert time.monotonic() < end
        await asyncio.sleep(0.05)


# --- the audit finds what it is there for


def _event(prompt: str, **fields: Any) -> dict[str, Any]:
    attempts = [{"option": "one/foo", "error": None}]
    known = {"source_record_id": f"d-{prompt}", "outcome": "ok", "cost_usd": faulty.bill_usd(prompt)}
    return {**known, "metadata": {"option": "one/foo", "attempts": attempts}, **fields}


REPLY = Reply("p", 200, "d-p", wording("p"), is_ended=True)
LOGS = {"one/foo": [Asked("p", "")]}


def test_a_run_without_fault_passes_the_audit() -> None:
    assert audit([REPLY], [_event("p")], LOGS) == []


def test_a_refusal_without_an_attempt_and_a_time_out_on_the_way_are_no_contradiction() -> None:
    assert audit([Reply("p", 502, "d-p", "", is_ended=True)], [], {"one/foo": []}) == []
    attempts = [{"option": "one/foo", "error": "timeout"}, {"option": "one/foo", "error": None}]
    assert audit([REPLY], [_event("p", metadata={"option": "one/foo", "attempts": attempts})], LOGS) == []


@pytest.mark.parametrize(
    ("reply", "events", "logs", "word"),
    [
        (Reply("p", 200, "d-p", wording("q"), True), [_event("p")], LOGS, "wrong answer"),
        (REPLY, [], LOGS, "0 events"),
        (Reply("p", 502, "d-p", "", True), [], LOGS, "0 events"),
        (REPLY, [_event("p"), _event("p")], LOGS, "2 events"),
        (REPLY, [_event("p", cost_usd=Decimal(1))], LOGS, "billed"),
        (REPLY, [_event("p", outcome="provider_error")], LOGS, "its event says"),
        (REPLY, [_event("p")], {"one/foo": [Asked("p", "500"), Asked("p", "")]}, "is recorded"),
        (REPLY, [_event("p")], {"one/foo": [Asked("p", "malformed")]}, "is recorded"),
    ],
)
def test_the_audit_finds(reply: Reply, events: list[Any], logs: dict[str, list[Asked]], word: str) -> None:
    assert any(word in problem for problem in audit([reply], events, logs))


def test_faults_are_the_same_in_every_run() -> None:
    one, again = Faulty(rate=0.5, seed=3), Faulty(rate=0.5, seed=3)
    met = [one.fault(f"prompt {number}") for number in range(200)]
    assert met == [again.fault(f"prompt {number}") for number in range(200)] and 60 < met.count("") < 140
