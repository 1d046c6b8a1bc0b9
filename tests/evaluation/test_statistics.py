"""Estimates, intervals and sample sizes: against numbers worked by hand, and against simulation."""

from __future__ import annotations

import math
from itertools import pairwise, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluation.betting import MeanTest, remaining_mean
from evaluation.statistics import (
    confidence_sequence,
    detectable_gap,
    misses,
    mixture_e_value,
    moments,
    pairs_to_show,
    share_interval,
)

scores = st.lists(st.floats(-1, 1), min_size=1, max_size=40)


def test_nothing_seen_is_unknown() -> None:
    shown = confidence_sequence(np.array([]), alpha=0.05, population=100)
    assert (shown.value, shown.low, shown.high, shown.n) == (None, None, None, 0)


def test_only_unscored_values_are_unknown_and_counted() -> None:
    shown = confidence_sequence(np.array([math.nan, math.nan]), alpha=0.05, population=100)
    assert (shown.value, shown.n, shown.n_unscored) == (None, 0, 2)


def test_one_value_gives_nearly_the_whole_range() -> None:
    shown = confidence_sequence(np.array([0.5]), alpha=0.05, population=1000)
    assert shown.value == 0.5
    assert shown.low is not None
    assert shown.high is not None
    assert shown.high - shown.low > 1.5


def test_seeing_the_whole_population_leaves_no_doubt() -> None:
    """Of ten prompts all are drawn with difference 0.4: no mean below (10·0.4)/10 is possible."""
    shown = confidence_sequence(np.full(10, 0.4), alpha=0.05, population=10)
    assert shown.low == pytest.approx(0.4 - 0.14, abs=0.15)
    assert shown.value == pytest.approx(0.4)


@given(scores)
def test_the_interval_holds_its_estimate_within_the_range(values: list[float]) -> None:
    shown = confidence_sequence(np.array(values), alpha=0.05, population=1000)
    assert shown.low is not None
    assert shown.high is not None
    assert -1 - 1e-6 <= shown.low <= shown.high <= 1 + 1e-6


@given(scores, st.floats(-0.99, 0.99))
def test_what_misses_says_is_what_the_interval_shows(values: list[float], mean: float) -> None:
    data = np.array(values)
    shown = confidence_sequence(data, alpha=0.05, population=1000)
    assert shown.low is not None
    assert shown.high is not None
    if min(abs(mean - shown.low), abs(mean - shown.high)) > 1e-3:
        is_out = not shown.low <= mean <= shown.high
        assert misses(data, mean, alpha=0.05, population=1000) == is_out


def test_more_pairs_never_widen_the_sequence() -> None:
    """Running intersection: each look keeps what earlier looks ruled out."""
    values = np.random.default_rng(3).uniform(-0.2, 0.6, 200)
    shown = [confidence_sequence(values[:n], alpha=0.05, population=5000) for n in range(10, 200, 10)]
    lows = [each.low for each in shown if each.low is not None]
    assert all(later >= earlier - 0.02 for earlier, later in pairwise(lows))


def test_intervals_leave_the_truth_out_no_more_than_they_say() -> None:
    """400 skewed populations of known mean, looked at after every ten pairs: 5 % may ever miss, and 4 SE are 4.4 %."""
    dice = np.random.default_rng(11)
    missed = 0
    for _ in range(400):
        population = np.where(dice.random(300) < 0.1, 1.0, -0.05)
        draws = dice.permutation(population)
        missed += any(
            misses(draws[:n], float(population.mean()), alpha=0.05, population=300) for n in range(10, 61, 10)
        )
    assert missed / 400 <= 0.094


def test_remaining_mean_by_hand() -> None:
    """Four prompts with mean 0.25 sum to 1; two drawn with sum 0.8 leave 0.2 over two: 0.1 each."""
    left = remaining_mean(np.array([0.25]), np.array([0.8]), np.array([2.0]), np.array([4.0]))
    assert left[0] == pytest.approx(0.1)


@pytest.mark.parametrize("population", [(0.6, 0.2, -0.4, -0.4), (1.0, -1.0, 0.5, -0.5), (0.9, -0.3, -0.3, -0.3)])
def test_wealth_does_not_grow_on_average_under_the_null(population: tuple[float, ...]) -> None:
    """Every order of a tiny population whose mean is exactly the null's: the mean wealth after k draws is at most 1.

    This is the supermartingale property that the error rate rests on, checked by full enumeration.
    """
    n = len(population)
    orders = [order for order in product(range(n), repeat=n) if len(set(order)) == n]
    null_mean = sum(population) / n
    test = MeanTest(len(orders), null_mean=null_mean, population=n, horizon=n, target=20.0)
    for step in range(n - 1):
        test.update(np.array([population[order[step]] for order in orders]))
        assert test.wealth.mean() <= 1 + 1e-9


def test_unscored_values_are_never_bet_on() -> None:
    test = MeanTest(1, null_mean=0.0, population=100, horizon=50, target=20.0, max_missing_share=0.2)
    before = test.wealth.copy()
    test.update(np.array([math.nan]))
    assert test.wealth == before
    assert (test.drawn[0], test.n[0]) == (1, 0)


def test_more_values_than_the_population_holds_are_refused() -> None:
    test = MeanTest(1, null_mean=0.0, population=2, horizon=2, target=20.0)
    for _ in range(2):
        test.update(np.array([0.1]))
    with pytest.raises(ValueError, match="More values"):
        test.update(np.array([0.1]))


def test_a_clear_effect_is_found_soon_and_none_seldom() -> None:
    dice = np.random.default_rng(5)
    clear = MeanTest(200, null_mean=-0.05, population=2000, horizon=400, target=20.0)
    null = MeanTest(200, null_mean=0.0, population=2000, horizon=400, target=20.0)
    for _ in range(200):
        clear.update(dice.normal(0.02, 0.2, 200).clip(-1, 1))
        null.update(dice.normal(0.0, 0.2, 200).clip(-1, 1))
    assert clear.is_rejected.mean() > 0.9
    assert null.is_rejected.mean() <= 0.05 + 4 * math.sqrt(0.05 * 0.95 / 200)


@pytest.mark.parametrize(("values", "expected"), [([], None), ([1.0], None), ([1.0, 3.0], (2.0, math.sqrt(2)))])
def test_moments_need_two_values(values: list[float], expected: tuple[float, float] | None) -> None:
    assert moments(np.array(values)) == expected


def test_pairs_to_show_by_hand() -> None:
    """1.960 + 0.842 = 2.802; (0.3 · 2.802 / 0.05)² = 282.6; of 1,000 prompts 282.6 / 1.2826 = 220.3, rounded up."""
    assert pairs_to_show(0.05, 0.3, alpha=0.05, population=10**9) == 283
    assert pairs_to_show(0.05, 0.3, alpha=0.05, population=1000) == 221
    assert pairs_to_show(0.0, 0.3, alpha=0.05, population=1000) is None


def test_detectable_gap_is_the_inverse_of_pairs_to_show() -> None:
    gap = detectable_gap(283, 0.3, alpha=0.05, population=10**9)
    assert gap == pytest.approx(0.05, rel=0.01)
    assert detectable_gap(0, 0.3, alpha=0.05, population=100) is None
    assert detectable_gap(100, 0.3, alpha=0.05, population=100) == 0.0


def test_share_interval_by_hand() -> None:
    """Wilson for 0 of 10: upper end z²/(n + z²) = 3.841/13.841 = 0.2775."""
    shown = share_interval(0, 10)
    assert (shown.value, shown.low) == (0.0, 0.0)
    assert shown.high == pytest.approx(0.2775, abs=1e-3)
    assert share_interval(0, 0).value is None


def test_money_without_spread_is_certain_and_nothing_is_nothing() -> None:
    assert mixture_e_value(1.0, 0.0, 10, tuned_to=100, alpha=0.05) == math.inf
    assert mixture_e_value(0.0, 0.0, 10, tuned_to=100, alpha=0.05) == 0.0
    assert mixture_e_value(0.5, 1.0, 100, tuned_to=100, alpha=0.05) > 20
    assert mixture_e_value(-0.5, 1.0, 100, tuned_to=100, alpha=0.05) < 1
