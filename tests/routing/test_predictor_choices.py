"""What is seen of questions with choices and of words: any text gives finite numbers, in the order of their names."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing import choices

ASKED = "Which is NOT older than 1968?\nA. the Rhine\nB. 12\nC. 7\nD. None of the above\nAnswer:"


def named(text: str) -> dict[str, float]:
    return dict(zip(choices.NAMES, choices.seen(text), strict=True))


@given(st.text(st.characters(), max_size=300))
def test_any_text_gives_finite_numbers(text: str) -> None:
    found = choices.seen(text)
    assert len(found) == len(choices.NAMES) and np.isfinite(found).all()


@pytest.mark.parametrize("text", ["", "A.", "(A)\n" * 2_000, "\n" * 8_000, "A" * 8_000, "__" * 4_000])
def test_hostile_text_is_but_text(text: str) -> None:
    assert np.isfinite(choices.seen(text)).all()


def test_choices_are_counted_and_figures_among_them_seen() -> None:
    seen = named(ASKED)
    assert seen["choices"] == pytest.approx(np.log1p(4)) and seen["choices_in_figures"] == 0.5


def test_negations_years_and_what_is_offered_are_seen() -> None:
    seen = named(ASKED)
    assert (seen["says_not"], seen["has_year"], seen["offers_all"], seen["has_blank"]) == (1, 1, 1, 0)
    assert seen["stem_asks"] == seen["stem_ends"] == 1 and seen["stem_negations"] == pytest.approx(np.log1p(1))


def test_alike_choices_are_more_alike_than_others() -> None:
    alike, others = named("Is it\nA. a red cat\nB. a red dog"), named("Is it\nA. a red cat\nB. two blue dogs")
    assert alike["choices_alike"] == pytest.approx(2 / 4) and others["choices_alike"] == 0


def test_a_choice_that_repeats_the_question_is_seen() -> None:
    assert named("Who is it now\nA. it is\nB. nobody else")["choices_as_asked"] == pytest.approx(0.5)


def test_long_words_are_seen_without_a_list_of_words() -> None:
    plain, learned = named("the cat sat on the mat"), named("phosphofructokinase regulates glycolysis allosterically")
    assert plain["long_words"] == plain["very_long_words"] == 0
    assert learned["long_words"] == 1 and learned["very_long_words"] == 0.5


def test_a_prompt_without_choices_has_none() -> None:
    seen = named("Tell me a story.")
    assert not any(seen[name] for name in choices.NAMES[:7]) and seen["stem_words"] == pytest.approx(np.log1p(4))
