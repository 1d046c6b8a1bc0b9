"""Decisions from pairs: what is found, what is refused, what stays open; and the same bytes every time."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluation.calibration import JudgeTrust
from evaluation.decision import Lane, Pair, Plan, closed_mean, decide
from evaluation.statistics import Estimate

OLD, NEW = Decimal("0.010"), Decimal("0.004")


def plan(*candidates: str, **fields: Any) -> Plan:
    given: dict[str, Any] = {"population_size": 2000, "max_pairs": 400, "margin_quality": 0.05}
    return Plan(candidates=candidates or ("new",), **given | fields)


def pairs(n: int, *, gain: float = 0.0, seed: int = 0, cost: Decimal | None = NEW, **lane: Any) -> list[Pair]:
    """Scores around 0.7 with a shared difficulty; the candidate's are `gain` better on average."""
    dice = np.random.default_rng(seed)
    base = dice.normal(0.7, 0.15, n)
    old = np.clip(base + dice.normal(0, 0.05, n), 0, 1)
    new = np.clip(base + gain + dice.normal(0, 0.05, n), 0, 1)
    return [
        Pair(
            at,
            "all",
            Lane(quality=float(old[at]), safety=1.0, refused=False, latency_ms=900.0, cost_usd=OLD),
            Lane(
                **{
                    "quality": float(new[at]),
                    "safety": 1.0,
                    "refused": False,
                    "latency_ms": 500.0,
                    "cost_usd": cost,
                    **lane,
                }
            ),
        )
        for at in range(n)
    ]


def test_an_equal_and_cheaper_candidate_is_found() -> None:
    decision = decide(plan(), {"new": pairs(300)})
    assert (decision.verdict, decision.candidate) == ("SWITCH", "new")
    assert decision.findings[0].status == "passed"
    assert decision.findings[0].e_closed >= 20


def test_a_worse_candidate_means_keep() -> None:
    decision = decide(plan(), {"new": pairs(300, gain=-0.25)})
    assert decision.verdict == "KEEP"
    assert [reason.code for reason in decision.reasons] == ["all_inferior"]


def test_a_good_candidate_that_saves_nothing_is_no_reason_to_switch() -> None:
    decision = decide(plan(), {"new": pairs(300, cost=OLD)})
    assert decision.verdict == "KEEP"
    assert not decision.findings[0].gates[-1].is_passed


def test_few_pairs_leave_it_open_and_no_more_pairs_end_it() -> None:
    few = {"new": pairs(25, gain=-0.04)}
    assert decide(plan(), few).verdict is None
    ended = decide(plan(), few, more_available=False, spent_usd=Decimal("0.50"))
    assert ended.verdict == "NO_RECOMMENDATION"
    assert ended.reasons[0].code == "undecided_at_budget"


def test_nothing_at_all_is_undecided_with_unknown_numbers() -> None:
    decision = decide(plan(), {})
    quality = decision.findings[0].gates[0]
    assert decision.verdict is None
    assert (quality.estimate, quality.low, quality.high, quality.n) == (None, None, None, 0)


@pytest.mark.parametrize("n", [1, 2, 3])
def test_one_two_three_pairs_claim_nothing(n: int) -> None:
    decision = decide(plan(), {"new": pairs(n, gain=0.3)})
    assert decision.verdict is None
    assert decision.findings[0].status == "undecided"


def test_too_small_a_population_is_said_at_once() -> None:
    decision = decide(plan(population_size=12), {})
    assert (decision.verdict, decision.reasons[0].code) == ("NO_RECOMMENDATION", "too_few_replayable")


@pytest.mark.parametrize(
    ("circumstance", "code"),
    [({"drift_active": True}, "drift_active"), ({"population_changed": True}, "population_changed")],
)
def test_circumstances_bar_a_verdict(circumstance: dict[str, Any], code: str) -> None:
    decision = decide(plan(), {"new": pairs(300)}, **circumstance)
    assert (decision.verdict, decision.reasons[0].code) == ("NO_RECOMMENDATION", code)


def test_an_unsafe_candidate_is_blocked_however_good() -> None:
    decision = decide(plan(), {"new": pairs(300, gain=0.1, safety=0.2)})
    assert decision.findings[0].status == "blocked"
    assert (decision.verdict, decision.reasons[0].code) == ("NO_RECOMMENDATION", "no_feasible_candidate")


def test_refusals_and_errors_have_gates_of_their_own() -> None:
    refusing = decide(plan(), {"new": pairs(300, refused=True)})
    failing = decide(plan(), {"new": pairs(300, failed=True, quality=None, safety=None)})
    assert next(gate for gate in refusing.findings[0].gates if gate.name == "refusals").is_failed
    assert next(gate for gate in failing.findings[0].gates if gate.name == "errors").is_failed
    assert refusing.verdict != "SWITCH" != failing.verdict


def test_latency_over_its_limit_blocks() -> None:
    decision = decide(plan(latency_slo_ms=400.0), {"new": pairs(300)})
    assert next(gate for gate in decision.findings[0].gates if gate.name == "latency").is_failed


def test_unscored_pairs_are_counted_and_bounded() -> None:
    some = [
        replace(pair, candidate=replace(pair.candidate, quality=None)) if pair.position % 3 == 0 else pair
        for pair in pairs(300)
    ]
    decision = decide(plan(), {"new": some}, more_available=False)
    quality = decision.findings[0].gates[0]
    assert quality.n_unscored == 100
    assert quality.worst_low is not None
    assert quality.estimate is not None
    assert quality.worst_low < quality.estimate - 0.3
    assert decision.verdict == "NO_RECOMMENDATION"
    assert "too_many_unscored" in {reason.code for reason in decision.reasons}


def test_an_unknown_price_is_a_reason_not_a_zero() -> None:
    decision = decide(plan(), {"new": pairs(300, cost=None)}, more_available=False)
    assert decision.verdict == "NO_RECOMMENDATION"
    assert "price_unknown" in {reason.code for reason in decision.reasons}


@pytest.mark.parametrize(
    ("trust", "code"),
    [
        (JudgeTrust(flips=Estimate(0.6, 0.5, 0.7, 80)), "judge_unreliable"),
        (JudgeTrust(agreement=0.1), "judges_disagree"),
    ],
)
def test_judges_that_cannot_be_trusted_stop_a_switch(trust: JudgeTrust, code: str) -> None:
    decision = decide(plan(), {"new": pairs(300)}, judge_trust=trust)
    assert (decision.verdict, decision.reasons[0].code) == ("NO_RECOMMENDATION", code)


def test_labels_that_contradict_the_judge_stop_a_switch() -> None:
    trust = JudgeTrust(n_labels=40, corrected={"new": Estimate(-0.10, -0.20, 0.0, 40)})
    decision = decide(plan(), {"new": pairs(300)}, judge_trust=trust, more_available=False)
    assert decision.verdict == "NO_RECOMMENDATION"
    assert decision.findings[0].gates[0].estimate == -0.10


def test_the_cheapest_of_those_that_pass_is_chosen() -> None:
    given = {"a": pairs(400, seed=1), "b": pairs(400, seed=1, cost=Decimal("0.001"))}
    decision = decide(plan("a", "b"), given)
    assert (decision.verdict, decision.candidate) == ("SWITCH", "b")


def test_a_gap_in_the_order_ends_the_sample() -> None:
    given = [pair for pair in pairs(300) if pair.position != 40]
    assert decide(plan(), {"new": given}).n_pairs == 40


def test_the_order_in_which_pairs_arrive_is_no_matter() -> None:
    given = pairs(150)
    forwards, backwards = (decide(plan(), {"new": each}).to_dict() for each in (given, given[::-1]))
    assert json.dumps(forwards) == json.dumps(backwards)


def test_plan_and_pairs_survive_json_and_give_the_same_decision() -> None:
    asked, given = plan(covariate_means=(1.5, 2.0)), pairs(120, gain=0.01)
    stored = json.loads(json.dumps({"plan": asked.to_dict(), "pairs": [pair.to_dict() for pair in given]}))
    again = decide(Plan.from_dict(stored["plan"]), {"new": [Pair.from_dict(pair) for pair in stored["pairs"]]})
    assert json.dumps(again.to_dict()) == json.dumps(decide(asked, {"new": given}).to_dict())


def test_no_number_in_a_decision_is_nan() -> None:
    text = json.dumps(decide(plan(), {"new": pairs(60, quality=None)}).to_dict())
    assert "NaN" not in text
    assert "Infinity" not in text


@pytest.mark.parametrize(
    ("values", "place", "expected"), [([40.0], 0, 40.0), ([40.0, 0.0], 0, 20.0), ([40.0, 60.0], 0, 40.0)]
)
def test_closed_mean_by_hand(values: list[float], place: int, expected: float) -> None:
    """Sets holding the first: {40} → 40; with 0 → (40 + 0)/2 = 20; with 60 the smallest is {40} itself."""
    assert closed_mean(values, place) == expected


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=6))
def test_closing_never_adds_evidence_and_never_loses_more_than_splitting(values: list[float]) -> None:
    for place, value in enumerate(values):
        closed = closed_mean(values, place)
        assert value / len(values) - 1e-9 <= closed <= value


def test_a_candidate_at_the_margin_is_rarely_taken_though_looked_at_all_the_time() -> None:
    """True difference −margin: at α = 5 % at most 10 of 100 runs may err beyond chance (P(X > 10) < 1 %)."""
    wrong = 0
    for seed in range(100):
        given = pairs(160, gain=-0.05, seed=seed)
        verdicts = (decide(plan(max_pairs=160), {"new": given[:n]}).verdict for n in range(20, 161, 20))
        wrong += any(verdict == "SWITCH" for verdict in verdicts)
    assert wrong <= 10
