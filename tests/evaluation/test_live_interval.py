"""The interval of live pairs: it holds at any look, undoes uneven choosing, and notices that an option has changed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluation.live_interval import ALPHA, BLOCK, STEP, believed, interval, last_change

ONES = np.ones(1_000)


def test_nothing_is_believed_of_no_pairs() -> None:
    assert believed([], []) is None


def test_one_pair_says_next_to_nothing() -> None:
    found = believed([0.0], [1.0])
    assert found is not None and (found.low, found.high) == (-1.0, 1.0) and found.n == 1


def test_equal_answers_narrow_the_interval_until_a_margin_is_shown() -> None:
    lows = [interval(np.zeros(n), ONES[:n]).low for n in (20, 60, 120, 300)]
    assert lows == sorted(lows) and lows[2] > -0.05 > lows[1]


def test_the_mean_is_hardly_ever_outside_at_any_look() -> None:
    """A hundred streams, looked at after every tenth pair."""
    n_missed = 0
    for seed in range(100):
        dice = np.random.default_rng(seed)
        values = dice.choice([-1.0, 0.0, 0.0, 0.0, 1.0], 120, p=[0.2, 0.3, 0.2, 0.2, 0.1])
        looks = [interval(values[:n], ONES[:n]) for n in range(10, 121, 10)]
        n_missed += any(not found.low <= -0.1 <= found.high for found in looks)
    assert n_missed <= 100 * ALPHA


def test_uneven_choosing_is_undone() -> None:
    """Good where the policy mostly chooses it, bad where it seldom does, and as many requests of each kind."""
    dice = np.random.default_rng(5)
    is_home = dice.random(4_000) < 0.5
    probability = np.where(is_home, 0.8, 0.2)
    is_taken = dice.random(4_000) < probability
    values, weights = np.where(is_home, 0.2, -0.4)[is_taken], 1 / probability[is_taken]
    found = interval(values, weights)
    assert found.mean == pytest.approx(-0.1, abs=0.03) and values.mean() > 0.05
    assert found.low <= -0.1 <= found.high


def test_one_explored_request_weighs_at_most_five_times_another() -> None:
    values, weights = np.array([*np.zeros(95), -1.0]), np.array([*np.ones(95), 1_000.0])
    assert interval(values, weights).mean == pytest.approx(-5 / 100)


def test_an_option_that_got_worse_is_judged_by_what_came_after() -> None:
    dice = np.random.default_rng(1)
    values = [0.0] * 100 + list(dice.choice([0.0, -1.0], 40))
    found = believed(values, [0.9] * 140)
    assert found is not None and found.has_changed and found.start == 100 and found.high < -0.1


def test_an_option_that_stays_the_same_is_hardly_ever_cut() -> None:
    n_cut = sum(
        last_change(np.random.default_rng(seed).choice([-1.0, 0.0, 1.0], 200), ONES[:200]) > 0 for seed in range(40)
    )
    assert n_cut <= 40 * ALPHA


def test_old_pairs_are_forgotten_by_the_block() -> None:
    found = believed([0.0] * (3 * BLOCK + 7), [1.0] * (3 * BLOCK + 7))
    assert found is not None and (found.start, found.n, found.has_changed) == (2 * BLOCK, BLOCK + 7, False)


@given(st.lists(st.tuples(st.floats(-1, 1), st.floats(0.01, 1)), min_size=1, max_size=60))
def test_the_mean_lies_inside_its_bounds(pairs: list[tuple[float, float]]) -> None:
    found = believed([value for value, _ in pairs], [probability for _, probability in pairs])
    assert found is not None and -1 <= found.low <= found.mean + 1e-9 and found.mean - 1e-9 <= found.high <= 1


@given(st.lists(st.floats(-1, 1), min_size=1, max_size=STEP))
def test_turning_the_options_round_turns_the_interval_round(values: list[float]) -> None:
    there, back = interval(np.array(values), ONES[: len(values)]), interval(-np.array(values), ONES[: len(values)])
    assert (there.low, there.high) == pytest.approx((-back.high, -back.low), abs=1e-6)
