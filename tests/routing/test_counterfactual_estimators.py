"""IPS, SNIPS and doubly robust: unbiased in simulation, plain means where they must be, intervals that hold."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from routing.counterfactual.estimators import (
    MIN_EFFECTIVE,
    Terms,
    doubly_robust,
    effective_size,
    ips,
    plain,
    snips,
)
from routing.counterfactual.expecting import expected

REWARDS = arrays.arrays(float, st.integers(40, 80), elements=st.floats(0, 1, width=32))


class World:
    """Prompts of two sorts, three options; an option's reward depends on the sort, and the log on it too."""

    means = np.array([[0.2, 0.5, 0.9], [0.8, 0.5, 0.1]])
    chances = np.array([[0.6, 0.3, 0.1], [0.1, 0.3, 0.6]])
    odds = np.array([[0.1, 0.0, 0.9], [0.5, 0.5, 0.0]])
    truth = float((odds * means).sum(1).mean())

    def __init__(self, n: int, seed: int) -> None:
        rng = np.random.default_rng(seed)
        self.sort = rng.integers(0, 2, n)
        self.taken = (self.chances[self.sort].cumsum(1) < rng.random((n, 1))).sum(1)
        self.rewards = (rng.random(n) < self.means[self.sort, self.taken]).astype(float)
        self.weights = (self.odds / self.chances)[self.sort, self.taken]

    def estimates(self) -> dict[str, Terms]:
        model = expected(self.rewards, self.taken, np.full((len(self.rewards), 3), np.nan))
        of_taken, of_policy = model[np.arange(len(self.taken)), self.taken], (self.odds[self.sort] * model).sum(1)
        return {
            "ips": ips(self.rewards, self.weights),
            "snips": snips(self.rewards, self.weights),
            "dr": doubly_robust(self.rewards, self.weights, of_taken, of_policy),
        }


@pytest.fixture(scope="module")
def simulated() -> list[dict[str, Terms]]:
    return [World(400, seed).estimates() for seed in range(300)]


@pytest.mark.parametrize("name", ["ips", "snips", "dr"])
def test_estimates_are_right_on_average(simulated: list[dict[str, Terms]], name: str) -> None:
    values = np.array([each[name].value for each in simulated])
    standard_error = values.std(ddof=1) / np.sqrt(len(values))
    assert abs(values.mean() - World.truth) < 3 * standard_error


@pytest.mark.parametrize("name", ["ips", "snips", "dr"])
def test_intervals_hold_the_truth(simulated: list[dict[str, Terms]], name: str) -> None:
    found = [each[name].estimate() for each in simulated]
    held = np.mean([each.low <= World.truth <= each.high for each in found])  # type: ignore[operator]
    assert held >= 0.93


def test_a_model_narrows_the_interval(simulated: list[dict[str, Terms]]) -> None:
    def width(name: str) -> float:
        found = [each[name].estimate() for each in simulated]
        return float(np.mean([each.high - each.low for each in found]))  # type: ignore[operator]

    assert width("dr") < width("ips") and width("snips") < width("ips")


@given(REWARDS)
def test_with_equal_policies_all_are_the_plain_mean(rewards: np.ndarray) -> None:
    ones, model = np.ones(len(rewards)), np.full(len(rewards), 0.3)
    found = ips(rewards, ones), snips(rewards, ones), doubly_robust(rewards, ones, model, model), plain(rewards)
    for terms in found:
        assert terms.value == pytest.approx(rewards.mean(), abs=1e-12)
        assert terms.effective_n == pytest.approx(len(rewards))
        told = terms.estimate((0.0, 1.0))
        assert 0 <= told.low <= told.value + 1e-12 <= told.high + 2e-12 <= 1 + 2e-12  # type: ignore[operator]


@given(REWARDS, st.integers(2, 5))
def test_after_uniform_logging_an_option_is_worth_the_mean_of_its_own_calls(rewards: np.ndarray, k: int) -> None:
    taken = np.arange(len(rewards)) % k
    weights = np.where(taken == 0, k, 0).astype(float)
    assert snips(rewards, weights).value == pytest.approx(rewards[taken == 0].mean(), abs=1e-12)
    assert ips(rewards, weights).value == pytest.approx(k * rewards[taken == 0].sum() / len(rewards), abs=1e-12)


@given(REWARDS, st.floats(0.1, 10))
def test_snips_does_not_care_for_the_scale_of_weights(rewards: np.ndarray, scale: float) -> None:
    weights = np.linspace(0.1, 2, len(rewards))
    assert snips(rewards, weights).value == pytest.approx(snips(rewards, weights * scale).value)
    assert rewards.min() - 1e-12 <= snips(rewards, weights).value <= rewards.max() + 1e-12


@given(REWARDS)
def test_doubly_robust_with_a_perfect_model_needs_no_luck(rewards: np.ndarray) -> None:
    rng = np.random.default_rng(len(rewards))
    weights = rng.exponential(size=len(rewards))
    of_policy = rng.random(len(rewards))
    found = doubly_robust(rewards, weights, rewards, of_policy)
    assert found.value == pytest.approx(of_policy.mean())


def test_effective_size_by_hand() -> None:
    assert effective_size(np.ones(50)) == 50
    assert effective_size(np.array([1.0, 1.0, 2.0])) == pytest.approx(16 / 6)
    assert effective_size(np.zeros(5)) == 0


@pytest.mark.parametrize("n", [0, 1, 2, 29])
def test_too_little_is_not_a_number(n: int) -> None:
    for terms in (plain(np.ones(n)), snips(np.ones(n), np.zeros(n)), ips(np.ones(n), np.ones(n))):
        told = terms.estimate((0.0, 1.0))
        assert (told.value, told.low, told.high, told.n) == (None, None, None, n)


def test_a_few_heavy_weights_say_nothing() -> None:
    weights = np.zeros(1000)
    weights[:10] = 100.0
    told = ips(np.ones(1000), weights).estimate()
    assert told.effective_n == pytest.approx(10) and told.effective_n < MIN_EFFECTIVE and not told.is_known


@pytest.mark.parametrize(("rate", "low", "high"), [(0.0, 0.0, 0.0362), (1.0, 0.9638, 1.0)])
def test_a_rate_never_seen_is_not_known_to_be_none(rate: float, low: float, high: float) -> None:
    # Clopper and Pearson, 0 of 100 at 95 %: 1 − 0.025^(1/100) = 0.0362.
    told = plain(np.full(100, rate)).estimate((0.0, 1.0))
    assert (told.value, told.low, told.high) == (rate, pytest.approx(low, abs=1e-4), pytest.approx(high, abs=1e-4))


def test_the_interval_of_a_plain_mean_is_nearly_the_textbook_s() -> None:
    rewards = np.random.default_rng(3).normal(5, 2, 2_000)
    told = plain(rewards).estimate()
    half = 1.96 * rewards.std(ddof=1) / np.sqrt(2_000)
    assert told.low == pytest.approx(rewards.mean() - half, abs=0.02)
    assert told.high == pytest.approx(rewards.mean() + half, abs=0.02)


def test_a_skewed_mean_leans_to_its_tail() -> None:
    rewards = np.random.default_rng(4).lognormal(0, 1.5, 300)
    told = plain(rewards).estimate()
    assert told.high - told.value > told.value - told.low  # type: ignore[operator]


def test_a_rate_seen_once_is_not_stretched_past_reason() -> None:
    rewards = np.zeros(300)
    rewards[7] = 1.0
    told = plain(rewards).estimate((0.0, 1.0))
    # The exact upper limit is 0.0184 (Clopper and Pearson, 1 of 300).
    assert told.low == 0 and 0.0184 < told.high < 0.05  # type: ignore[operator]


def test_a_difference_is_narrower_than_its_parts_apart() -> None:
    world = World(400, 1)
    robust, was = world.estimates()["dr"], plain(world.rewards)
    difference = robust.less(was).estimate()
    assert difference.value == pytest.approx(robust.value - was.value)
    assert plain(world.rewards).less(was).estimate().low == 0


def test_a_call_is_not_expected_from_its_own_outcome() -> None:
    rewards, taken, foreseen = np.zeros(50), np.zeros(50, dtype=int), np.full((50, 2), np.nan)
    before = expected(rewards, taken, foreseen)[7]
    rewards[7] = 1.0
    assert (expected(rewards, taken, foreseen)[7] == before).all()


def test_what_was_foreseen_counts_by_its_ratio() -> None:
    foreseen = np.linspace(1, 2, 100)[:, None] * np.array([[1.0, 3.0]])
    taken = np.arange(100) % 2
    rewards = 0.5 * foreseen[np.arange(100), taken]
    assert expected(rewards, taken, foreseen) == pytest.approx(0.5 * foreseen)


def test_an_option_hardly_taken_is_expected_like_all() -> None:
    rewards, taken = np.concatenate([np.full(99, 1.0), [0.0]]), np.array([0] * 99 + [1])
    found = expected(rewards, taken, np.full((100, 2), np.nan))
    assert found[0, 1] == pytest.approx((0.0 + 5 * 79 / 80) / 6) and found[99, 1] == pytest.approx(1.0)
