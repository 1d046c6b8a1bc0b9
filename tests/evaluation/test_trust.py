"""What is known of judges: flips with the order, agreement with each other, agreement with people."""

from __future__ import annotations

import pytest

from evaluation.answers import Answer, Prompt, pair_up
from evaluation.trust import Comparison, Label, trust

N = 40
PROMPTS = [Prompt(place, "any") for place in range(N)]


def lanes(old=0.6, new=0.4, judges=("a",)):
    def filled(score):
        return {place: Answer(scores={("quality", judge): score for judge in judges}) for place in range(N)}

    return {"old": filled(old), "new": filled(new)}


def trusted(gathered=None, comparisons=(), labels=()):
    gathered = gathered or lanes()
    paired = {"new": pair_up(PROMPTS, gathered["old"], gathered["new"])}
    return trust(gathered, paired, "old", list(comparisons), list(labels))


def test_without_comparisons_labels_or_a_second_judge_nothing_is_known():
    found = trusted()
    assert (found.flips, found.agreement, found.n_labels, found.corrected) == (None, None, 0, {})


def test_a_winner_that_changed_with_the_order_is_a_flip():
    steady, flipped = Comparison("candidate", "candidate"), Comparison("incumbent", "candidate")
    assert trusted(comparisons=[steady] * 15 + [flipped] * 5).flips.value == pytest.approx(0.25)


def test_two_judges_that_say_the_same_agree_fully():
    assert trusted(lanes(judges=("a", "b"))).agreement == pytest.approx(1.0)


def test_people_move_the_difference_by_what_the_judge_was_wrong():
    """The judge sees −0.2 everywhere; people who scored ten pairs see no difference: −0.2 + 0.2 = 0."""
    labels = [Label(option, place, "quality", 0.5) for place in range(10) for option in ("old", "new")]
    found = trusted(labels=labels)
    assert found.n_labels == 10 and found.corrected["new"].value == pytest.approx(0.0)


def test_a_label_on_one_answer_only_says_nothing_of_the_difference():
    assert trusted(labels=[Label("new", place, "quality", 0.5) for place in range(10)]).corrected == {}


def test_labels_on_safety_do_not_correct_quality():
    labels = [Label(option, place, "safety", 0.5) for place in range(10) for option in ("old", "new")]
    assert trusted(labels=labels).n_labels == 0


def test_several_people_on_one_answer_are_averaged():
    labels = [Label("old", place, "quality", 0.5) for place in range(10)]
    labels += [Label("new", place, "quality", score) for place in range(10) for score in (0.2, 0.6)]
    assert trusted(labels=labels).corrected["new"].value == pytest.approx(-0.1)
