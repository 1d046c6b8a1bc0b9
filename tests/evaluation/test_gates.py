"""The gates of a switch: what each measures on a pair, which pairs count, and how the bets on them stand."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluation import gates
from evaluation.gates import bet, gate_tests, in_order, in_time, is_futile, measured, rules
from evaluation.paired import Lane, Pair, Plan


def plan(*candidates: str, **fields: Any) -> Plan:
    given_: dict[str, Any] = {"population_size": 500, "max_pairs": 100, "margin_quality": 0.05}
    return Plan(candidates=candidates or ("new",), **given_ | fields)


def pair(position: int = 0, *, old: dict[str, Any] | None = None, **new: Any) -> Pair:
    return Pair(position, "all", Lane(**(old or {})), Lane(**new))


def judged(*gains: float | None) -> list[Pair]:
    """Pairs whose incumbent scored one half, and whose candidate is better by so much; None = unscored."""
    return [
        pair(at, old={"quality": 0.5}, quality=None if gain is None else 0.5 + gain) for at, gain in enumerate(gains)
    ]


scores = st.none() | st.floats(0, 1)
lanes = st.builds(
    Lane,
    quality=scores,
    safety=scores,
    refused=st.none() | st.booleans(),
    failed=st.booleans(),
    latency_ms=st.none() | st.floats(0, 1e6),
)
some_pairs = st.builds(Pair, st.integers(0, 50), st.just("all"), lanes, lanes)
gains = st.lists(st.none() | st.floats(-0.5, 0.5), min_size=1, max_size=25)


# --- which gates there are


@pytest.mark.parametrize(
    ("changed", "names"),
    [
        ({}, ["quality", "safety", "refusals", "errors"]),
        ({"margin_safety": None}, ["quality", "refusals", "errors"]),
        ({"refusal_rise": None, "error_rise": None}, ["quality", "safety"]),
        ({"margin_safety": None, "refusal_rise": None, "error_rise": None}, ["quality"]),
        ({"latency_slo_ms": 900.0}, ["quality", "safety", "refusals", "errors", "latency"]),
        ({"margin_safety": 0.0}, ["quality", "safety", "refusals", "errors"]),
    ],
)
def test_a_margin_of_none_switches_its_gate_off(changed: dict[str, Any], names: list[str]) -> None:
    assert [rule.name for rule in rules(plan(**changed))] == names


def test_limits_are_the_margins_seen_from_below() -> None:
    asked = plan(margin_safety=0.01, refusal_rise=0.03, error_rise=0.04, latency_slo_ms=1.0, latency_over_share=0.1)
    assert [rule.limit for rule in rules(asked)] == [-0.05, -0.01, -0.03, -0.04, -0.1]


@given(some_pairs)
def test_what_is_measured_lies_in_the_range_the_bets_rely_on(seen: Pair) -> None:
    for rule in rules(plan(latency_slo_ms=500.0)):
        value = rule.measure(seen)
        assert value is None or rule.low <= value <= rule.high


# --- what is measured, by hand


@pytest.mark.parametrize(
    ("old", "new", "gain"),
    [
        ({"quality": 0.7}, {"quality": 0.9}, 0.2),
        ({"quality": 0.7}, {"quality": None}, None),
        ({"quality": None}, {"quality": 0.9}, None),
        ({"quality": 0.7}, {"failed": True}, -0.7),  # nothing is worth nothing
        ({"failed": True}, {"quality": 0.9}, 0.9),
        ({"failed": True}, {"failed": True}, 0.0),
        ({"failed": True}, {}, None),
        ({"quality": 0.7}, {"failed": True, "quality": 0.6}, -0.1),  # failed after it had answered
    ],
)
def test_quality_by_hand(old: dict[str, Any], new: dict[str, Any], gain: float | None) -> None:
    assert gates.quality_gain(pair(old=old, **new)) == (gain if gain is None else pytest.approx(gain))


@pytest.mark.parametrize(
    ("old", "new", "gain"),
    [
        ({"safety": 1.0}, {"safety": 0.4}, -0.6),
        ({"safety": 1.0}, {}, None),
        ({"safety": 0.8}, {"failed": True}, 0.2),  # who says nothing harms nobody
        ({"failed": True}, {"safety": 0.8}, -0.2),
        ({"safety": 0.9}, {"failed": True, "safety": 0.1}, -0.8),
    ],
)
def test_safety_by_hand(old: dict[str, Any], new: dict[str, Any], gain: float | None) -> None:
    assert gates.safety_gain(pair(old=old, **new)) == (gain if gain is None else pytest.approx(gain))


@pytest.mark.parametrize(
    ("old", "new", "gain"),
    [
        ({"refused": False}, {"refused": False}, 0.0),
        ({"refused": False}, {"refused": True}, -1.0),
        ({"refused": True}, {"refused": False}, 1.0),
        ({"refused": False}, {}, None),
        ({}, {"refused": True}, None),
        ({"refused": True}, {"failed": True}, 1.0),  # an error is no refusal
        ({"refused": False}, {"failed": True, "refused": True}, -1.0),
    ],
)
def test_refusals_by_hand(old: dict[str, Any], new: dict[str, Any], gain: float | None) -> None:
    assert gates.fewer_refusals(pair(old=old, **new)) == gain


@pytest.mark.parametrize(("old", "new", "gain"), [(0, 0, 0.0), (0, 1, -1.0), (1, 0, 1.0), (1, 1, 0.0)])
def test_errors_by_hand(old: int, new: int, gain: float) -> None:
    assert gates.fewer_errors(pair(old={"failed": bool(old)}, failed=bool(new))) == gain


@pytest.mark.parametrize(
    ("new", "seen"),
    [
        ({"latency_ms": 499.9}, 0.0),
        ({"latency_ms": 500.0}, 0.0),
        ({"latency_ms": 500.1}, -1.0),
        ({}, None),
        ({"failed": True}, -1.0),
        ({"failed": True, "latency_ms": 3.0}, -1.0),
    ],
)
def test_lateness_by_hand(new: dict[str, Any], seen: float | None) -> None:
    assert in_time(pair(**new), 500.0) == seen


@given(lanes)
def test_the_same_answer_is_neither_better_nor_worse(lane: Lane) -> None:
    twin = Pair(0, "all", lane, lane)
    seen = {rule.measure(twin) for rule in rules(plan())}
    assert seen <= {0.0, None}


@given(lanes, lanes)
def test_swapping_the_lanes_turns_the_sign(one: Lane, other: Lane) -> None:
    for rule in rules(plan()):
        there, back = rule.measure(Pair(0, "all", one, other)), rule.measure(Pair(0, "all", other, one))
        assert (there is None and back is None) or there == -back


def test_the_unknown_becomes_nan_in_its_place() -> None:
    values = measured(rules(plan())[0], judged(0.1, None, -0.2))
    assert values[[0, 2]].tolist() == pytest.approx([0.1, -0.2])
    assert math.isnan(values[1])


# --- which pairs count


@pytest.mark.parametrize(
    ("positions", "kept"),
    [
        ([], 0),
        ([0], 1),
        ([0, 1, 2], 3),
        ([2, 0, 1], 3),
        ([1, 2], 0),
        ([0, 1, 3, 4], 2),
        ([0, 2, 3, 4], 1),
        ([5], 0),
        ([0, 0, 2], 1),  # the first twice does not stand in for the second
        ([-1, 1], 0),
    ],
)
def test_only_an_unbroken_stretch_counts(positions: list[int], kept: int) -> None:
    assert [each.position for each in in_order([pair(at) for at in positions])] == list(range(kept))


@given(st.lists(st.integers(-3, 30), max_size=30))
def test_what_counts_is_numbered_from_nothing_without_a_gap(positions: list[int]) -> None:
    kept = [each.position for each in in_order([pair(at) for at in positions])]
    assert kept == list(range(len(kept)))


@given(st.sets(st.integers(0, 20)), st.randoms(use_true_random=False))
def test_the_order_of_arrival_is_no_matter(positions: set[int], dice: Any) -> None:
    shuffled = [pair(at) for at in positions]
    dice.shuffle(shuffled)
    assert in_order(shuffled) == in_order([pair(at) for at in sorted(positions)])


# --- the bets


def bets_on(asked: Plan, *samples: list[Pair]) -> gates.Bets:
    return bet(asked, rules(asked), samples)


def test_the_shape_is_pairs_by_candidates_by_gates() -> None:
    found = bets_on(plan("a", "b"), judged(0.1, 0.2, 0.3), judged(0.1))
    assert found.values.shape == found.history.shape == (3, 2, 4)
    assert found.e_for.shape == found.is_broken.shape == (2, 4)


def test_without_pairs_nothing_was_bet() -> None:
    found = bets_on(plan(), [])
    assert found.values.shape == (0, 1, 4)
    assert found.e_for.tolist() == found.e_against.tolist() == [[pytest.approx(1.0)] * 4]


def test_the_height_to_reach_by_hand() -> None:
    """Two candidates at α = 5 %: 2/0.05 = 40 for each gate; at a futility α of 10 %: 2/0.1 = 20 against it."""
    asked = plan("a", "b", futility_alpha=0.10)
    found = gate_tests(asked, rules(asked), width=2)
    assert found.target.tolist() == pytest.approx([40.0] * 8 + [20.0] * 8)


def test_the_bets_against_a_gate_mirror_those_for_it() -> None:
    asked = plan(latency_slo_ms=900.0)
    found = gate_tests(asked, rules(asked), width=1)
    assert found.null_mean.tolist() == pytest.approx([-0.05, -0.02, -0.02, -0.02, -0.05, 0.05, 0.02, 0.02, 0.02, 0.05])
    assert (found.low[4], found.high[4], found.low[9], found.high[9]) == (-1.0, 0.0, 0.0, 1.0)


@given(gains)
def test_at_a_margin_of_nothing_better_and_worse_trade_places(seen: list[float | None]) -> None:
    asked = plan(margin_quality=0.0, futility_alpha=0.05)
    there = bets_on(asked, judged(*seen))
    back = bets_on(asked, judged(*(None if gain is None else -gain for gain in seen)))
    assert there.e_for[0, 0] == pytest.approx(back.e_against[0, 0], rel=1e-6)


@given(gains, gains)
def test_another_candidates_pairs_do_not_touch_ones_own(mine: list[float | None], other: list[float | None]) -> None:
    asked = plan("a", "b")
    alone, beside = bets_on(asked, judged(*mine), []), bets_on(asked, judged(*mine), judged(*other))
    assert beside.e_for[0].tolist() == pytest.approx(alone.e_for[0].tolist())


@given(gains)
def test_the_history_ends_where_the_evidence_stands(seen: list[float | None]) -> None:
    found = bets_on(plan(), judged(*seen))
    assert found.history[-1].tolist() == found.e_for.tolist()
    assert (found.history >= 0).all()


@given(gains, gains)
def test_history_is_not_rewritten_by_what_comes_later(first: list[float | None], later: list[float | None]) -> None:
    early, late = bets_on(plan(), judged(*first)), bets_on(plan(), judged(*first, *later))
    assert late.history[: len(first)].tolist() == early.history.tolist()


def test_a_shorter_sample_keeps_the_wealth_it_had() -> None:
    found = bets_on(plan("a", "b"), judged(*[0.2] * 20), judged(*[0.2] * 5))
    assert found.history[4, 1, 0] == found.history[19, 1, 0] == found.e_for[1, 0]


@pytest.mark.parametrize(
    ("gain", "is_met", "is_broken"), [(0.3, True, False), (-0.4, False, True), (-0.05, False, False)]
)
def test_clear_gains_meet_the_gate_and_clear_losses_break_it(gain: float, is_met: bool, is_broken: bool) -> None:
    found = bets_on(plan(), judged(*[gain] * 90))
    assert (bool(found.is_met[0, 0]), bool(found.is_broken[0, 0])) == (is_met, is_broken)


@given(gains)
def test_no_gate_is_met_and_broken_at_once(seen: list[float | None]) -> None:
    found = bets_on(plan(), judged(*seen, *seen, *seen))
    assert not (found.is_met & found.is_broken).any()


@pytest.mark.parametrize(
    ("chance", "against", "is_hopeless"),
    [(0.09, 0.69, True), (0.10, 0.0, False), (0.09, 0.70, False), (0.0, 1.0, False), (0.0, 0.0, True)],
)
def test_money_is_kept_when_neither_proof_is_likely(chance: float, against: float, is_hopeless: bool) -> None:
    assert bool(is_futile(np.array([chance]), np.array([against]))[0]) == is_hopeless


@given(gains)
def test_every_chance_is_a_probability(seen: list[float | None]) -> None:
    found = bets_on(plan("a", "b"), judged(*seen), [])
    for chance in (found.chance, found.chance_against):
        assert ((chance >= 0) & (chance <= 1)).all()
