"""What tokens cost: exact to the last digit, unknown rather than wrong, and the dearest way never below any other."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netra import prices
from netra.errors import Invalid
from netra.prices import Rates, Tier, cost_usd, parts, per_million, price, rates_as_json, rates_from_json
from netra.tokens import BUCKETS, Tokens

rates_of_a_token = st.decimals(min_value=0, max_value=1, places=12)
rates = st.builds(Rates, **dict.fromkeys(prices.TOKEN_RATES, rates_of_a_token))
counts = st.builds(Tokens, **{name: st.integers(0, 10**9) for name in BUCKETS})
some_rates = st.builds(Rates, **{name: st.none() | rates_of_a_token for name in prices.TOKEN_RATES})
some_counts = st.builds(Tokens, **{name: st.none() | st.integers(-5, 10**9) for name in BUCKETS})
A_TOKEN = Decimal("0.000001")


@given(counts, rates)
def test_the_whole_is_the_sum_of_its_parts(tokens: Tokens, held: Rates) -> None:
    whole = cost_usd(tokens, held)
    assert whole == sum((part.usd for part in parts(tokens, held) if part.usd is not None), Decimal(0))


@given(some_counts, some_rates)
def test_a_known_cost_has_no_unknown_part(tokens: Tokens, held: Rates) -> None:
    found = parts(tokens, held)
    if cost_usd(tokens, held) is not None:
        assert all(part.usd is not None for part in found if part.count)
        assert all(part.count is None or part.count >= 0 for part in found)


@given(counts, counts, rates)
def test_two_calls_cost_what_each_costs(one: Tokens, other: Tokens, held: Rates) -> None:
    both = Tokens(**{name: getattr(one, name) + getattr(other, name) for name in BUCKETS})
    assert cost_usd(both, held) == (cost_usd(one, held) or 0) + (cost_usd(other, held) or 0)


@given(counts, rates)
def test_no_call_costs_more_than_the_worst_case(tokens: Tokens, held: Rates) -> None:
    """Budgets hold by it before the call is made."""
    highest = (held.highest_input() or 0) * (tokens.input_total or 0)
    highest += (held.highest_output() or 0) * (tokens.output_total or 0)
    assert (cost_usd(tokens, held) or 0) <= highest


@given(rates, rates, st.integers(0, 10**6), counts)
def test_nor_does_one_that_reaches_a_dearer_tier(plain: Rates, above: Rates, edge: int, tokens: Tokens) -> None:
    held = _tiered(plain, above, edge)
    highest = (held.highest_input() or 0) * (tokens.input_total or 0)
    highest += (held.highest_output() or 0) * (tokens.output_total or 0)
    assert (cost_usd(tokens, held) or 0) <= highest


def _tiered(plain: Rates, above: Rates, edge: int) -> Rates:
    named = {name: plain.of(name) for name in prices.TOKEN_RATES}
    return Rates(**named, tiers=(Tier(edge, above),))


@pytest.mark.parametrize(("n_input", "usd"), [(0, "0"), (1_000, "0.001"), (1_001, "0.002002")])
def test_a_tier_begins_above_its_edge_and_holds_for_the_whole_call(n_input: int, usd: str) -> None:
    held = Rates(input=A_TOKEN, output=A_TOKEN, tiers=(Tier(1_000, Rates(input=2 * A_TOKEN, output=A_TOKEN)),))
    assert cost_usd(Tokens(input_fresh=n_input, output_visible=0), held) == Decimal(usd)


@pytest.mark.parametrize(
    ("tokens", "held"),
    [
        (Tokens(), Rates(input=A_TOKEN, output=A_TOKEN)),
        (Tokens(input_fresh=5), Rates(input=A_TOKEN, output=A_TOKEN)),
        (Tokens(output_visible=5), Rates(input=A_TOKEN, output=A_TOKEN)),
        (Tokens(input_fresh=5, output_visible=5), Rates(input=A_TOKEN)),
        (Tokens(input_fresh=5, output_visible=5, cache_read=1), Rates(input=A_TOKEN, output=A_TOKEN)),
        (Tokens(input_fresh=-1, output_visible=5), Rates(input=A_TOKEN, output=A_TOKEN)),
        (Tokens(input_fresh=5, output_visible=5, audio_out=1), Rates(input=A_TOKEN, output=A_TOKEN)),
    ],
    ids=["nothing counted", "no output", "no input", "no rate", "no rate for a part", "negative", "no rate for sound"],
)
def test_what_is_not_known_is_not_zero(tokens: Tokens, held: Rates) -> None:
    assert cost_usd(tokens, held) is None


@pytest.mark.parametrize(
    ("tokens", "held", "usd"),
    [
        (Tokens(input_fresh=0, output_visible=0), Rates(input=A_TOKEN, output=A_TOKEN), "0"),
        (Tokens(input_fresh=5), Rates(input=A_TOKEN, output=Decimal(0)), "0.000005"),
        (Tokens(input_fresh=0, output_visible=0, cache_read=0), Rates(input=A_TOKEN, output=A_TOKEN), "0"),
        (Tokens(input_fresh=0, output_visible=0, reasoning=3), Rates(input=A_TOKEN, output=A_TOKEN), "0.000003"),
    ],
    ids=["nothing used", "free output", "an unused part without a rate", "reasoning costs what output costs"],
)
def test_what_is_known_is_exact(tokens: Tokens, held: Rates, usd: str) -> None:
    assert cost_usd(tokens, held) == Decimal(usd)


def test_another_service_has_its_own_rates_or_none() -> None:
    held = Rates(input=A_TOKEN, output=A_TOKEN, services={"batch": Rates(input=A_TOKEN / 2, output=A_TOKEN / 2)})
    tokens = Tokens(input_fresh=10, output_visible=10)
    assert cost_usd(tokens, held, batch=True) == cost_usd(tokens, held, service="batch") == Decimal("0.00001")
    assert cost_usd(tokens, held, service="priority") is None
    assert {cost_usd(tokens, held, service=name) for name in (None, "", "auto", "default")} == {Decimal("0.00002")}


@given(some_rates, st.lists(st.tuples(st.integers(0, 10**6), some_rates), max_size=3), st.none() | some_rates)
def test_rates_come_back_from_json_as_they_were(
    plain: Rates, above: list[tuple[int, Rates]], batch: Rates | None
) -> None:
    tiers = tuple(sorted((Tier(edge, held) for edge, held in above), key=lambda tier: tier.above_tokens))
    named = {name: getattr(plain, name) for name in prices.TOKEN_RATES}
    held = Rates(**named, tiers=tiers, services={"batch": batch} if batch else {})
    assert rates_from_json(rates_as_json(held)) == held


@pytest.mark.parametrize("text", ["", "free", "-0.1", "NaN", "sNaN", "Infinity", "1e5", "2", None, True, [], {}, "٠x"])
def test_what_is_no_price_of_a_token_is_refused_at_its_field(text: Any) -> None:
    with pytest.raises(Invalid) as caught:
        price(text, field="output")
    assert caught.value.field == "output"
    assert len(str(caught.value)) < 200


@given(st.decimals(min_value=0, max_value=1_000_000, places=6))
def test_a_price_per_million_is_a_millionth_of_it(usd: Decimal) -> None:
    assert per_million(str(usd)) * 1_000_000 == usd


@pytest.mark.parametrize(
    ("told", "field"),
    [
        ({"inptu": "1"}, "inptu"),
        ({"input": "x" * 5_000}, "input"),
        ({"tiers": [{"input": "0"}]}, "tiers"),
        ({"tiers": [{"above_tokens": True, "input": "0"}]}, "tiers"),
        ({"tiers": [{"above_tokens": -1}]}, "tiers"),
        ({"tiers": ["1000"]}, "tiers"),
        ({"tiers": [{"above_tokens": 1, "tiers": []}]}, "tiers"),
        ({"tiers": [{"above_tokens": 1, "output": "-1"}]}, "output"),
        ({"services": {"batch": {"output": "5"}}}, "output"),
    ],
)
def test_spoilt_rates_name_the_field(told: dict[str, Any], field: str) -> None:
    with pytest.raises(Invalid) as caught:
        rates_from_json(told)
    assert caught.value.field == field
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    "told", [{"tiers": 5}, {"tiers": {"a": 1}}, {"services": {"batch": 5}}, {"services": ["batch"]}, {"tiers": "x"}]
)
def test_rates_of_the_wrong_shape_are_refused_too(told: dict[str, Any]) -> None:
    with pytest.raises(Invalid):
        rates_from_json(told)
