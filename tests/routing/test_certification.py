"""When a rule certifies, when it withdraws, and that between the two nothing flaps."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing.certification import CERTIFIED, WITHDRAWN, Evidence, Rule, Share, judge

TODAY = date(2026, 11, 21)
RULE = Rule(margin=0.05, min_pairs=50, max_error_share=0.05, max_refusal_share=0.1, max_p95_ms=1_000)
GOOD = Evidence(
    quality=0.0,
    quality_low=-0.03,
    quality_high=0.03,
    n_pairs=120,
    errors=Share.of(1, 400),
    refusals=Share.of(2, 400),
    p95_ms=800.0,
    n_calls=399,
)


def standing(seen: Evidence, rule: Rule = RULE) -> str:
    return judge(rule, seen, today=TODAY).standing


def test_an_option_that_meets_every_limit_is_certified_with_its_figures() -> None:
    found = judge(RULE, GOOD, today=TODAY)
    assert found.standing == CERTIFIED
    assert "quality differs by +0.0 points [-3.0, +3.0] over 120 pairs" in found.reason
    assert "errors 0.2%" in found.reason and "p95 800 ms" in found.reason


@pytest.mark.parametrize(
    "changed",
    [
        {"quality": -0.3, "quality_low": -0.4, "quality_high": -0.06, "n_pairs": 12},
        {"errors": Share.of(100, 400)},
        {"refusals": Share.of(120, 400)},
        {"p95_ms": 1_251.0},
        {"ends_on": TODAY},
        {"is_barred": True},
    ],
)
def test_one_limit_that_is_clearly_broken_withdraws(changed: dict[str, Any]) -> None:
    assert standing(replace(GOOD, **changed)) == WITHDRAWN


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"quality": None, "quality_low": None, "quality_high": None}, "not judged yet"),
        ({"n_pairs": 49}, "49 of 50 pairs"),
        ({"errors": Share()}, "no calls tell of errors"),
        ({"refusals": Share()}, "no calls tell of refusals"),
        ({"p95_ms": None}, "tell of its latency"),
        ({"n_calls": 19}, "19 of 20 calls"),
    ],
)
def test_what_is_not_known_neither_certifies_nor_withdraws(changed: dict[str, Any], told: str) -> None:
    found = judge(RULE, replace(GOOD, **changed), today=TODAY)
    assert found.standing == "" and told in found.reason


@pytest.mark.parametrize(
    "changed",
    [
        {"quality_low": -0.08, "quality_high": -0.01},
        {"errors": Share.of(22, 400)},
        {"p95_ms": 1_100.0},
        {"ends_on": TODAY + timedelta(days=30)},
    ],
)
def test_between_the_two_lines_all_stays_as_it_is(changed: dict[str, Any]) -> None:
    assert standing(replace(GOOD, **changed)) == ""


def test_what_is_not_asked_for_is_not_looked_at() -> None:
    rule = Rule(margin=0.05, min_pairs=50, max_error_share=None)
    assert standing(replace(GOOD, errors=Share.of(400, 400), p95_ms=9e9), rule) == CERTIFIED


def test_an_option_that_ends_long_after_is_certified() -> None:
    assert standing(replace(GOOD, ends_on=TODAY + timedelta(days=31))) == CERTIFIED


@given(st.integers(0, 300), st.integers(0, 300))
def test_a_share_lies_inside_its_interval(one: int, other: int) -> None:
    such, n = min(one, other), max(one, other)
    found = Share.of(such, n)
    if n == 0:
        assert found == Share()
    else:
        assert 0 <= found.low <= such / n <= found.high <= 1 and found.n == n


@given(st.floats(-1, 1), st.floats(0, 1), st.integers(0, 500), st.integers(0, 200), st.integers(1, 200))
def test_no_evidence_both_certifies_and_withdraws(mean: float, half: float, n: int, failed: int, calls: int) -> None:
    """A certificate needs every limit met; moving one bound worse never turns a withdrawal into a certificate."""
    seen = replace(GOOD, quality=mean, quality_low=max(-1, mean - half), quality_high=min(1, mean + half), n_pairs=n)
    seen = replace(seen, errors=Share.of(min(failed, calls), calls))
    worse = replace(seen, errors=Share.of(calls, calls))
    if standing(seen) == WITHDRAWN:
        assert standing(worse) == WITHDRAWN
    if standing(worse) == CERTIFIED:
        assert standing(seen) == CERTIFIED
