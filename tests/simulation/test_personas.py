"""Simulated models: repeatable, of the skill they claim, and alike in what they find hard."""

from __future__ import annotations

from decimal import Decimal

import pytest

from netra.simulation import personas
from netra.simulation.personas import PERSONAS, as_message, as_text, catalog, count_tokens, true_mean
from netra.simulation.tasks import FAMILIES, make

TASKS = [make(family, seed) for family in FAMILIES for seed in range(400)]


@pytest.mark.parametrize("name", sorted(PERSONAS))
def test_skill_is_what_it_claims(name: str) -> None:
    persona = PERSONAS[name]
    for family in ("dates", "refusal"):
        tasks = [make(family, seed) for seed in range(2000)]
        share = sum(persona.is_right(task) for task in tasks) / len(tasks)
        # Four standard errors of a share at 2,000 draws are at most 0.045.
        assert abs(share - persona.skill_in(family)) < 0.045


def test_answers_repeat_themselves() -> None:
    assert [PERSONAS["sim-small"].answer(task) for task in TASKS] == [
        PERSONAS["sim-small"].answer(task) for task in TASKS
    ]


def test_a_draw_changes_some_answers_only() -> None:
    persona = PERSONAS["sim-bargain"]
    changed = sum(persona.answer(task) != persona.answer(task, "seed 2") for task in TASKS)
    assert 0 < changed < len(TASKS) / 2


def test_models_fail_at_the_same_tasks_more_often_than_by_chance() -> None:
    small, bargain = PERSONAS["sim-small"], PERSONAS["sim-bargain"]
    tasks = [make("translation", seed) for seed in range(3000)]
    both = sum(not small.is_right(task) and not bargain.is_right(task) for task in tasks) / len(tasks)
    independent = (1 - small.skill) * (1 - bargain.skill)
    assert both > 1.3 * independent


def test_the_truth_ranks_the_models() -> None:
    truth = {name: true_mean(name, TASKS) for name in PERSONAS}
    assert abs(truth["sim-medium"] - truth["sim-large"]) < 0.02
    assert truth["sim-bargain"] < truth["sim-small"] < truth["sim-large"]
    assert truth["sim-refuser"] < truth["sim-large"] - 0.05


def test_truth_of_nothing_is_not_a_number() -> None:
    with pytest.raises(ZeroDivisionError):
        true_mean("sim-large", [])


def test_prices_are_exact_and_every_model_is_listed() -> None:
    listed = {each.model: each for each in catalog()}
    assert set(listed) == set(PERSONAS) | set(personas.JUDGES)
    assert listed["sim-small"].input == Decimal("0.00000015")


@pytest.mark.parametrize(("text", "n"), [("", 0), ("a", 1), ("abcd", 1), ("abcde", 2)])
def test_tokens_are_four_characters(text: str, n: int) -> None:
    assert count_tokens(text) == n


def test_a_tool_call_survives_being_a_message() -> None:
    task = make("tool", 9)
    message = as_message(task, task.right)
    assert message["content"] is None
    assert task.grade(as_text(message)) == 1.0


def test_plain_text_stays_text() -> None:
    assert as_message(make("tool", 9), "I do not know.")["content"] == "I do not know."


def test_pace_grows_with_tokens() -> None:
    persona, task = PERSONAS["sim-large"], TASKS[0]
    first, short = persona.latency_ms(task, 10)
    _, long = persona.latency_ms(task, 100)
    assert 0 < first < short < long
