"""Predictions on the way of a request: asked for only where they count, made once, never waited for too long."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from netra import embeddings
from routing.controller import KINDS, Policy
from routing.demand import Demand
from routing.gateway import foresight
from routing.gateway.foresight import MAX_WAITING, UNSEEN, Foresight, is_wanted
from routing.gateway.kept import Kept
from routing.learning import Learnt
from tests.routing import learned

POLICY = Policy("auto", 1, "cheapest", "default", ("good",))


@pytest.fixture(scope="module")
def learnt() -> Learnt:
    return learned.learnt(60)


@pytest.fixture
def embedded(monkeypatch: pytest.MonkeyPatch, settings: Any) -> list[str]:
    """Every text that is embedded; all of them lie at home. The model itself has its own tests."""
    settings.PREDICTOR_DEADLINE_MS = 60_000
    seen: list[str] = []

    def encode_soon(text: str) -> np.ndarray:
        seen.append(text)
        return learned.around(learned.HOME, 1)[0]

    monkeypatch.setattr(embeddings, "encode_soon", encode_soon)
    return seen


def demand(text: str = "Prompt number 1, what now?", needs: frozenset[str] = frozenset()) -> Demand:
    return Demand(needs, 5, 5, text)


async def test_a_text_is_embedded_once_and_answered_from_memory(learnt: Learnt, embedded: list[str]) -> None:
    seer = Foresight()
    first = await seer.of(learnt, POLICY, demand())
    assert first is await seer.of(learnt, POLICY, demand()) and first["good"] is not None
    await seer.of(learnt, POLICY, demand(needs=frozenset({"tools"})))
    assert embedded == [demand().text]


async def test_another_training_is_asked_anew_on_the_same_embedding(learnt: Learnt, embedded: list[str]) -> None:
    seer = Foresight()
    first = await seer.of(learnt, POLICY, demand())
    second = await seer.of(replace(learnt, mark="newer"), POLICY, demand())
    assert first is not second and first == second and len(embedded) == 1


async def test_the_same_text_asked_at_once_is_embedded_once(learnt: Learnt, embedded: list[str]) -> None:
    seer = Foresight()
    found = await asyncio.gather(*(seer.of(learnt, POLICY, demand()) for _ in range(20)))
    assert len(embedded) == 1 and all(each == found[0] for each in found)


@pytest.mark.parametrize("kind", KINDS)
async def test_only_policies_that_weigh_quality_ask(learnt: Learnt, embedded: list[str], kind: str) -> None:
    found = await Foresight().of(learnt, replace(POLICY, kind=kind), demand())
    assert bool(found) == bool(embedded) == (kind in ("cheapest", "fastest", "best", "weighted"))


async def test_nothing_is_asked_without_words_predictor_or_learnt_candidate(
    learnt: Learnt, embedded: list[str]
) -> None:
    seer = Foresight()
    assert await seer.of(None, POLICY, demand()) is UNSEEN
    assert await seer.of(learnt, POLICY, demand(" \n")) is UNSEEN
    assert not is_wanted(learnt, replace(POLICY, candidates=("never judged",))) and not embedded


async def test_a_model_that_fails_leaves_the_plain_beliefs(
    learnt: Learnt, embedded: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embeddings, "encode_soon", lambda _text: 1 / 0)
    seer = Foresight()
    assert await seer.of(learnt, POLICY, demand()) is UNSEEN
    assert not seer._waiting


async def test_too_many_waiting_are_not_made_to_wait(learnt: Learnt, embedded: list[str]) -> None:
    seer = Foresight()
    seer._waiting = dict.fromkeys(range(MAX_WAITING))  # type: ignore[assignment]
    assert await seer.of(learnt, POLICY, demand()) is UNSEEN and not embedded


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch, embedded: list[str]) -> threading.Event:
    """The first text is embedded for as long as this is not set."""
    go_on, encode_soon = threading.Event(), embeddings.encode_soon

    def slow(text: str) -> np.ndarray:
        vector = encode_soon(text)
        go_on.wait(60)
        return vector

    monkeypatch.setattr(embeddings, "encode_soon", slow)
    return go_on


async def begun(seer: Foresight, learnt: Learnt, embedded: list[str]) -> asyncio.Task[Any]:
    """The first text, once its embedding is under way."""
    first = asyncio.create_task(seer.of(learnt, POLICY, demand("first")))
    while not embedded:
        await asyncio.sleep(0.01)
    return first


async def test_what_nobody_waits_for_any_more_is_not_begun(
    learnt: Learnt, embedded: list[str], held: threading.Event
) -> None:
    seer = Foresight()
    first = await begun(seer, learnt, embedded)
    assert await seer.of(learnt, POLICY, demand("second"), wait_s=0.0) is UNSEEN
    held.set()
    assert await first != UNSEEN and await seer.of(learnt, POLICY, demand("third")) != UNSEEN
    assert embedded == ["first", "third"]


async def test_what_would_come_too_late_gives_way_to_others(
    learnt: Learnt, embedded: list[str], held: threading.Event
) -> None:
    seer = Foresight()
    seer._pace_s = 30.0
    first = await begun(seer, learnt, embedded)
    hurried, patient = (
        asyncio.create_task(seer.of(learnt, POLICY, demand(text), wait_s=wait_s))
        for text, wait_s in (("hurried", 20.0), ("patient", 60.0))
    )
    await asyncio.sleep(0)
    held.set()
    assert await hurried is UNSEEN and await patient != UNSEEN and await first != UNSEEN
    assert embedded == ["first", "patient"]


async def test_what_may_come_too_late_is_made_where_nobody_else_waits(learnt: Learnt, embedded: list[str]) -> None:
    seer = Foresight()
    seer._pace_s = 30.0
    assert await seer.of(learnt, POLICY, demand(), wait_s=20.0) != UNSEEN
    assert seer._pace_s < 30.0


async def test_what_was_begun_serves_the_next_time(learnt: Learnt, embedded: list[str], held: threading.Event) -> None:
    seer = Foresight()
    first = await begun(seer, learnt, embedded)
    assert await seer.of(learnt, POLICY, demand("first"), wait_s=0.0) is UNSEEN
    held.set()
    assert await first is await seer.of(learnt, POLICY, demand("first"), wait_s=0.0) and embedded == ["first"]


async def test_who_still_waits_gets_it_when_others_gave_up(
    learnt: Learnt, embedded: list[str], held: threading.Event
) -> None:
    seer = Foresight()
    first = await begun(seer, learnt, embedded)
    patient = asyncio.create_task(seer.of(learnt, POLICY, demand("second")))
    await asyncio.sleep(0)
    assert await seer.of(learnt, POLICY, demand("second"), wait_s=0.0) is UNSEEN
    held.set()
    assert await patient != UNSEEN and await first != UNSEEN


async def test_what_the_model_would_not_read_is_not_given_to_it(learnt: Learnt, embedded: list[str]) -> None:
    await Foresight().of(learnt, POLICY, demand("word " * 10_000))
    assert len(embedded[0]) == foresight.READ_CHARS


def test_the_least_used_is_forgotten_first() -> None:
    kept = Kept(2)
    for key in "ab":
        kept.put(key, key)
    kept.get("a")
    kept.put("c", "c")
    assert [kept.get(key) for key in "abc"] == ["a", None, "c"]
