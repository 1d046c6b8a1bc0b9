"""The default that loses least where kinds shift: a kind counts once, and a spread of regret counts against it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing.steadiest import steadiest


def of_kinds(means: list[list[float]], sizes: list[int]) -> tuple[np.ndarray, np.ndarray]:
    return np.repeat(np.array(means), sizes, axis=0), np.repeat(np.arange(len(sizes)), sizes)


def test_a_kind_counts_once_however_many_prompts_it_has() -> None:
    quality, kinds = of_kinds([[0.9, 0.5], [0.4, 0.6], [0.4, 0.6], [0.4, 0.6]], [900, 10, 10, 10])
    assert quality.mean(0).argmax() == 0 and steadiest(quality, kinds) == 1


def test_of_equal_mean_regret_the_even_one_is_taken() -> None:
    """By hand: regrets 0.4, 0, 0, 0 against 0.1 each: means 0.1, standard errors 0.1 and 0."""
    quality, kinds = of_kinds([[0.5, 0.8, 0.9], [0.9, 0.8, 0.0], [0.9, 0.8, 0.0], [0.9, 0.8, 0.0]], [5, 5, 5, 5])
    assert steadiest(quality, kinds) == 1


def test_one_kind_is_enough_and_ties_go_to_the_first() -> None:
    assert steadiest(*of_kinds([[0.2, 0.7, 0.7]], [4])) == 1


def test_a_kind_with_an_unjudged_option_is_left_out() -> None:
    quality, kinds = of_kinds([[0.9, 0.1], [0.3, 0.6]], [5, 5])
    quality[:5, 1] = np.nan
    assert steadiest(quality, kinds) == 1


def test_nothing_to_compare_is_said() -> None:
    with pytest.raises(ValueError, match="every option"):
        steadiest(np.full((3, 2), np.nan), np.zeros(3))


@given(st.lists(st.lists(st.floats(0, 1), min_size=3, max_size=3), min_size=2, max_size=6))
def test_what_is_best_on_every_kind_is_taken(means: list[list[float]]) -> None:
    whole = np.column_stack([np.array(means), np.full(len(means), 1.5)])
    assert steadiest(whole, np.arange(len(means))) == 3
