"""Bets on a mean: against numbers worked by hand, and the promise that the error rate holds whenever one looks."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluation.betting import BOLDEST, RESERVE_SHARE, MeanTest, goal_stake, remaining_mean

values = st.floats(-1, 1)
streams = st.lists(values, min_size=1, max_size=30)
holey = st.lists(st.one_of(values, st.just(math.nan)), min_size=1, max_size=30)


def mean_test(width: int = 1, **fields: Any) -> MeanTest:
    given_: dict[str, Any] = {"null_mean": 0.0, "population": 100, "horizon": 50, "target": 18.1}
    return MeanTest(width, **given_ | fields)


def fed(test: MeanTest, seen: list[float] | np.ndarray) -> MeanTest:
    for value in seen:
        test.update(np.full(len(test.n), value))
    return test


# --- numbers worked by hand


@pytest.mark.parametrize(
    ("shortfall", "stake"),
    [
        (1.0, 0.79788),  # u = 0: φ(0)/Φ(0) = 0.39894/0.5
        (0.05, 2.33780),  # u = 1.95996: 0.058445/0.025
        (0.10, 2.06271),  # u = 1.64485: 0.103136/0.05
        (0.3173105, 1.52514),  # u = 1: 0.241971/0.158655
    ],
)
def test_the_stake_is_the_hazard_of_the_normal_curve(shortfall: float, stake: float) -> None:
    assert goal_stake(np.array([shortfall]))[0] == pytest.approx(stake, abs=1e-4)


def test_hardly_any_wealth_left_still_gives_a_finite_stake() -> None:
    assert np.isfinite(goal_stake(np.array([0.0, 1e-320, 1e-300]))).all()


@given(st.floats(1e-12, 1.0), st.floats(1e-12, 1.0))
def test_who_is_further_from_the_goal_stakes_more(one: float, other: float) -> None:
    poorer, richer = sorted((one, other))
    stakes = goal_stake(np.array([poorer, richer]))
    assert stakes[0] >= stakes[1] - 1e-9


@pytest.mark.parametrize(
    ("null_mean", "total", "n", "population", "left"),
    [
        (0.0, 0.0, 0, 100, 0.0),
        (0.0, 10.0, 10, 100, -1 / 9),  # (0 − 10)/90
        (0.5, 1.0, 4, 10, 2 / 3),  # (5 − 1)/6
        (-0.02, 0.0, 20, 100, -0.025),  # (−2 − 0)/80
        (0.25, 1.0, 4, 4, 0.25),  # nothing left: divided by one
    ],
)
def test_what_the_null_leaves_for_the_rest(
    null_mean: float, total: float, n: int, population: int, left: float
) -> None:
    arrays = (np.array([each], dtype=float) for each in (null_mean, total, n, population))
    assert remaining_mean(*arrays)[0] == pytest.approx(left)


def test_before_the_first_value_the_stage_is_as_by_hand() -> None:
    """Spread √(4·0.25/4) = 0.5; reach √(50·100/50) = 10; the bound is the null's mean itself."""
    test = mean_test()
    assert (test.variance[0], test.reach[0], test.bound()[0]) == pytest.approx((0.25, 10.0, 0.0))
    assert test.wealth[0] == pytest.approx(1.0)


def test_the_first_bet_by_hand() -> None:
    """Goal account 0.9 of 18.1 − 0.1 = 18 is 0.05: stake 2.33780/(0.5·10) = 0.46756; nothing seen, so no growth bet.
    The value 0.5 makes 0.9·(1 + 0.46756·0.5) + 0.1 = 1.21040.
    """
    assert fed(mean_test(), [0.5]).wealth[0] == pytest.approx(1.21040, abs=1e-4)


def test_a_first_loss_by_hand() -> None:
    """0.9·(1 − 0.46756·0.5) + 0.1 = 0.78960."""
    assert fed(mean_test(), [-0.5]).wealth[0] == pytest.approx(0.78960, abs=1e-4)


def test_the_reserve_bets_on_the_edge_seen() -> None:
    """After 0.1: μ = −0.1/99 = −0.00101, edge 0.10101, spread² 1/5: stake 0.10101/(0.2 + 0.010203) = 0.48054.
    The value 0.2 makes 0.1·(1 + 0.48054·0.20101) = 0.109659.
    """
    assert fed(mean_test(), [0.1, 0.2]).reserve[0] == pytest.approx(0.109659, abs=1e-5)


def test_the_reserve_does_not_bet_against_the_evidence() -> None:
    """After −0.4 the mean lies below what the null allows, so there is nothing to win by growth."""
    assert fed(mean_test(), [-0.4, 1.0]).reserve[0] == pytest.approx(RESERVE_SHARE)


def test_the_worst_value_costs_at_most_the_boldest_share() -> None:
    """With one pair to go the goal account stakes all it may: −1 leaves a tenth, and the idle reserve stays."""
    lost = fed(mean_test(population=10_000, horizon=1), [-1.0])
    assert lost.goal[0] == pytest.approx(0.9 * (1 - BOLDEST))
    assert lost.reserve[0] == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("seen", "left"),
    [
        ([1.0] * 10, -1 / 9),  # 100 scorable: −10/90; 80 scorable: −10/70. The null is allowed the larger.
        ([-1.0] * 10, 1 / 7),  # 10/90 or 10/70
        ([1.0] * 5 + [math.nan] * 10, -1 / 17),  # 90 can still be scored: −5/85; 80: −5/75
    ],
)
def test_unscorable_prompts_are_counted_as_the_null_would_like(seen: list[float], left: float) -> None:
    test = fed(mean_test(max_missing_share=0.2, target=1e12), seen)
    assert test.bound()[0] == pytest.approx(left)


def test_a_null_that_cannot_be_true_any_more_is_refuted_outright() -> None:
    """Mean ≤ 0.4 of four: 1.6 in all. Three ones leave −1.4 for one value of at least −1: impossible."""
    test = fed(mean_test(null_mean=0.4, population=4, horizon=4, target=1e9), [1.0, 1.0, 1.0])
    assert not test.is_rejected[0]
    assert fed(test, [-1.0]).is_rejected[0]


def test_a_null_that_can_just_be_true_is_not_refuted_outright() -> None:
    """Mean ≤ 0.5 of four: 2 in all, so −1 is left for the last, which it may just be."""
    test = fed(mean_test(null_mean=0.5, population=4, horizon=4, target=1e9), [1.0, 1.0, 1.0, -1.0])
    assert not test.is_rejected[0]


@pytest.mark.parametrize(
    ("limit", "n", "loss", "n_losses"),
    [(-0.05, 30, 0.1, 5), (-0.05, 40, 0.2, 5), (-0.1, 20, 0.1, 10), (-0.1, 100, 0.1, 90)],
)
def test_the_last_bits_of_a_sum_refute_nothing(limit: float, n: int, loss: float, n_losses: int) -> None:
    """30 · −0.05 = −1.5; five losses of a tenth leave exactly −1 for the last, but for the last bits."""
    seen = [-loss] * n_losses + [0.0] * (n - 1 - n_losses) + [-1.0]
    assert not fed(mean_test(null_mean=limit, population=n, horizon=n, target=1e9), seen).is_rejected[0]


def test_a_horizon_beyond_the_population_is_the_population() -> None:
    assert mean_test(population=30, horizon=400).horizon == 30


# --- invariants


@given(holey)
def test_wealth_stays_between_nothing_and_the_target(seen: list[float]) -> None:
    test = mean_test()
    for value in seen:
        wealth = fed(test, [value]).wealth[0]
        assert 0 <= wealth <= 18.1


@given(st.lists(values, max_size=20), values, values)
def test_a_better_value_never_leaves_less_wealth(before: list[float], one: float, other: float) -> None:
    worse, better = sorted((one, other))
    test = fed(mean_test(2), before)
    test.update(np.array([worse, better]))
    assert test.wealth[1] >= test.wealth[0] - 1e-12


@given(st.lists(values, max_size=20))
def test_a_value_at_the_bound_leaves_both_accounts_as_they_are(before: list[float]) -> None:
    test = fed(mean_test(target=1e9), before)
    goal, reserve, bound = test.goal[0], test.reserve[0], test.bound()[0]
    if -1 <= bound <= 1:
        fed(test, [bound])
        assert (test.goal[0], test.reserve[0]) == pytest.approx((goal, reserve))


@given(streams)
def test_the_wealth_is_the_mixture_of_two_accounts_that_are_each_never_negative(seen: list[float]) -> None:
    test = fed(mean_test(target=1e9), seen)
    assert min(test.goal[0], test.reserve[0]) >= 0
    assert test.wealth[0] == pytest.approx(test.goal[0] + test.reserve[0])


@given(streams)
def test_the_stake_is_set_before_the_value_is_seen(before: list[float]) -> None:
    """Each account's gain is linear in the value, and neither gains when better and worse are averaged."""
    test = fed(mean_test(3, target=1e9), before)
    test.update(np.array([-0.5, 0.0, 0.5]))
    for account in (test.goal, test.reserve):
        assert account[1] == pytest.approx((account[0] + account[2]) / 2)


@given(streams)
def test_a_refuted_null_stays_refuted(after: list[float]) -> None:
    test = fed(mean_test(target=5.0), [1.0] * 30)
    assert test.is_rejected[0]
    assert fed(test, after).wealth[0] == 5.0


@given(streams, streams)
def test_neighbours_do_not_touch_each_other(one: list[float], other: list[float]) -> None:
    n = min(len(one), len(other))
    together = mean_test(2)
    for pair in zip(one, other, strict=False):
        together.update(np.array(pair))
    alone = [fed(mean_test(), each[:n]).wealth[0] for each in (one, other)]
    assert together.wealth.tolist() == pytest.approx(alone)


@given(streams)
def test_the_scale_of_the_values_is_no_matter(seen: list[float]) -> None:
    """Scores in [0, 1] are differences in [−1, 1], halved and moved by a half."""
    halved = mean_test(null_mean=0.5, low=0.0, high=1.0)
    wide, narrow = fed(mean_test(), seen), fed(halved, [value / 2 + 0.5 for value in seen])
    assert narrow.wealth[0] == pytest.approx(wide.wealth[0], rel=1e-6)


@given(holey)
def test_holes_change_no_wealth_but_are_counted(seen: list[float]) -> None:
    test = fed(mean_test(), seen)
    holes = sum(math.isnan(value) for value in seen)
    assert (test.drawn[0], test.n[0]) == (len(seen), len(seen) - holes)
    assert math.isfinite(test.total[0])


@given(streams)
def test_a_stream_that_is_not_active_stands_still(seen: list[float]) -> None:
    test = mean_test(2)
    for value in seen:
        test.update(np.array([value, value]), np.array([True, False]))
    assert (test.drawn[1], test.wealth[1]) == (0, pytest.approx(1.0))


@given(streams, st.floats(-0.5, 0.5), st.floats(-0.5, 0.5))
def test_a_harder_null_is_never_easier_to_refute(seen: list[float], one: float, other: float) -> None:
    """At the first bet, before the accounts part ways."""
    easy, hard = sorted((one, other))
    test = mean_test(2, null_mean=np.array([easy, hard]))
    test.update(np.full(2, seen[0]))
    assert test.wealth[0] >= test.wealth[1] - 1e-12


# --- chances of getting there


@given(holey, st.floats(0, 3))
def test_a_chance_is_a_probability(seen: list[float], optimism: float) -> None:
    chance = fed(mean_test(), seen).chance(optimism)[0]
    assert 0 <= chance <= 1


@given(streams, st.floats(0, 3), st.floats(0, 3))
def test_more_optimism_never_lowers_the_chance(seen: list[float], one: float, other: float) -> None:
    dim, bright = sorted((one, other))
    test = fed(mean_test(), seen)
    assert test.chance(bright)[0] >= test.chance(dim)[0] - 1e-9


def test_without_an_edge_the_chance_is_the_share_of_the_target_already_held() -> None:
    """No drift: 2Φ(−u) = W/G = 1/18.1 = 0.05525."""
    assert mean_test().chance(0.0)[0] == pytest.approx(1 / 18.1, rel=1e-6)


def test_who_arrived_is_certain_and_who_missed_the_deadline_has_no_chance() -> None:
    arrived = fed(mean_test(target=5.0), [1.0] * 30)
    late = fed(mean_test(), [0.0] * 50)
    assert (arrived.chance(1.0)[0], late.chance(1.0)[0]) == (1.0, 0.0)


def test_the_chance_rises_with_the_edge_that_was_seen() -> None:
    chances = [fed(mean_test(), [gain] * 10).chance(0.0)[0] for gain in (-0.2, 0.0, 0.2)]
    assert chances == sorted(chances) and chances[0] < 0.01 < 0.5 < chances[2]


# --- Ville's inequality, by simulation

POPULATIONS = {
    "coin": lambda dice, shape: dice.choice([-1.0, 1.0], shape),
    "rare gains": lambda dice, shape: np.where(dice.random(shape) < 0.05, 1.0, -0.05),
    "rare losses": lambda dice, shape: np.where(dice.random(shape) < 0.05, -1.0, 0.05),
    "smooth": lambda dice, shape: np.clip(dice.normal(0, 0.2, shape), -1, 1),
    "mostly ties": lambda dice, shape: np.where(dice.random(shape) < 0.1, dice.choice([-0.4, 0.4], shape), 0.0),
}
RUNS = 2_000
TOLERATED = 0.05 + 4 * math.sqrt(0.05 * 0.95 / RUNS)  # 0.0695: four standard errors


def ever_refuted(name: str, *, seed: int, holes: float = 0.0, population: int = 200, horizon: int = 120) -> float:
    """Share of runs whose wealth ever reached 20 though every population's mean is exactly the null's."""
    dice = np.random.default_rng(seed)
    table = POPULATIONS[name](dice, (RUNS, population))
    test = MeanTest(
        RUNS,
        null_mean=table.mean(axis=1),
        population=population,
        horizon=horizon,
        target=20.0,
        max_missing_share=0.3 if holes else 0.0,
    )
    seen = np.where(dice.random(table.shape) < holes, math.nan, table)
    for step in range(horizon):
        test.update(seen[:, step])
    return float(test.is_rejected.mean())


@pytest.mark.parametrize("name", POPULATIONS)
def test_a_true_null_is_refuted_no_more_often_than_promised(name: str) -> None:
    assert ever_refuted(name, seed=11) <= TOLERATED


@pytest.mark.parametrize("name", POPULATIONS)
def test_it_holds_when_the_whole_population_is_drawn(name: str) -> None:
    assert ever_refuted(name, seed=12, population=60, horizon=60) <= TOLERATED


@pytest.mark.parametrize("name", ["coin", "rare gains", "smooth"])
def test_it_holds_when_a_tenth_could_not_be_scored(name: str) -> None:
    assert ever_refuted(name, seed=13, holes=0.1) <= TOLERATED


def test_it_holds_when_more_is_drawn_than_was_planned() -> None:
    """A budget extended past the deadline: bets go on, and so does the promise."""
    dice = np.random.default_rng(14)
    table = dice.choice([-0.3, 0.3], (RUNS, 200))
    test = MeanTest(RUNS, null_mean=table.mean(axis=1), population=200, horizon=40, target=20.0)
    for step in range(150):
        test.update(table[:, step])
    assert test.is_rejected.mean() <= TOLERATED


def test_the_mean_wealth_under_a_true_null_does_not_grow() -> None:
    """E[W] ≤ 1 at every look. The spread of W is large, so four standard errors of 2,000 runs are allowed."""
    dice = np.random.default_rng(15)
    table = dice.choice([-0.5, 0.5], (RUNS, 100))
    test = MeanTest(RUNS, null_mean=table.mean(axis=1), population=100, horizon=60, target=20.0)
    for step in range(60):
        test.update(table[:, step])
        assert test.wealth.mean() <= 1 + 4 * test.wealth.std() / math.sqrt(RUNS)


@settings(max_examples=25)
@given(st.floats(0.15, 0.6), st.integers(0, 2**31))
def test_a_large_effect_is_found_within_the_horizon(gain: float, seed: int) -> None:
    seen = np.clip(np.random.default_rng(seed).normal(gain, 0.05, 50), -1, 1)
    assert fed(mean_test(target=20.0), seen).is_rejected[0]


def test_a_clearer_effect_needs_fewer_pairs() -> None:
    needed = []
    for gain in (0.1, 0.3, 0.6):
        test, n = mean_test(target=20.0, population=1000, horizon=200), 0
        while not test.is_rejected[0] and n < 200:
            fed(test, [gain])
            n += 1
        needed.append(n)
    assert needed == sorted(needed, reverse=True) and needed[0] < 200
