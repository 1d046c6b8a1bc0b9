"""Gates and paces under any order of events: never more than allowed, nobody forgotten, nobody overtaken."""

from __future__ import annotations

import asyncio
import itertools
import threading
from typing import Any

import pytest
from django.test import Client
from hypothesis import given, settings
from hypothesis import strategies as st

from routing import limits
from routing.limits import BURST_S, Gate, Pace, admitted
from routing.models import ProviderConnection
from tests import factories
from tests.routing.test_supply_admin import connection_form, url

# Gates, as a state machine: people come, leave, give up, and the width changes.

events = st.lists(
    st.one_of(
        st.just(("come", 0)),
        st.just(("leave", 0)),
        st.tuples(st.just("give up"), st.integers(0, 5)),
        st.tuples(st.just("widen"), st.integers(1, 5)),
    ),
    max_size=40,
)


async def settle() -> None:
    for _ in range(3):
        await asyncio.sleep(0)


class Crowd:
    """A gate, those before it in their order of arrival, and those inside."""

    def __init__(self, width: int) -> None:
        self.gate, self.width = Gate(width), width
        self.waiting: list[asyncio.Task[None]] = []
        self.inside = 0

    async def happens(self, kind: str, number: int) -> None:
        if kind == "come":
            self.waiting.append(asyncio.create_task(self.gate.enter()))
        elif kind == "leave" and self.inside:
            self.inside -= 1
            self.gate.leave()
        elif kind == "give up" and number < len(self.waiting):
            self.waiting.pop(number).cancel()
        elif kind == "widen":
            self.width = number
            self.gate.widen(number)
        await settle()
        in_order = [task.done() for task in self.waiting]
        assert in_order == sorted(in_order, reverse=True), "somebody was overtaken"
        self.inside += sum(in_order)
        self.waiting = [task for task in self.waiting if not task.done()]

    async def go_home(self) -> None:
        for task in self.waiting:
            task.cancel()
        await settle()


@settings(max_examples=80, deadline=None)
@given(st.integers(1, 4), events)
def test_a_gate_is_never_overfull_never_idle_while_somebody_waits_and_keeps_the_order(width: int, events: Any) -> None:
    async def play() -> None:
        crowd = Crowd(width)
        most = 0
        for kind, number in events:
            before = crowd.inside
            await crowd.happens(kind, number)
            most = max(crowd.width, before)
            assert crowd.inside <= most, "a narrower gate drives nobody out, but lets nobody in"
            assert not crowd.waiting or crowd.inside >= crowd.width, "a free place was left empty"
        await crowd.go_home()

    asyncio.run(play())


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 4), st.lists(st.booleans(), min_size=1, max_size=20))
def test_after_any_crowd_the_gate_is_as_wide_as_before(width: int, patient: list[bool]) -> None:
    async def play() -> int:
        gate = Gate(width)

        async def visit(stays: bool) -> None:
            await gate.enter()
            try:
                await asyncio.sleep(0 if stays else 10)
            finally:
                gate.leave()

        tasks = [asyncio.create_task(visit(stays)) for stays in patient]
        await settle()
        for task, stays in zip(tasks, patient, strict=True):
            if not stays:
                task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for _ in range(width):
            await asyncio.wait_for(gate.enter(), 1)
        return gate._inside

    assert asyncio.run(play()) == width


async def test_a_narrower_gate_waits_until_enough_have_left() -> None:
    crowd = Crowd(3)
    for _ in range(4):
        await crowd.happens("come", 0)
    await crowd.happens("widen", 1)
    await crowd.happens("leave", 0)
    await crowd.happens("leave", 0)
    assert (crowd.inside, len(crowd.waiting)) == (1, 1)
    await crowd.happens("leave", 0)
    assert (crowd.inside, crowd.waiting) == (1, [])


# Paces.


@given(st.integers(1, 6_000), st.lists(st.floats(0, 2), min_size=2, max_size=60))
def test_over_any_second_a_pace_lets_no_more_start_than_its_rate_and_one_burst(rate: int, gaps: list[float]) -> None:
    pace, now, starts = Pace(rate), 1_000.0, []
    for gap in gaps:
        now += gap
        starts.append(now + pace.reserve(now))
    for position, first in enumerate(starts):
        in_window = sum(first <= start < first + 1 for start in starts[position:])
        assert in_window <= (1 + BURST_S) * rate / 60 + 1 + 1e-6


@given(st.integers(1, 6_000), st.lists(st.floats(0, 2), min_size=2, max_size=40))
def test_turns_come_in_the_order_in_which_they_were_asked_for(rate: int, gaps: list[float]) -> None:
    pace, turns = Pace(rate), []
    for now in itertools.accumulate(gaps, initial=50.0):
        turns.append(now + pace.reserve(now))
    assert all(later >= earlier - 1e-6 for earlier, later in itertools.pairwise(turns))


@given(st.integers(1, 100_000))
def test_whoever_comes_first_or_after_a_long_pause_starts_at_once(rate: int) -> None:
    pace = Pace(rate)
    assert pace.reserve(500.0) == 0
    assert pace.reserve(700.0) == 0


@pytest.mark.parametrize(("rate", "delays"), [(60, [0, 0, 1, 2]), (30, [0, 1, 3, 5]), (120, [0, 0, 0, 0.5])])
def test_turns_by_hand(rate: int, delays: list[float]) -> None:
    # 60 a minute: one a second, and a second's worth in advance: at once, at once, then every second.
    # 30: every two seconds, the first of them one second old already. 120: every half second, three at once.
    pace = Pace(rate)
    assert [pace.reserve(10.0) for _ in range(4)] == pytest.approx(delays)


def test_a_faster_pace_holds_from_the_next_turn_on() -> None:
    pace = Pace(6)  # one in ten seconds
    assert [pace.reserve(100.0), pace.reserve(100.0)] == pytest.approx([0, 9])
    pace.per_minute = 60
    assert [pace.reserve(100.0), pace.reserve(100.0)] == pytest.approx([19, 20])


# Both, by the connection's key.


async def passes(key: str, width: int, within_s: float = 1, **pace: int | None) -> None:
    limit = {"requests_per_minute": None, **pace}
    async with asyncio.timeout(within_s), admitted(key, max_concurrency=width, **limit):  # type: ignore[arg-type]
        pass


async def test_connections_do_not_hold_each_other_up() -> None:
    async with admitted("one", max_concurrency=1, requests_per_minute=None):
        await passes("two", 1)
        with pytest.raises(TimeoutError):
            await passes("one", 1, within_s=0.01)


async def test_a_changed_limit_holds_for_the_next_call() -> None:
    async with admitted("changed", max_concurrency=1, requests_per_minute=None):
        await passes("changed", 2)


async def test_a_limit_by_the_minute_that_is_taken_away_is_forgotten() -> None:
    await passes("freed", 1, requests_per_minute=1)
    await passes("freed", 1)
    assert "freed" not in limits._paces


async def test_whoever_gives_up_while_pacing_frees_the_place() -> None:
    await passes("paced", 1, requests_per_minute=1)
    with pytest.raises(TimeoutError):  # the next turn is a minute away
        await passes("paced", 1, within_s=0.01, requests_per_minute=1)
    await passes("paced", 1)


def test_threads_share_one_pace() -> None:
    pace, turns, lock = Pace(600), [], threading.Lock()

    def take() -> None:
        for _ in range(50):
            turn = pace.reserve(100.0)
            with lock:
                turns.append(turn)

    threads = [threading.Thread(target=take) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # 200 turns at one in 0.1 s, the first a second in advance: the last after 199 × 0.1 − 1 s; no turn given twice.
    assert max(turns) == pytest.approx(18.9)
    assert len({round(turn, 4) for turn in turns if turn > 0}) == sum(turn > 0 for turn in turns)


# A limit that would let nobody in, or divide by nothing, cannot be entered.


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("max_concurrency", 0),
        ("max_concurrency", 1_001),
        ("requests_per_minute", 0),
        ("deadline_s", 0),
        ("deadline_s", -1),
    ],
)
def test_staff_cannot_enter_a_limit_that_no_call_passes(db: None, field: str, value: int) -> None:
    staff: Client = factories.client(factories.user("staff@example.com", is_staff=True, is_superuser=True))
    answer = staff.post(url("providerconnection_add"), connection_form(**{field: value}))
    assert not ProviderConnection.objects.exists()
    assert field in answer.context["adminform"].form.errors
