"""How many at once and how many a minute, across tasks, threads and event loops."""

from __future__ import annotations

import asyncio
import itertools
import threading

import pytest

from routing.limits import BURST_S, Gate, Pace, admitted


async def test_first_come_first_served() -> None:
    gate, order = Gate(1), []
    await gate.enter()

    async def queue(n: int) -> None:
        await gate.enter()
        order.append(n)
        gate.leave()

    waiting = []
    for n in range(5):
        waiting.append(asyncio.create_task(queue(n)))
        await asyncio.sleep(0)
    gate.leave()
    await asyncio.gather(*waiting)
    assert order == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("when", ["waiting", "just admitted"])
async def test_a_caller_who_gives_up_takes_no_place_along(when: str) -> None:
    gate = Gate(1)
    await gate.enter()
    quitter = asyncio.create_task(gate.enter())
    await asyncio.sleep(0)
    if when == "just admitted":
        gate.leave()
    quitter.cancel()
    with pytest.raises(asyncio.CancelledError):
        await quitter
    if when == "waiting":
        gate.leave()
    await asyncio.wait_for(gate.enter(), 1)


async def test_a_wider_gate_lets_the_waiting_in() -> None:
    gate = Gate(1)
    await gate.enter()
    waiting = asyncio.create_task(gate.enter())
    await asyncio.sleep(0)
    gate.widen(2)
    await asyncio.wait_for(waiting, 1)


def test_the_limit_holds_over_threads_with_loops_of_their_own() -> None:
    inside, most, lock = 0, 0, threading.Lock()

    async def one() -> None:
        nonlocal inside, most
        async with admitted("threads", max_concurrency=3, requests_per_minute=None):
            with lock:
                inside += 1
                most = max(most, inside)
            await asyncio.sleep(0.001)
            with lock:
                inside -= 1

    async def many() -> None:
        await asyncio.gather(*(one() for _ in range(25)))

    threads = [threading.Thread(target=asyncio.run, args=(many(),)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert inside == 0 and most == 3


def test_a_loop_that_ended_while_waiting_holds_nobody_up() -> None:
    gate = Gate(1)

    async def take() -> None:
        await gate.enter()

    asyncio.run(take())
    loop = asyncio.new_event_loop()
    task = loop.create_task(gate.enter())
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()
    gate.leave()
    asyncio.run(asyncio.wait_for(take(), 1))
    task._log_destroy_pending = False  # type: ignore[attr-defined]


def test_starts_are_spread_evenly_after_a_short_burst() -> None:
    pace = Pace(per_minute=600)  # one every 0.1 s
    delays = [pace.reserve(now=100.0) for _ in range(40)]
    n_at_once = sum(delay == 0 for delay in delays)
    assert n_at_once == BURST_S / 0.1 + 1
    later = [delay for delay in delays if delay > 0]
    assert all(b - a == pytest.approx(0.1) for a, b in itertools.pairwise(later))


def test_over_any_minute_the_limit_holds() -> None:
    pace, now, starts = Pace(per_minute=120), 1_000.0, []
    for _ in range(500):
        starts.append(now + pace.reserve(now))
        now += 0.05
    for first in starts[:250]:
        assert sum(first <= start < first + 60 for start in starts) <= 120 + BURST_S * 2 + 1


async def test_an_error_inside_frees_the_place() -> None:
    for _ in range(3):
        with pytest.raises(ZeroDivisionError):
            async with admitted("errors", max_concurrency=1, requests_per_minute=60_000):
                raise ZeroDivisionError
