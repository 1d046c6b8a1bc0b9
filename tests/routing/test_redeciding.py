"""Logged decisions decided again: by what was known then, and never by what was not."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing.controller import KINDS, Policy, Prediction, choose, distribution
from routing.counterfactual.measures import Judged, compared, quality
from routing.counterfactual.redeciding import Decision, Redecided, as_decision, redecide
from routing.counterfactual.tables import Logged, matrix, overlap, tabled, weights
from routing.demand import Demand
from routing.gateway import recording
from tests.routing.predicted import predictions

AT = datetime(2026, 11, 2, tzinfo=UTC)
DEFAULT = Prediction("a", 1.0, 100.0, 0.0, 0.0, 0.0)
OPTIONS = predictions("a", "b", "c")


def wanted(**fields: Any) -> Demand:
    given_: dict[str, Any] = {"needs": frozenset(), "input_tokens": 100, "output_tokens": 100, "text": ""}
    return Demand(**given_ | fields)


def policy(kind: str = "cheapest", **fields: Any) -> Policy:
    return Policy("p", 1, kind, "a", **{"candidates": ("b", "c"), "shares": {"a": 1, "b": 2}} | fields)


def through_the_log(how: Policy, seen: list[Prediction], demand: Demand, draw: float = 0.9) -> Decision | None:
    choice = choose(demand, how, seen, draw=draw)
    told = recording._decision(how, choice) | {"demand": recording._wanted(demand)}
    return as_decision(told, "e", AT, cost_usd=0.5, latency_ms=10.0, is_error=False)


def again(
    how: Policy,
    decision: Decision,
    *,
    today: Mapping[str, Prediction] | None = None,
    believed: Mapping[tuple[str, str], tuple[float, float, float]] | None = None,
) -> dict[str, float]:
    def known(option: str, demand: Demand) -> Prediction | None:
        return (today or {}).get(option)

    def belief(option: str, default: str) -> tuple[float, float, float] | None:
        return (believed or {}).get((option, default))

    return dict(redecide(how, decision, known, belief).odds)


@given(
    st.lists(OPTIONS, max_size=3, unique_by=lambda each: each.option),
    st.sampled_from(KINDS),
    st.sampled_from(KINDS),
    st.floats(0, 1, exclude_max=True),
)
def test_another_policy_decides_by_the_log_as_it_had_by_itself(
    seen: list[Prediction], kind: str, other: str, draw: float
) -> None:
    demand, default = wanted(max_cost_usd=0.7), [each for each in seen if each.option != "a"]
    known = [DEFAULT, *default]
    decision = through_the_log(policy(kind, exploration=0.2), known, demand, draw)
    assert decision is not None
    how = policy(other, exploration=0.1, max_latency_ms=5_000, margin=0.1)
    assert again(how, decision) == pytest.approx(distribution(demand, how, known))


def test_risks_and_limits_of_the_request_hold_again() -> None:
    demand = wanted(risks=frozenset({"sensitive"}), deadline_ms=50.0, needs=frozenset({"tools"}))
    able = [Prediction(name, 1.0, 10.0, abilities=frozenset({"tools"})) for name in ("a", "b")]
    decision = through_the_log(policy(), able, demand)
    assert decision is not None and decision.demand == demand
    assert again(policy(exploration=0.5), decision) == {"a": 1.0}
    late = [Prediction("a", 1.0, 10.0), Prediction("b", 0.1, 60.0, 0.1, 0.1, 0.1)]
    decision = through_the_log(policy(), late, wanted(deadline_ms=50.0))
    assert decision is not None and again(policy(), decision) == {"a": 1.0}


def test_an_option_that_was_not_weighed_is_taken_as_it_is_today() -> None:
    decision = through_the_log(policy(candidates=("b",), shares={}), [DEFAULT], wanted())
    assert decision is not None
    today = {"c": Prediction("c", 0.1, 10.0, 0.1, 0.1, 0.1)}
    how = policy(candidates=("c",))
    assert again(how, decision, today=today) == {"a": 1.0}
    assert again(how, decision, today=today, believed={("c", "a"): (0.1, 0.05, 0.2)}) == {"c": 1.0}


def test_a_certificate_counts_as_it_stood_then() -> None:
    good = {"quality": 0.2, "quality_low": 0.2, "quality_high": 0.2}
    seen = [DEFAULT, Prediction("b", 0.1, 10.0, **good, standing="certified"), Prediction("c", 0.05, 10.0, **good)]
    decision = through_the_log(policy(), seen, wanted())
    assert decision is not None
    assert again(policy(), decision) == {"c": 1.0}
    assert again(policy(certified_only=True), decision) == {"b": 1.0}
    other = Policy("p", 1, "cheapest", "c", ("b",), certified_only=True)
    assert again(other, decision, believed={("b", "c"): (0.1, 0.1, 0.1)}) == {"c": 1.0}


def test_beliefs_of_another_default_are_not_carried_over() -> None:
    seen = [DEFAULT, Prediction("b", 0.1, 10.0, 0.2, 0.2, 0.2), Prediction("c", 0.2, 10.0, 0.3, 0.3, 0.3)]
    decision = through_the_log(policy(), seen, wanted())
    assert decision is not None
    how = Policy("p", 1, "best", "c", ("a", "b"))
    assert again(how, decision) == {"c": 1.0}
    assert again(how, decision, believed={("b", "c"): (0.1, 0.05, 0.2)}) == {"b": 1.0}


@pytest.mark.parametrize("gone", ["demand", "considered", "probability"])
def test_a_decision_that_says_too_little_is_left_out(gone: str) -> None:
    choice = choose(wanted(), policy(), [DEFAULT], draw=0.5)
    told = recording._decision(policy(), choice) | {"demand": recording._wanted(wanted())}
    if gone == "probability":
        told["considered"] = [{"option": "a"}]
    else:
        told[gone] = None
    assert as_decision(told, "e", AT) is None


# ---------------------------------------------------------------- tables and quality
def log_of(n: int = 200, explored: float = 0.2) -> tuple[Logged, np.ndarray]:
    """`b` is explored with a chance of `explored`; the other policy always takes it."""
    how = policy("split", candidates=(), shares={"a": 1 - explored, "b": explored})
    seen = [DEFAULT, Prediction("b", 0.5, 50.0)]
    decisions = [through_the_log(how, seen, wanted(), draw=(at + 0.5) / n) for at in range(n)]
    kept = [each for each in decisions if each is not None]
    assert len(kept) == n
    other = [Redecided({"b": 1.0}, {"b": seen[1]})] * n
    logged = tabled(kept, other)
    return logged, matrix(logged.options, [each.odds for each in other])


def test_overlap_by_hand() -> None:
    logged, odds = log_of(200, 0.2)
    assert set(weights(logged, odds)) == {0.0, 5.0}
    found = overlap(logged, odds)
    assert (found.n, found.unsupported, found.untried) == (200, 0.0, ())
    assert found.effective_n == pytest.approx(40) and "are worth 40" in found.sentence
    thin = overlap(*log_of(200, 0.05))
    assert thin.is_enough and "Thin overlap" in thin.sentence


def test_where_the_log_never_went_nothing_is_estimated() -> None:
    logged, _ = log_of(100, 0.0)
    odds = logged.share_of("b")
    assert overlap(logged, odds).unsupported == 1
    assert all(each.other.value is None and each.logged.value is not None for each in compared(logged, odds))


def test_what_is_not_known_of_a_call_is_left_out_and_counted() -> None:
    logged, odds = log_of(100)
    logged.cost_usd[:40] = np.nan
    cost, latency, _ = compared(logged, odds)
    assert (cost.logged.n, latency.logged.n) == (60, 100)


def test_quality_is_the_judged_difference_where_the_policy_goes() -> None:
    logged, odds = log_of(200)
    column = logged.options.index("b")
    judged = [Judged(row, column, 0.1 if row % 2 else -0.3) for row in range(100)]
    found = quality(logged, odds, judged, "a")
    assert found.other.value == pytest.approx(-0.1) and found.other.n == 100
    assert found.logged.value == pytest.approx(-0.02)
    assert found.difference.value == pytest.approx(-0.08)
    assert found.other.low < -0.1 < found.other.high < 0  # type: ignore[operator]


def test_quality_is_unknown_where_too_little_was_judged() -> None:
    logged, odds = log_of(200)
    few = [Judged(row, logged.options.index("b"), 0.1) for row in range(20)]
    found = quality(logged, odds, few, "a")
    assert found.other.value is None and found.logged.value is None and found.other.n == 20


def test_a_trace_of_unjudged_traffic_widens_the_interval_by_the_worst_it_could_do() -> None:
    logged, _ = log_of(200, 0.01)
    found = quality(logged, logged.chances, [], "a").logged
    assert found.value == 0 and (found.low, found.high) == (pytest.approx(-0.01), pytest.approx(0.01))


def test_a_judged_answer_counts_by_the_chance_it_had() -> None:
    logged, odds = log_of(200)
    column = logged.options.index("b")
    rare = [Judged(row, column, 0.5, weight=4.0) for row in range(40)]
    often = [Judged(row, column, 0.0, weight=1.0) for row in range(40, 80)]
    assert quality(logged, odds, rare + often, "a").other.value == pytest.approx(0.4)
