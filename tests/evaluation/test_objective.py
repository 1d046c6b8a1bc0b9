"""The last gate: what a candidate saves, in dollars, milliseconds or utility, and what is known of it."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluation.findings import Gate
from evaluation.objective import E_CEILING, SAVING_FLOOR, mean_cost, mean_latency, price, prices, saving_gate
from evaluation.paired import Lane, Pair, Plan


def plan(*candidates: str, **fields: Any) -> Plan:
    return Plan(candidates=candidates or ("new",), **{"population_size": 2000, "max_pairs": 400} | fields)


def costing(usd: float | str | None, **fields: Any) -> Lane:
    return Lane(cost_usd=None if usd is None else Decimal(str(usd)), **fields)


def priced(*table: tuple[Any, Any]) -> list[Pair]:
    return [Pair(at, "all", costing(old), costing(new)) for at, (old, new) in enumerate(table)]


def noisy(n: int, *, old: float = 0.01, new: float = 0.004, spread: float = 0.2, seed: int = 0) -> list[Pair]:
    """Costs that vary by a fifth around their means."""
    dice = np.random.default_rng(seed)
    rows = np.round(np.abs(dice.normal((old, new), (spread * old, spread * new), (n, 2))), 9)
    return priced(*((float(one), float(other)) for one, other in rows))


def timed(lane: Lane) -> Lane:
    """As many milliseconds as the lane costs dollars."""
    return Lane(latency_ms=float(lane.cost_usd or 0))


def gate(pairs: list[Pair], *candidates: str, **fields: Any) -> Gate:
    return saving_gate(plan(*candidates, **fields), pairs)


# --- what the objective makes smaller


@pytest.mark.parametrize(
    ("objective", "expected"),
    [
        ("cost", 0.02),
        ("latency", 800.0),
        ("utility", 0.25),  # 1·(1 − 0.75), cost and time weigh nothing
    ],
)
def test_each_objective_has_its_own_unit(objective: str, expected: float) -> None:
    lane = costing("0.02", quality=0.75, latency_ms=800.0)
    assert price(plan(objective=objective), lane) == pytest.approx(expected)


def test_utility_by_hand() -> None:
    """0.5·(1 − 0.75) + 0.3·0.02/0.01 + 0.2·800/1000 = 0.125 + 0.6 + 0.16."""
    asked = plan(objective="utility", quality_weight=0.5, cost_weight=0.3, latency_weight=0.2)
    assert price(asked, costing("0.02", quality=0.75, latency_ms=800.0)) == pytest.approx(0.885)


@pytest.mark.parametrize(
    ("objective", "lane", "expected"),
    [
        ("cost", Lane(latency_ms=1.0), None),
        ("latency", costing(1), None),
        ("utility", costing(1, latency_ms=1.0), None),
        ("utility", Lane(failed=True), 1.0),  # a failed call has no quality at all
        ("utility", Lane(failed=True, quality=0.5), 0.5),
        ("utility", Lane(quality=1.0), 0.0),
        ("cost", costing(0), 0.0),
    ],
)
def test_the_unknown_is_none_and_nothing_is_nothing(objective: str, lane: Lane, expected: float | None) -> None:
    assert price(plan(objective=objective), lane) == expected


@pytest.mark.parametrize("missing", ["quality", "cost_usd", "latency_ms"])
def test_a_part_that_weighs_something_must_be_known(missing: str) -> None:
    asked = plan(objective="utility", quality_weight=1.0, cost_weight=1.0, latency_weight=1.0)
    known: dict[str, Any] = {"quality": 0.5, "cost_usd": Decimal(1), "latency_ms": 5.0}
    assert price(asked, Lane(**known | {missing: None})) is None


def test_a_price_known_on_one_side_only_counts_on_neither() -> None:
    table = prices(plan(), priced((0.2, 0.1), (0.2, None), (None, 0.1)))
    assert table[0].tolist() == [0.2, 0.1] and np.isnan(table[1:]).all()


def test_no_pairs_are_an_empty_table() -> None:
    assert prices(plan(), []).shape == (0, 2)


# --- the gate


@pytest.mark.parametrize(
    ("old", "new", "saving"),
    [(0.01, 0.004, 0.6), (0.01, 0.01, 0.0), (0.01, 0.02, -1.0), (0.01, 0.0, 1.0), (0.0, 0.01, None), (0.0, 0.0, None)],
)
def test_the_saving_is_a_share_of_todays_cost(old: float, new: float, saving: float | None) -> None:
    found = gate(priced(*[(old, new)] * 30)).estimate
    assert found == (saving if saving is None else pytest.approx(saving))


def test_the_saving_is_of_the_sums_and_not_the_mean_of_shares() -> None:
    """Ten cents become five and one becomes two: 1 − 7/11, where the mean of shares would be −0.25."""
    assert gate(priced((0.10, 0.05), (0.01, 0.02))).estimate == pytest.approx(4 / 11)


@pytest.mark.parametrize(("new", "passed", "failed"), [(0.004, True, False), (0.0089, True, False), (0.0099, 0, 1)])
def test_the_least_saving_decides(new: float, passed: bool, failed: bool) -> None:
    """Constant prices leave no doubt: 10 % is asked for, 60 % and 11 % are enough, 1 % is not."""
    found = gate(priced(*[(0.01, new)] * 30))
    assert (found.is_passed, found.is_failed) == (bool(passed), bool(failed))


@pytest.mark.parametrize("n", [0, 1, 2, 19])
def test_before_the_least_number_of_pairs_there_is_no_evidence(n: int) -> None:
    found = gate(priced(*[(0.01, 0.001)] * n))
    assert (found.e_value, found.e_against, found.low, found.high) == (1.0, 1.0, None, None)
    assert not found.is_passed and not found.is_failed


def test_only_priced_pairs_count_towards_that_number() -> None:
    found = gate(priced(*[(0.01, 0.001)] * 19, *[(0.01, None)] * 50))
    assert (found.n, found.n_unscored, found.e_value) == (19, 50, 1.0)


def test_certain_evidence_is_a_finite_number() -> None:
    found = gate(priced(*[(0.01, 0.001)] * 30))
    assert (found.e_value, found.e_against) == (E_CEILING, 0.0)


def test_more_candidates_ask_for_more_evidence() -> None:
    """Half the cost and a twentieth more by turns saves 22.5 %: beyond 1/α = 20, and not beyond 12/α = 240."""
    pairs = priced(*[("0.01", "0.005"), ("0.01", "0.0105")] * 30)
    one, twelve = gate(pairs), gate(pairs, *(f"c{each}" for each in range(12)))
    assert one.is_passed and not twelve.is_passed


@given(st.lists(st.tuples(st.floats(1e-6, 1), st.floats(0, 1)), min_size=20, max_size=60))
def test_the_interval_holds_the_estimate(table: list[tuple[float, float]]) -> None:
    found = gate(priced(*table))
    assert found.low is not None and found.high is not None and found.estimate is not None
    inside = max(found.estimate, SAVING_FLOOR)
    assert found.low - 1e-6 <= inside <= found.high + 1e-6 or found.estimate < SAVING_FLOOR


@given(st.lists(st.tuples(st.floats(1e-6, 1), st.floats(0, 1)), min_size=20, max_size=60))
def test_evidence_is_never_less_than_nothing_nor_without_end(table: list[tuple[float, float]]) -> None:
    found = gate(priced(*table))
    assert 0 <= found.e_value <= E_CEILING and 0 <= found.e_against <= E_CEILING
    assert not (found.is_passed and found.is_failed)


@given(st.integers(0, 1000), st.sampled_from([0.001, 7.0, 1000.0]))
def test_the_currency_is_no_matter(seed: int, rate: float) -> None:
    pairs = noisy(40, seed=seed)
    dearer = priced(*((float(each.incumbent.cost_usd) * rate, float(each.candidate.cost_usd) * rate) for each in pairs))
    one, other = gate(pairs), gate(dearer)
    assert (one.estimate, one.low, one.high) == pytest.approx((other.estimate, other.low, other.high), abs=1e-6)


def test_dollars_and_milliseconds_are_counted_alike() -> None:
    by_cost = noisy(50, seed=3)
    by_time = [Pair(each.position, "all", timed(each.incumbent), timed(each.candidate)) for each in by_cost]
    assert gate(by_time, objective="latency").e_value == pytest.approx(gate(by_cost).e_value)


def test_the_interval_narrows_with_pairs() -> None:
    widths = [found.high - found.low for found in (gate(noisy(n, spread=0.5)) for n in (20, 80, 320))]
    assert widths == sorted(widths, reverse=True)


def test_what_passes_shows_the_least_saving_outside_its_interval() -> None:
    found = gate(noisy(200, new=0.007))
    assert found.is_passed and found.low > found.limit


def test_the_gate_says_that_its_error_rate_is_for_large_numbers() -> None:
    found = gate(noisy(30))
    assert (found.name, found.is_asymptotic, found.worst_low) == ("saving", True, None)


def test_a_saving_at_the_limit_is_seldom_taken_for_more() -> None:
    """200 runs of 100 pairs that save exactly 10 %: at α = 5 % at most 5 % + 4 standard errors (6.2 %) may pass."""
    passed = sum(gate(noisy(100, new=0.009, seed=seed)).is_passed for seed in range(200))
    assert passed / 200 <= 0.112


# --- means for the page


@pytest.mark.parametrize(
    ("costs", "mean"),
    [
        ([], None),
        ([None, None], None),
        (["0.1", "0.2"], "0.15"),
        (["0.1", None], "0.1"),
        (["0.000000000001", "0.000000000003"], "0.000000000002"),
        (["0"], "0"),
    ],
)
def test_the_mean_cost_is_of_known_prices_to_the_last_digit(costs: list[str | None], mean: str | None) -> None:
    assert mean_cost([costing(cost) for cost in costs]) == (None if mean is None else Decimal(mean))


@pytest.mark.parametrize(("times", "mean"), [([], None), ([None], None), ([100.0, 300.0, None], 200.0), ([0.0], 0.0)])
def test_the_mean_latency_is_of_known_times(times: list[float | None], mean: float | None) -> None:
    assert mean_latency([Lane(latency_ms=each) for each in times]) == mean


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=20))
def test_a_mean_lies_between_the_least_and_the_most(times: list[float]) -> None:
    found = mean_latency([Lane(latency_ms=each) for each in times])
    assert found is not None and min(times) - 1e-6 <= found <= max(times) + 1e-6
    assert math.isfinite(found)
