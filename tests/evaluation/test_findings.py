"""What a decision says of itself: p-values from e-values, look-ups by name, and the same bytes everywhere."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluation.findings import SIGNIFICANT_DIGITS, Decision, Finding, Gate, Reason


def gate(name: str = "quality", **fields: Any) -> Gate:
    given_: dict[str, Any] = {
        "estimate": 0.01,
        "low": -0.03,
        "high": 0.05,
        "worst_low": -0.1,
        "worst_high": 0.1,
        "limit": -0.02,
        "n": 100,
        "n_unscored": 2,
        "e_value": 20.0,
        "e_against": 0.1,
        "is_passed": True,
        "is_failed": False,
        "is_futile": False,
    }
    return Gate(name, **given_ | fields)


def finding(candidate: str = "new", *gates: Gate, **fields: Any) -> Finding:
    given_: dict[str, Any] = {
        "n": 100,
        "e_value": 20.0,
        "e_closed": 20.0,
        "confidence": 0.95,
        "mean_cost_usd": Decimal("0.004"),
        "incumbent_cost_usd": Decimal("0.010"),
        "mean_latency_ms": 500.0,
        "incumbent_latency_ms": 900.0,
        "trajectory": ((1, 1.0), (2, 1.5)),
        "influential": (3, 1),
    }
    return Finding(candidate, "passed", gates or (gate(), gate("saving")), **given_ | fields)


def decision(*findings: Finding, **fields: Any) -> Decision:
    given_: dict[str, Any] = {"reasons": (), "n_pairs": 100, "alpha": 0.05}
    return Decision("SWITCH", "new", findings or (finding(),), **given_ | fields)


@pytest.mark.parametrize(
    ("e_value", "p", "confidence"),
    [
        (20.0, 0.05, 0.95),
        (100.0, 0.01, 0.99),
        (1.0, 1.0, 0.0),
        (0.5, 1.0, 0.0),  # a p-value is at most one
        (0.0, 1.0, 0.0),
        (1e12, 1e-12, 1.0),
    ],
)
def test_the_p_value_of_evidence_by_hand(e_value: float, p: float, confidence: float) -> None:
    found = gate(e_value=e_value)
    assert (found.p_anytime, found.confidence) == pytest.approx((p, confidence))


@given(st.floats(0, 1e300))
def test_a_p_value_is_a_probability_whatever_the_evidence(e_value: float) -> None:
    assert 0 <= gate(e_value=e_value).p_anytime <= 1


@given(st.floats(0, 1e12), st.floats(0, 1e12))
def test_more_evidence_never_means_less_confidence(one: float, other: float) -> None:
    less, more = sorted((one, other))
    assert gate(e_value=more).confidence >= gate(e_value=less).confidence


def test_gates_are_found_by_name_and_others_are_none() -> None:
    found = finding("new", gate("quality"), gate("saving", limit=0.1))
    assert found.gate("saving") == gate("saving", limit=0.1)
    assert [found.gate(name) for name in ("cost", "", "Quality")] == [None] * 3


def test_findings_are_found_by_candidate_and_others_are_none() -> None:
    made = decision(finding("a"), finding("b", n=7))
    assert made.finding("b") == finding("b", n=7)
    assert made.finding("c") is None


def test_the_decision_in_plain_values_is_json() -> None:
    told = decision().to_dict()
    assert json.loads(json.dumps(told, allow_nan=False)) == told


def test_every_field_is_told_by_its_name() -> None:
    told = decision(reasons=(Reason("code", "Sentence.", "Remedy.", "new", Decimal("1.5")),)).to_dict()
    assert set(told) == {"verdict", "candidate", "findings", "reasons", "n_pairs", "alpha"}
    assert told["reasons"][0] == {
        "code": "code",
        "sentence": "Sentence.",
        "remedy": "Remedy.",
        "candidate": "new",
        "cost_usd": "1.5",
    }


def test_trajectory_and_influential_pairs_are_lists() -> None:
    told = decision().to_dict()["findings"][0]
    assert (told["trajectory"], told["influential"]) == ([[1, 1.0], [2, 1.5]], [3, 1])


def test_money_is_text_with_every_digit_and_floats_have_ten() -> None:
    told = decision(finding(mean_cost_usd=Decimal("0.000000000001"), mean_latency_ms=1 / 3)).to_dict()["findings"][0]
    assert told["mean_cost_usd"] == "1E-12"
    assert told["mean_latency_ms"] == 0.3333333333


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_is_unknown(value: float) -> None:
    told = decision(finding("new", gate(estimate=value, e_value=value))).to_dict()["findings"][0]["gates"][0]
    assert (told["estimate"], told["e_value"]) == (None, None)


@given(st.floats(1e-6, 1e6), st.integers(-3, 3))
def test_the_last_bits_of_a_processor_are_not_told(value: float, bits: int) -> None:
    """Two values that differ in the last bits differ in nothing that is told, but at the edge between two roundings."""
    near = value
    for _ in range(abs(bits)):
        near = math.nextafter(near, math.inf if bits > 0 else 0)
    one, other = (decision(finding(mean_latency_ms=each)).to_dict() for each in (value, near))
    told, also = one["findings"][0]["mean_latency_ms"], other["findings"][0]["mean_latency_ms"]
    assert told == also or abs(told - also) <= 1.01 * 10 ** (math.floor(math.log10(value)) + 1 - SIGNIFICANT_DIGITS)


def test_telling_changes_nothing() -> None:
    made = decision()
    before = replace(made)
    made.to_dict()["findings"].clear()
    assert made == before and made.findings


@pytest.mark.parametrize("verdict", [None, "SWITCH", "KEEP", "NO_RECOMMENDATION"])
def test_the_verdict_is_told_as_it_is(verdict: Any) -> None:
    assert replace(decision(), verdict=verdict).to_dict()["verdict"] == verdict
