"""The controller: limits, utility, do no harm, exploration; every choice with the probability it was made with."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing.controller import KINDS, Choice, Policy, Prediction, choose, distribution, utility
from routing.demand import Demand
from tests.routing.predicted import predictions


def wanted(**fields: Any) -> Demand:
    given_: dict[str, Any] = {"needs": frozenset(), "input_tokens": 100, "output_tokens": 100, "text": ""}
    return Demand(**given_ | fields)


def policy(kind: str = "cheapest", **fields: Any) -> Policy:
    return Policy("p", 1, kind, "a/default", **{"candidates": ("b/cheap", "c/good"), **fields})


def seen(option: str, cost: float = 1.0, low: float | None = 0.0, **fields: Any) -> Prediction:
    quality = None if low is None else low + 0.01
    given_: dict[str, Any] = {"cost_usd": cost, "latency_ms": 100.0, "quality": quality, "quality_low": low}
    return Prediction(option, **given_ | {"quality_high": None if low is None else low + 0.02} | fields)


DEFAULT = seen("a/default", 1.0, 0.0, quality=0.0, quality_high=0.0)


def chosen(demand: Demand, how: Policy, *others: Prediction, draw: float = 0.99) -> Choice:
    return choose(demand, how, [DEFAULT, *others], draw=draw)


def test_the_cheapest_that_is_shown_to_be_as_good() -> None:
    found = chosen(wanted(), policy(), seen("b/cheap", 0.1, -0.01), seen("c/good", 2.0, 0.05))
    assert found.option == "b/cheap" and found.probability == 1.0
    assert "within 2.0% of the default" in found.reason


def test_cheap_is_not_enough() -> None:
    found = chosen(wanted(), policy(), seen("b/cheap", 0.1, -0.03))
    assert found.option == "a/default" and found.reason == "nothing else is shown to be as good"


def test_an_option_never_compared_never_replaces_the_default() -> None:
    assert chosen(wanted(), policy(), seen("b/cheap", 0.0001, None)).option == "a/default"


@pytest.mark.parametrize(
    ("kind", "expected"),
    [("cheapest", "b/cheap"), ("fastest", "d/fast"), ("best", "c/good"), ("fixed", "a/default")],
)
def test_each_kind_measures_its_own(kind: str, expected: str) -> None:
    others = [seen("b/cheap", 0.1, 0.0), seen("c/good", 2.0, 0.2), seen("d/fast", 1.5, 0.0, latency_ms=10.0)]
    how = policy(kind, candidates=("b/cheap", "c/good", "d/fast"))
    assert chosen(wanted(), how, *others).option == expected


def test_own_weights_decide() -> None:
    others = [seen("b/cheap", 0.1, 0.0), seen("c/good", 2.0, 0.2)]
    assert chosen(wanted(), policy("weighted", weights={"quality": 1, "cost": 1}), *others).option == "c/good"
    assert chosen(wanted(), policy("weighted", weights={"quality": 0.01, "cost": 10}), *others).option == "b/cheap"


def test_utility_by_hand() -> None:
    assert utility({"quality": 2, "cost": 3, "latency": 0.5}, 0.1, 2.0, 4_000) == 20 - 6 - 2


@pytest.mark.parametrize(
    ("demand", "limits", "why"),
    [
        (wanted(needs=frozenset({"vision"})), {}, "cannot do vision"),
        (wanted(input_tokens=5_000), {}, "window of 4,000 tokens"),
        (wanted(deadline_ms=50), {}, "past the limit of 50 ms"),
        (wanted(), {"max_latency_ms": 50}, "past the limit of 50 ms"),
        (wanted(max_cost_usd=0.05), {}, "past the limit of 0.050000 USD"),
    ],
)
def test_hard_limits_come_first(demand: Demand, limits: dict[str, Any], why: str) -> None:
    able = seen("a/default", 0.01, 0.0, latency_ms=1.0, abilities=frozenset({"vision"}))
    found = choose(demand, policy(**limits), [able, seen("b/cheap", 0.1, 0.0, context_tokens=4_000)], draw=0.5)
    assert found.option == "a/default"
    (row,) = [each for each in found.considered if each["option"] == "b/cheap"]
    assert why in row["hindered"]


def test_nothing_feasible_leaves_the_default() -> None:
    found = chosen(wanted(needs=frozenset({"vision"})), policy(), seen("b/cheap", 0.1, 0.0))
    assert found.option == "a/default" and found.reason == "no option meets the limits"


def test_where_the_default_cannot_serve_the_likeliest_does() -> None:
    able = {"abilities": frozenset({"vision"})}
    others = [seen("b/cheap", 0.1, -0.3, **able), seen("c/good", 2.0, -0.1, **able)]
    found = chosen(wanted(needs=frozenset({"vision"})), policy(), *others)
    assert found.option == "c/good" and "the default cannot serve it" in found.reason


def test_an_open_breaker_is_a_limit() -> None:
    assert chosen(wanted(), policy(), seen("b/cheap", 0.1, 0.0, is_healthy=False)).option == "a/default"


def test_ties_go_to_the_better_bound_then_the_name() -> None:
    how = policy(candidates=("c/good", "b/cheap"))
    assert chosen(wanted(), how, seen("b/cheap", 0.1, 0.0), seen("c/good", 0.1, 0.1)).option == "c/good"
    assert chosen(wanted(), how, seen("b/cheap", 0.1, 0.0), seen("c/good", 0.1, 0.0)).option == "b/cheap"


def test_exploration_leaves_out_what_is_held_to_be_worse() -> None:
    how = policy(exploration=0.3)
    others = [seen("b/cheap", 0.1, None), seen("c/good", 2.0, -0.5)]
    drawn = Counter(chosen(wanted(), how, *others, draw=draw / 1000).option for draw in range(1000))
    assert drawn == {"a/default": 850, "b/cheap": 150}


def test_the_recorded_probability_is_the_true_one() -> None:
    how = policy(exploration=0.3)
    others = [seen("b/cheap", 0.1, None), seen("c/good", 2.0, None)]
    choices = [chosen(wanted(), how, *others, draw=draw / 1000) for draw in range(1000)]
    drawn = Counter(each.option for each in choices)
    for each in choices:
        assert each.probability == pytest.approx(drawn[each.option] / 1000)


def test_risky_requests_are_not_experimented_with() -> None:
    found = chosen(
        wanted(risks=frozenset({"sensitive"})), policy(exploration=0.5), seen("b/cheap", 0.1, None), draw=0.0
    )
    assert found.option == "a/default" and found.probability == 1.0


def test_a_split_follows_its_shares() -> None:
    how = policy("split", shares={"a/default": 3, "b/cheap": 1}, candidates=())
    choices = [chosen(wanted(), how, seen("b/cheap"), draw=draw / 100) for draw in range(100)]
    assert Counter(each.option for each in choices) == {"a/default": 75, "b/cheap": 25}
    assert {each.probability for each in choices} == {0.75, 0.25}


def test_a_split_leaves_out_what_cannot_serve() -> None:
    how = policy("split", shares={"a/default": 1, "b/cheap": 1}, candidates=())
    found = chosen(wanted(), how, seen("b/cheap", is_healthy=False), draw=0.9)
    assert (found.option, found.probability) == ("a/default", 1.0)


def test_a_shadow_answers_from_the_default() -> None:
    found = chosen(wanted(), policy("shadow"), seen("b/cheap", 0.1, 0.1))
    assert found.option == "a/default" and found.shadows == ("b/cheap", "c/good")


def test_fallbacks_end_with_the_default() -> None:
    found = chosen(wanted(), policy(fallbacks=("c/good",)), seen("b/cheap", 0.1, 0.0), seen("c/good", 3.0, 0.0))
    assert found.fallbacks == ("c/good", "a/default")


PREDICTIONS = predictions("a/default", "b/cheap", "c/good")


@given(
    st.lists(PREDICTIONS, max_size=3, unique_by=lambda each: each.option),
    st.sampled_from(KINDS),
    st.floats(0, 1, exclude_max=True),
    st.floats(0, 0.5),
)
def test_whatever_is_known_a_choice_is_made(
    predictions: list[Prediction], kind: str, draw: float, exploration: float
) -> None:
    how = policy(kind, exploration=exploration, shares={"a/default": 1, "b/cheap": 2})
    found = choose(wanted(), how, predictions, draw=draw)
    assert found.option in how.options and 0 < found.probability <= 1 and found.reason
    assert found == choose(wanted(), how, predictions, draw=draw)


@given(
    st.lists(PREDICTIONS, max_size=3, unique_by=lambda each: each.option),
    st.sampled_from(KINDS),
    st.sampled_from([0.0, 0.2, 0.5]),
    st.sampled_from([(1, 2), (0, 3), (1, 1)]),
)
def test_the_distribution_is_that_of_the_draws(
    predictions: list[Prediction], kind: str, exploration: float, shares: tuple[int, int]
) -> None:
    how = policy(kind, exploration=exploration, shares={"a/default": shares[0], "b/cheap": shares[1]})
    found = distribution(wanted(), how, predictions)
    assert sum(found.values()) == pytest.approx(1) and all(found.values())
    draws = [choose(wanted(), how, predictions, draw=(at + 0.5) / 600) for at in range(600)]
    drawn = Counter(each.option for each in draws)
    assert drawn.keys() <= found.keys()
    for option, probability in found.items():
        assert drawn[option] / 600 == pytest.approx(probability, abs=0.01)
    for each in draws:
        told = {row["option"]: row["probability"] for row in each.considered if row["probability"]}
        assert told == pytest.approx(found) and each.probability == pytest.approx(found[each.option])


def test_a_row_says_whether_any_policy_could_have_taken_the_option() -> None:
    how = policy(max_cost_usd=0.5)
    found = choose(wanted(), how, [seen("b/cheap", 2.0), seen("c/good", is_healthy=False)], draw=0.5)
    told = {row["option"]: row.get("is_unable", False) for row in found.considered}
    assert told == {"a/default": True, "b/cheap": False, "c/good": True}


@given(st.lists(PREDICTIONS, max_size=3, unique_by=lambda each: each.option), st.sampled_from(["cheapest", "best"]))
def test_no_harm_is_done_where_the_default_can_serve(predictions: list[Prediction], kind: str) -> None:
    able = [each for each in predictions if each.option != "a/default"]
    found = choose(wanted(), policy(kind), [DEFAULT, *able], draw=0.99)
    if found.option != "a/default":
        (taken,) = [each for each in able if each.option == found.option]
        assert taken.quality_low is not None and taken.quality_low >= -0.02
