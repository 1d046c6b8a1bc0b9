"""What is left of an attempt that did not come to its end: its event, its money, its probe's place."""

from __future__ import annotations

import asyncio
import time
from decimal import Decimal

import pytest

from routing import allowances
from routing.gateway import front, planning, serving
from routing.models import Allowance, Spending
from tests.routing.gatewayed import Gateway, chat
from tests.routing.scripted import Step, error, provider, said


async def _cancelled_once(task: asyncio.Task[object], asked: list[object]) -> None:
    async with asyncio.timeout(30):
        while not asked:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.3)  # longer than the upstream takes to answer; nothing is lost where it is not
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_hang_up_between_two_attempts_has_its_event(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(front, "WATCH_AFTER_S", 30.0)
    monkeypatch.setattr(serving, "PAUSE_S", 30.0)
    async with provider(error(500)) as upstream:
        await asyncio.to_thread(gateway.lead_to, upstream.base_url)
        await _cancelled_once(asyncio.create_task(gateway.asked()), upstream.asked)
    (event,) = await asyncio.to_thread(gateway.logged)
    assert event["outcome"] == "cancelled" and event["cost_recorded_usd"] == 0
    assert [each["error"] for each in event["metadata"]["attempts"]] == ["provider_error"]


async def test_a_hang_up_while_waiting_for_a_place_costs_nothing(gateway: Gateway) -> None:
    async with provider(Step(body=said().body, silence_s=20.0)) as upstream:
        await asyncio.to_thread(gateway.lead_to, upstream.base_url, max_concurrency=1, deadline_s=60.0)
        first = asyncio.create_task(gateway.asked())
        while not upstream.asked:
            await asyncio.sleep(0.01)
        await _cancelled_once(asyncio.create_task(gateway.asked()), upstream.asked)
        await _cancelled_once(first, upstream.asked)
    events = await asyncio.to_thread(gateway.logged)
    assert sorted(str(event["cost_recorded_usd"]) for event in events) == ["0E-12", "None"]
    assert len(upstream.asked) == 1


async def test_a_probe_that_no_budget_covers_gives_its_place_back(gateway: Gateway) -> None:
    async with provider(said()) as upstream:
        await asyncio.to_thread(gateway.lead_to, upstream.base_url)
        await asyncio.to_thread(Allowance.objects.create, project=gateway.project, budget_usd=Decimal("0.000001"))
        breaker = planning.health(gateway.project.pk, "proxy/foo").breaker
        for _ in range(6):
            breaker.failed(time.monotonic())
        breaker._open_until = 0.0
        assert (await gateway.asked()).status == 402
    assert breaker.state == "open" and breaker.may_pass(time.monotonic())


async def test_nothing_of_a_budget_is_kept_back_by_what_was_never_sent(gateway: Gateway) -> None:
    async with provider(Step(body=said().body, silence_s=20.0)) as upstream:
        await asyncio.to_thread(gateway.lead_to, upstream.base_url, max_concurrency=1, deadline_s=60.0)
        row = await asyncio.to_thread(Allowance.objects.create, project=gateway.project, budget_usd=Decimal(1))
        first = asyncio.create_task(gateway.asked(chat(max_tokens=10)))
        while not upstream.asked:
            await asyncio.sleep(0.01)
        held = allowances._purses[row.pk]._held
        await _cancelled_once(asyncio.create_task(gateway.asked(chat(max_tokens=10))), upstream.asked)
        assert allowances._purses[row.pk]._held >= held
        await _cancelled_once(first, upstream.asked)
    assert (await asyncio.to_thread(Spending.objects.get)).taken_usd <= 1
