"""Plans, lanes and pairs: they survive JSON to the last bit, and nonsense is refused with a sentence."""

from __future__ import annotations

import dataclasses
import json
import math
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluation.paired import OBJECTIVES, Lane, Pair, Plan, plain


def plan(**fields: Any) -> Plan:
    return Plan(**{"candidates": ("new",), "population_size": 500, "max_pairs": 100} | fields)


def by_json(value: Any) -> Any:
    return json.loads(json.dumps(value, allow_nan=False))


scores = st.none() | st.floats(0, 1)
money = st.none() | st.decimals(0, 10**6, places=12)
lanes = st.builds(
    Lane,
    quality=scores,
    safety=scores,
    helpful=scores,
    refused=st.none() | st.booleans(),
    failed=st.booleans(),
    latency_ms=st.none() | st.floats(0, 1e7),
    cost_usd=money,
    tokens_out=st.none() | st.integers(0, 10**9),
)
finite = st.floats(allow_nan=False, allow_infinity=False)
pairs = st.builds(
    Pair,
    position=st.integers(0, 10**6),
    stratum=st.text(max_size=20),
    incumbent=lanes,
    candidate=lanes,
    covariates=st.none() | st.lists(finite, max_size=4).map(tuple),
)
margins = st.floats(0, 1, exclude_max=True)
plans = st.builds(
    Plan,
    candidates=st.lists(st.text(min_size=1, max_size=20), min_size=1, max_size=5, unique=True).map(tuple),
    population_size=st.integers(0, 10**9),
    max_pairs=st.integers(1, 10**6),
    alpha=st.floats(0, 0.5, exclude_min=True),
    margin_quality=margins,
    margin_safety=st.none() | margins,
    refusal_rise=st.none() | margins,
    latency_slo_ms=st.none() | st.floats(0, 1e9, exclude_min=True),
    objective=st.sampled_from(OBJECTIVES),
    min_saving=margins,
    covariate_means=st.none() | st.lists(finite, max_size=4).map(tuple),
    seed=st.integers(0, 2**63 - 1),
)


@given(pairs)
def test_a_pair_survives_json_unchanged(pair: Pair) -> None:
    assert Pair.from_dict(by_json(pair.to_dict())) == pair


@given(plans)
def test_a_plan_survives_json_unchanged(asked: Plan) -> None:
    assert Plan.from_dict(by_json(asked.to_dict())) == asked


@given(pairs)
def test_writing_twice_gives_the_same_bytes(pair: Pair) -> None:
    once = json.dumps(pair.to_dict(), sort_keys=True)
    assert json.dumps(Pair.from_dict(json.loads(once)).to_dict(), sort_keys=True) == once


@pytest.mark.parametrize("cost", ["0.000000050000", "0", "123456.789012345678", "1E-12"])
def test_money_keeps_every_digit(cost: str) -> None:
    assert Lane.from_dict(by_json(plain(Lane(cost_usd=Decimal(cost))))).cost_usd == Decimal(cost)


def test_money_that_was_stored_as_a_number_is_read_as_it_looks() -> None:
    assert Lane.from_dict({"cost_usd": 0.1}).cost_usd == Decimal("0.1")


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, None),
        (True, True),
        (7, 7),
        ("text", "text"),
        (Decimal("1.10"), "1.10"),
        (1 / 3, 1 / 3),
        (math.nan, None),
        (math.inf, None),
        (-math.inf, None),
        ((1, (2.5, math.nan)), [1, [2.5, None]]),
        ([Decimal(1)], ["1"]),
    ],
)
def test_plain_values_by_hand(value: Any, shown: Any) -> None:
    assert plain(value) == shown


@pytest.mark.parametrize(
    ("value", "digits", "shown"),
    [
        (1 / 3, 3, 0.333),
        (123456.0, 3, 123000.0),
        (2.0, 10, 2.0),
        (1e-12 / 3, 2, 3.3e-13),
        (-0.05, 10, -0.05),
        ((0.123456, 9.87654), 2, [0.12, 9.9]),
        (Decimal("0.123456"), 2, "0.123456"),
        (123456, 2, 123456),
    ],
)
def test_rounding_keeps_significant_digits_of_floats_only(value: Any, digits: int, shown: Any) -> None:
    assert plain(value, digits=digits) == shown


@given(st.floats(-1e300, 1e300))
def test_rounding_again_changes_nothing(value: float) -> None:
    once = plain(value, digits=10)
    assert plain(once, digits=10) == once


def test_a_dataclass_inside_a_list_is_turned_too() -> None:
    told = plain([Lane(quality=0.5, cost_usd=Decimal("0.2"))])
    assert (told[0]["quality"], told[0]["cost_usd"], told[0]["failed"]) == (0.5, "0.2", False)


def test_a_class_is_no_value_to_take_apart() -> None:
    assert plain(Lane) is Lane


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"candidates": ()}, "at least one candidate"),
        ({"candidates": ("a", "b", "a")}, "each candidate once"),
        ({"population_size": -1}, "population"),
        ({"max_pairs": 0}, "one pair"),
        ({"max_pairs": -5}, "one pair"),
        ({"alpha": 0}, "alpha"),
        ({"alpha": 0.51}, "alpha"),
        ({"alpha": math.nan}, "alpha"),
        ({"futility_alpha": 0}, "futility_alpha"),
        ({"futility_alpha": 1}, "futility_alpha"),
        ({"margin_quality": -0.01}, "Margins"),
        ({"margin_quality": 1.0}, "Margins"),
        ({"margin_quality": math.nan}, "Margins"),
        ({"margin_quality": None}, "quality gate"),
        ({"margin_safety": 2}, "Margins"),
        ({"refusal_rise": -1}, "Margins"),
        ({"error_rise": math.inf}, "Margins"),
        ({"latency_slo_ms": 0}, "latency limit"),
        ({"latency_slo_ms": -1}, "latency limit"),
        ({"latency_slo_ms": math.nan}, "latency limit"),
        ({"latency_slo_ms": math.inf}, "latency limit"),
        ({"latency_over_share": 0}, "over the latency limit"),
        ({"latency_over_share": 1}, "over the latency limit"),
        ({"objective": "beauty"}, "objective"),
        ({"min_saving": -0.1}, "saving"),
        ({"min_saving": 1}, "saving"),
        ({"max_unscored_share": 1}, "unscored"),
        ({"max_unscored_share": math.nan}, "unscored"),
    ],
)
def test_a_plan_that_means_nothing_is_refused_with_a_sentence(changed: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        plan(**changed)


@pytest.mark.parametrize(
    "changed",
    [
        {"alpha": 0.5},
        {"margin_quality": 0},
        {"margin_quality": 0.999},
        {"min_saving": 0},
        {"max_unscored_share": 0},
        {"latency_slo_ms": 0.001},
        {"population_size": 0},
        {"max_pairs": 1},
        {"margin_safety": None, "refusal_rise": None, "error_rise": None},
    ],
)
def test_the_edges_of_what_is_allowed_are_allowed(changed: dict[str, Any]) -> None:
    asked = plan(**changed)
    assert all(getattr(asked, name) == value for name, value in changed.items())


@pytest.mark.parametrize("extra", [{"surprise": 1}, {"": None}, {"alpha ": 0.05}])
def test_a_plan_is_never_half_understood(extra: dict[str, Any]) -> None:
    with pytest.raises(TypeError):
        Plan.from_dict(plan().to_dict() | extra)


@pytest.mark.parametrize("missing", ["candidates", "population_size", "max_pairs"])
def test_a_plan_without_its_sizes_is_no_plan(missing: str) -> None:
    stored = plan().to_dict()
    del stored[missing]
    with pytest.raises((TypeError, KeyError)):
        Plan.from_dict(stored)


def test_an_older_plan_gets_the_defaults_of_what_it_does_not_name() -> None:
    assert Plan.from_dict({"candidates": ["a"], "population_size": 40, "max_pairs": 30}).min_pairs == 20


@pytest.mark.parametrize("changed", [{"alpha": 0}, {"candidates": []}, {"margin_quality": None}])
def test_a_stored_plan_is_checked_like_a_new_one(changed: dict[str, Any]) -> None:
    with pytest.raises((ValueError, TypeError)):
        Plan.from_dict(plan().to_dict() | changed)


def test_a_plan_cannot_be_changed_once_made() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        plan().alpha = 0.5  # type: ignore[misc]


@given(plans)
def test_the_number_of_candidates_is_that_of_their_names(asked: Plan) -> None:
    assert asked.n_candidates == len(set(asked.candidates))


@pytest.mark.parametrize("name", ["quality", "safety", "helpful"])
@pytest.mark.parametrize("score", [-0.0001, 1.0001, 50, math.nan, math.inf])
def test_a_score_outside_its_scale_is_refused_by_name(name: str, score: float) -> None:
    with pytest.raises(ValueError, match=name):
        Lane(**{name: score})


@pytest.mark.parametrize("score", [0, 1, 0.0, 1.0, None])
def test_both_ends_of_the_scale_and_the_unknown_are_scores(score: float | None) -> None:
    assert Lane(quality=score).quality == score


def test_an_unknown_field_of_a_lane_is_refused() -> None:
    with pytest.raises(TypeError):
        Lane.from_dict({"quality": 0.5, "beauty": 1})


@pytest.mark.parametrize("missing", ["position", "stratum", "incumbent", "candidate"])
def test_a_pair_without_one_of_its_parts_is_refused(missing: str) -> None:
    stored = Pair(0, "all", Lane(), Lane()).to_dict()
    del stored[missing]
    with pytest.raises(KeyError):
        Pair.from_dict(stored)


def test_nothing_known_is_none_and_not_zero() -> None:
    told = plain(Lane())
    assert told.pop("failed") is False and set(told.values()) == {None}
