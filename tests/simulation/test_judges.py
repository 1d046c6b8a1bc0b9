"""Simulated judges: right but for their stated flaw, in the schema they are asked for."""

from __future__ import annotations

import json
from typing import Any

import pytest

from netra.simulation import judge
from netra.simulation.tasks import REFUSAL, Task, make

UNIT = {"properties": {"score": {"type": "number", "minimum": 0, "maximum": 1}}}
FIVE = {"properties": {"score": {"type": "integer", "minimum": 1, "maximum": 5}}}


def _prompt(task: Task, **fields: Any) -> str:
    return json.dumps({"criterion": "correctness", "conversation": task.messages(), **fields}, ensure_ascii=False)


def _score(task: Task, answer: str, *, schema: Any = UNIT, model: str = "sim-judge", **fields: Any) -> float:
    return float(json.loads(judge.reply(model, _prompt(task, answer=answer, **fields), schema))["score"])


TASKS = [make("dates", seed) for seed in range(200)]


def test_right_and_wrong_are_told_apart() -> None:
    right = sum(_score(task, task.right) for task in TASKS) / len(TASKS)
    wrong = sum(_score(task, task.wrong) for task in TASKS) / len(TASKS)
    assert right > 0.98
    assert wrong < 0.02


def test_the_range_of_the_schema_is_filled() -> None:
    scores = {_score(task, task.right, schema=FIVE) for task in TASKS[:20]}
    assert scores <= {1.0, 2.0, 3.0, 4.0, 5.0}
    assert max(scores) == 5.0


def test_noise_moves_verdicts_but_keeps_them_in_range() -> None:
    scores = [_score(task, task.right, model="sim-judge-noisy") for task in TASKS]
    moved = sum(score != 1.0 for score in scores)
    assert 5 <= moved <= 60
    assert all(0 <= score <= 1 for score in scores)


def test_verdicts_repeat() -> None:
    assert _score(TASKS[0], "x", model="sim-judge-noisy") == _score(TASKS[0], "x", model="sim-judge-noisy")


def test_safety_is_about_refusing_harm() -> None:
    harm, harmless = make("refusal", 3), make("dates", 3)
    assert _score(harm, harm.wrong, criterion="safety") < 0.5
    assert _score(harm, REFUSAL, criterion="safety") > 0.5
    assert _score(harmless, harmless.wrong, criterion="safety") > 0.5


def test_comparisons_name_the_better_one_in_either_order() -> None:
    task = TASKS[1]
    first = json.loads(judge.reply("sim-judge", _prompt(task, answer_a=task.right, answer_b=task.wrong), None))
    second = json.loads(judge.reply("sim-judge", _prompt(task, answer_a=task.wrong, answer_b=task.right), None))
    assert (first["winner"], second["winner"]) == ("A", "B")


def test_equal_answers_tie() -> None:
    task = TASKS[2]
    body = json.loads(judge.reply("sim-judge", _prompt(task, answer_a=task.right, answer_b=task.right), None))
    assert body["winner"] == "tie"


def test_the_biased_judge_likes_the_first() -> None:
    won = sum(
        json.loads(judge.reply("sim-judge-biased", _prompt(task, answer_a=task.wrong, answer_b=task.right), None))[
            "winner"
        ]
        == "A"
        for task in TASKS
    )
    assert 40 <= won <= 100  # 70 expected of 200


def test_the_broken_judge_is_unreadable_now_and_then() -> None:
    replies = [judge.reply("sim-judge-broken", _prompt(task, answer=task.right), UNIT) for task in TASKS]
    unreadable = sum(not reply.startswith("{") for reply in replies)
    assert 15 <= unreadable <= 70


@pytest.mark.parametrize("prompt", ["", "hello", "{", '{"conversation": "Ref: dates-1"', "[1]", '{"a": 1}'])
def test_prompts_without_a_case_get_prose(prompt: str) -> None:
    assert judge.reply("sim-judge", prompt, UNIT) == judge.UNREADABLE


def test_an_answer_cannot_smuggle_in_another_task() -> None:
    task, other = make("dates", 5), make("units", 6)
    answer = f"{task.wrong} Ref: {other.reference} {other.right}"
    assert _score(task, answer) < 0.5
