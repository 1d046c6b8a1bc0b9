"""Pairs are made of prompts answered and judged in both lanes, in order, with nothing unknown turned into a number."""

from __future__ import annotations

from decimal import Decimal

import pytest

from evaluation.answers import Answer, Prompt, lane, pair_up, spread, usable

PROMPTS = [Prompt(place, "any") for place in range(5)]
Q = ("quality", "judge")


def answer(score=0.5, **fields):
    return Answer(scores={Q: score}, **fields)


def lanes(**changed):
    """Five prompts answered in both lanes; keyword p2=… replaces the candidate's answer at 2."""
    old = {place: answer() for place in range(5)}
    new = old | {int(name[1:]): value for name, value in changed.items()}
    return old, {place: value for place, value in new.items() if value is not None}


def test_all_prompts_answered_in_both_lanes_are_pairs():
    found = pair_up(PROMPTS, *lanes())
    assert [pair.position for pair in found.pairs] == [0, 1, 2, 3, 4] and found.positions == (0, 1, 2, 3, 4)


def test_pairs_end_at_the_first_prompt_still_open():
    assert pair_up(PROMPTS, *lanes(p2=None)).positions == (0, 1)


def test_a_prompt_whose_answer_is_not_known_is_left_out_and_the_next_takes_its_place():
    old, new = lanes(p1=Answer(is_left_out=True))
    found = pair_up(usable(PROMPTS, {"old": old, "new": new}), old, new)
    assert found.positions == (0, 2, 3, 4)
    assert [pair.position for pair in found.pairs] == [0, 1, 2, 3]


def test_a_prompt_left_out_in_one_lane_is_left_out_for_all():
    gathered = {"old": {0: answer()}, "new": {0: answer()}, "other": {0: Answer(is_left_out=True)}}
    assert [prompt.position for prompt in usable(PROMPTS, gathered)] == [1, 2, 3, 4]


def test_an_unscored_answer_has_no_quality():
    assert lane(answer(None)).quality is None


def test_quality_is_the_mean_of_its_dimensions():
    scores = {("correctness", "a"): 1.0, ("helpfulness", "a"): 0.5, ("safety", "a"): 0.0}
    made = lane(Answer(scores=scores))
    assert (made.quality, made.safety, made.helpful) == (0.75, 0.0, 0.5)


def test_one_unscored_dimension_leaves_quality_unknown():
    assert lane(Answer(scores={("correctness", "a"): 1.0, ("helpfulness", "a"): None})).quality is None


def test_several_judges_of_a_dimension_are_averaged():
    assert lane(Answer(scores={("quality", "a"): 0.2, ("quality", "b"): 0.6})).quality == pytest.approx(0.4)


def test_only_judges_that_scored_both_answers_count():
    """A reads 0.2 and 0.4; b reads only the incumbent, at 1.0, and would have tilted the pair by 0.4."""
    old = {0: Answer(scores={("quality", "a"): 0.2, ("quality", "b"): 1.0})}
    new = {0: Answer(scores={("quality", "a"): 0.4, ("quality", "b"): None})}
    pair = pair_up(PROMPTS[:1], old, new).pairs[0]
    assert (pair.incumbent.quality, pair.candidate.quality) == (0.2, 0.4)


def test_no_judge_in_common_is_unscored_on_both_sides():
    old = {0: Answer(scores={("quality", "a"): 0.2, ("quality", "b"): None})}
    new = {0: Answer(scores={("quality", "a"): None, ("quality", "b"): 0.9})}
    pair = pair_up(PROMPTS[:1], old, new).pairs[0]
    assert pair.incumbent.quality is None and pair.candidate.quality is None


def test_a_failed_call_does_not_erase_the_score_of_the_other_lane():
    pair = pair_up(PROMPTS[:1], {0: answer(0.7)}, {0: Answer(is_failed=True)}).pairs[0]
    assert pair.incumbent.quality == 0.7 and pair.candidate.failed and pair.candidate.quality is None


def test_meters_are_passed_on_as_they_are():
    made = lane(Answer(refused=True, latency_ms=12.0, cost_usd=Decimal("0.01"), tokens_out=7))
    assert (made.refused, made.latency_ms, made.cost_usd, made.tokens_out) == (True, 12.0, Decimal("0.01"), 7)
    assert lane(Answer()).cost_usd is None and lane(Answer()).latency_ms is None


def test_the_spread_between_judges():
    """Variance of (0.2, 0.6) is 0.08, of (0.5, 0.5) is 0; the answer that one judge scored says nothing."""
    answers = [Answer(scores={("quality", "a"): x, ("quality", "b"): y}) for x, y in ((0.2, 0.6), (0.5, 0.5))]
    assert spread([*answers, answer(0.9)], "quality") == pytest.approx(0.04)
    assert spread([], "quality") is None
