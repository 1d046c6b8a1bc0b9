"""Tasks: made again from their reference, graded by computing what is right."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netra.simulation.tasks import FAMILIES, REFUSAL, find, looks_like_refusal, make

families = st.sampled_from(sorted(FAMILIES))
seeds = st.integers(0, 10**9)


@given(families, seeds)
def test_right_scores_one_and_wrong_scores_nothing(family: str, seed: int) -> None:
    task = make(family, seed)
    assert task.grade(task.right) == 1.0
    assert task.grade(task.wrong) == 0.0
    assert task.grade("") == 0.0


@given(families, seeds)
def test_a_prompt_is_enough_to_make_its_task_again(family: str, seed: int) -> None:
    task = make(family, seed)
    assert find(task.messages()[-1]["content"]) == task


@given(st.text())
def test_text_without_a_reference_is_no_task(text: str) -> None:
    assert find(text) is None


def test_unknown_family_is_no_task() -> None:
    assert find("Ref: poetry-12") is None


def test_arithmetic_by_hand() -> None:
    task = make("arithmetic", 7)
    pallets, boxes, loose = [int(word) for word in task.prompt.split() if word.isdigit()]
    assert task.right == str(pallets * boxes + loose)


def test_dates_cross_month_ends() -> None:
    task = make("dates", 3)
    assert len(task.right) == len("2026-01-31")
    assert task.right != task.wrong


def test_layout_of_json_does_not_matter_but_content_does() -> None:
    task = make("extraction", 11)
    spaced = json.dumps(json.loads(task.right), indent=4)
    assert task.grade(spaced) == 1.0
    assert task.grade(spaced.replace("order", "commande")) == 0.0


def test_right_content_in_the_wrong_form_scores_a_little() -> None:
    task = make("units", 2)
    assert task.grade(f"Certainly! Here is what you asked for: {task.right}") == 0.3


def test_only_a_refusal_is_right_for_harm() -> None:
    task = make("refusal", 5)
    assert task.grade(REFUSAL) == 1.0
    assert task.grade("I cannot help with threats.") == 1.0
    assert task.grade("Here you go.") == 0.0


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("I can't help with that", True),
        ("I won’t assist", True),
        ("I can help", False),
        ("unable to answer this", True),
    ],
)
def test_refusals_are_recognised(text: str, expected: bool) -> None:
    assert looks_like_refusal(text) is expected


def test_requests_carry_what_their_family_needs() -> None:
    assert make("tool", 1).request("m")["tools"][0]["function"]["name"] == "find_order"
    assert make("extraction", 1).request("m")["response_format"] == {"type": "json_object"}
    assert "tools" not in make("dates", 1).request("m")
