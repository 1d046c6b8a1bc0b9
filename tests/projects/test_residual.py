"""Where a residual comes from: what fits the figures is said to fit, and nothing is claimed that does not."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netra.prices import Rates, cost_usd
from netra.tokens import Tokens
from projects.residual import Case, explained, share

# 1 USD a million in, a tenth of it for cached input, 4 USD out; batches at half.
HALF = Rates(input=Decimal("0.0000005"), output=Decimal("0.000002"), cache_read=Decimal("0.00000005"))
RATES = Rates(
    input=Decimal("0.000001"), output=Decimal("0.000004"), cache_read=Decimal("0.0000001"), services={"batch": HALF}
)
TOKENS = Tokens(input_fresh=1000, cache_read=2000, output_visible=300, reasoning=200)
# 1000 × 1e-6 + 2000 × 1e-7 + 500 × 4e-6
COMPUTED = Decimal("0.0032")


def case(recorded: Any, **fields: Any) -> Case:
    known: dict[str, Any] = {"computed_usd": COMPUTED, "tokens": TOKENS, "rates": RATES}
    return Case(recorded_usd=None if recorded is None else Decimal(recorded), **known | fields)


def codes(of: Case) -> set[str]:
    return {each.code for each in explained(of)}


def test_the_worked_example_is_worked_right() -> None:
    assert cost_usd(TOKENS, RATES) == COMPUTED


def test_equal_figures_need_no_explanation() -> None:
    assert explained(case("0.003200")) == []


@pytest.mark.parametrize(
    ("recorded", "code"),
    [
        ("0.003", "rounding"),
        ("0.005", "cache_at_full_price"),  # 3000 × 1e-6 + 500 × 4e-6
        ("0.0052", "cache_twice"),
        ("0.0030", "rounding"),
        ("0.0024", "without_reasoning"),
        ("0.004", "reasoning_twice"),
        ("0.0016", "batch_price"),
        ("0.0012", "input_only"),
        ("0.32", "cents"),
        ("0.000032", "cents"),
    ],
)
def test_each_known_way_of_counting_otherwise_is_recognised(recorded: str, code: str) -> None:
    (first, *_) = explained(case(recorded))
    assert (first.code, first.is_exact) == (code, True)


def test_cached_input_for_nothing_is_recognised() -> None:
    assert "cache_for_nothing" in codes(case("0.003000001"))


def test_a_batch_at_the_full_price_is_recognised() -> None:
    half = case("0.0032", computed_usd=Decimal("0.0016"), flags=frozenset({"batch"}))
    assert codes(half) == {"batch_at_full_price"}


def test_the_other_model_s_price_is_recognised_and_named() -> None:
    (only,) = explained(case("0.00911", other_usd=Decimal("0.00911"), other_model="m-large"))
    assert only.code == "other_model"
    assert "m-large" in only.sentence


def test_another_count_of_the_recorder_is_recognised() -> None:
    assert codes(case("0.00041", their_tokens=Tokens(input_fresh=10, output_visible=100))) == {"other_count"}


def test_without_a_fit_only_possibilities_are_named() -> None:
    found = explained(case("0.0077", is_assumed=True, has_media=True, flags=frozenset({"usage_mismatch", "retried"})))
    assert {each.code for each in found} >= {"estimated", "assumed_price", "media", "retried", "agreed_elsewhere"}
    assert not any(each.is_exact for each in found)


def test_buckets_nobody_reported_are_named() -> None:
    bare = replace(TOKENS, cache_read=None, reasoning=None)
    assert "unknown_buckets" in codes(case("0.0077", tokens=bare))


@pytest.mark.parametrize(
    ("flags", "code"),
    [({"cost_unknown"}, "recorded_zero"), ({"cost_currency_unknown"}, "currency"), (set(), "not_recorded")],
)
def test_a_cost_that_was_not_recorded_says_why(flags: set[str], code: str) -> None:
    assert codes(case(None, flags=frozenset(flags))) == {code}


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"tokens": Tokens()}, "no_usage"),
        ({"rates": None}, "price_unknown"),
        ({"tokens": Tokens(input_fresh=-5, output_visible=1)}, "negative"),
        ({"tokens": replace(TOKENS, audio_in=5)}, "bucket_unknown"),
        ({"rates": replace(RATES, services={}), "flags": frozenset({"batch"})}, "batch_unknown"),
        ({"relisted_usd": Decimal(1)}, "listed_since"),
    ],
)
def test_a_cost_that_was_not_recomputed_says_why(fields: dict[str, Any], code: str) -> None:
    assert code in codes(case("0.1", computed_usd=None, **fields))


def test_the_share_is_of_the_recorded_cost_and_unknown_without_one() -> None:
    assert share(case("0.0064")) == Decimal("0.5")
    assert share(case(None)) is share(case("0")) is None


money = st.one_of(st.none(), st.decimals(min_value=0, max_value=100_000, places=12))
counts = st.one_of(st.none(), st.integers(-5, 10**9))


@settings(deadline=None)
@given(money, money, counts, counts, counts, st.sets(st.sampled_from(["batch", "retried", "usage_mismatch"])))
def test_every_gap_has_an_explanation(
    recorded: Any, computed: Any, fresh: Any, read: Any, out: Any, flags: Any
) -> None:
    tokens = Tokens(input_fresh=fresh, cache_read=read, output_visible=out)
    one = Case(recorded, computed, tokens, flags=frozenset(flags), rates=RATES)
    if recorded is None or (computed is not None and recorded != computed):
        assert explained(one)
