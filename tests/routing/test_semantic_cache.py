"""The semantic response cache: what counts as the same question, and which hits the model answers all the same."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from netra import embeddings
from projects.models import Project
from routing.gateway import controlled, meanings
from routing.gateway.caching import ANSWERS, hinges
from routing.gateway.foresight import FORESIGHT
from routing.gateway.meanings import MEANINGS, Around
from routing.gateway.tenants import TENANTS
from tests.routing.controlled import chat, embedded, set_up, several, states, turned
from tests.routing.gatewayed import Gateway
from tests.routing.scripted import said, served

ONE, NEAR, FAR = "Where is the key", "Where is the key.", "Where is the key......"


@pytest.fixture(autouse=True)
def alike(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(embeddings, "encode", embedded)
    monkeypatch.setattr(embeddings, "encode_soon", lambda text: embedded([text])[0])
    monkeypatch.setattr(controlled, "MEANING_WAIT_S", 60.0)
    FORESIGHT.clear()
    ANSWERS.renew()
    set_up(gateway.project, exact_cache=True, semantic_cache=True, similarity=0.97, check_share=0.01)
    monkeypatch.setattr(controlled.random, "random", lambda: 0.5)
    yield
    FORESIGHT.clear()
    ANSWERS.renew()


def test_a_question_that_means_the_same_is_answered_from_the_cache(gateway: Gateway) -> None:
    with served(said("There.")) as upstream:
        gateway.lead_to(upstream.base_url)
        replies = several(gateway, chat(ONE), chat(NEAR), chat(FAR))
    assert states(replies) == ["miss", "semantic", "miss"] and len(upstream.asked) == 2
    hit = next(event for event in gateway.logged() if event["outcome"] == "cached")
    assert hit["metadata"]["cache"]["kind"] == "semantic"
    assert hit["metadata"]["cache"]["similarity"] == pytest.approx(0.996, abs=0.001)


def test_the_nearest_question_answers(gateway: Gateway) -> None:
    with served(said("none"), said("three")) as upstream:
        gateway.lead_to(upstream.base_url)
        set_up(gateway.project, similarity=0.99)
        several(gateway, chat("Say"), chat("Say..."))
        set_up(gateway.project, similarity=0.96)
        (reply,) = several(gateway, chat("Say.."))
    assert reply.json["choices"][0]["message"]["content"] == "three"


@pytest.mark.parametrize(
    "other",
    [
        {"messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": NEAR}]},
        {"messages": [*chat(ONE)["messages"], {"role": "assistant", "content": "?"}, *chat(NEAR)["messages"]]},
        {"messages": [{"role": "user", "content": [{"type": "text", "text": NEAR}]}]},
        {"messages": [{"role": "user", "content": "Where is the key not."}]},
        {"messages": [{"role": "user", "content": "Where is the key 7."}]},
        {"temperature": 0.0},
        {"response_format": {"type": "json_object"}},
    ],
)
def test_all_but_the_last_words_must_be_equal(gateway: Gateway, other: dict[str, Any]) -> None:
    with served(said("There.")) as upstream:
        gateway.lead_to(upstream.base_url)
        assert states(several(gateway, chat(ONE), {**chat(NEAR), **other})) == ["miss", "miss"]


def test_figures_and_negations_are_what_answers_hang_on() -> None:
    assert hinges("Add 12 and 3.5, don’t round, not now") == ["12", "3.5", "n't", "not"]
    assert hinges("What is the notation?") == []


def test_a_long_question_has_no_meaning_here(gateway: Gateway) -> None:
    with served(said("There.")) as upstream:
        gateway.lead_to(upstream.base_url)
        long = "word " * 200
        assert states(several(gateway, chat(long), chat(long + "."))) == ["miss", "miss"]


def test_a_share_of_the_hits_is_asked_all_the_same(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    with served(said("There."), said("Here.")) as upstream:
        gateway.lead_to(upstream.base_url)
        several(gateway, chat(ONE))
        monkeypatch.setattr(controlled.random, "random", lambda: 0.005)
        (checked,) = several(gateway, chat(NEAR))
    assert checked.headers["x-netra-cache"] == "miss"
    assert checked.json["choices"][0]["message"]["content"] == "Here."
    first, second = sorted(gateway.logged(), key=lambda event: event["started_at"])
    assert second["metadata"]["cache_check"]["of"] == first["source_record_id"] and second["outcome"] == "ok"


def test_a_question_whose_embedding_is_late_is_asked(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    with served(said("There.")) as upstream:
        gateway.lead_to(upstream.base_url)
        several(gateway, chat(ONE))
        monkeypatch.setattr(controlled, "MEANING_WAIT_S", 0.0)
        monkeypatch.setattr(embeddings, "encode_soon", lambda _: pytest.fail("waits for nobody"))
        assert states(several(gateway, chat(NEAR))) == ["miss"]


def test_words_that_a_mask_finds_are_not_embedded(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    Project.objects.filter(pk=gateway.project.pk).update(masks=["email"])
    TENANTS.forget()
    monkeypatch.setattr(embeddings, "encode_soon", lambda _: pytest.fail("these words are personal"))
    with served(said("There.")) as upstream:
        gateway.lead_to(upstream.base_url)
        assert states(several(gateway, chat("Who is ada@example.com"), chat("Who is ada@example.com."))) == ["miss"] * 2


def test_a_question_whose_answer_is_gone_is_forgotten(gateway: Gateway) -> None:
    set_up(gateway.project, max_entries=1)
    with served(said("There.")) as upstream:
        gateway.lead_to(upstream.base_url)
        several(gateway, chat(ONE), chat(FAR))
        assert states(several(gateway, chat(NEAR))) == ["miss"]


def test_the_semantic_cache_is_off_unless_asked_for(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    set_up(gateway.project, semantic_cache=False)
    monkeypatch.setattr(embeddings, "encode_soon", lambda _: pytest.fail("nobody asked for it"))
    with served(said("There.")) as upstream:
        gateway.lead_to(upstream.base_url)
        assert states(several(gateway, chat(ONE), chat(NEAR), chat(ONE))) == ["miss", "miss", "exact"]


def test_a_surrounding_keeps_its_newest_questions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(meanings, "MOST_AROUND", 3)
    around = Around()
    for number in range(5):
        around.add(f"q{number}", turned("." * number * 4))
    assert len(around) == 3 and "q1" not in around
    assert around.nearest(turned("." * 16)) == ("q4", pytest.approx(1.0))
    around.drop("q4")
    assert around.nearest(turned("." * 16))[0] == "q3"


def test_clearing_empties_the_index_too(gateway: Gateway) -> None:
    with served(said("There.")) as upstream:
        gateway.lead_to(upstream.base_url)
        several(gateway, chat(ONE))
        set_up(gateway.project, guardrails=[])
        set_up(gateway.project, guardrails=[{"name": "short", "kind": "max_tokens", "limit": 50}])
        assert states(several(gateway, chat(NEAR))) == ["miss"]
    assert len(MEANINGS._places) == 1
