"""What tokens cost, against sums worked by hand."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netra.errors import Invalid
from netra.prices import Rates, Tier, cost_usd, per_million, rates_as_json, rates_from_json
from netra.tokens import BUCKETS, Tokens

D = Decimal
PLAIN = Rates(input=D("0.0000025"), output=D("0.00001"), cache_read=D("0.00000125"))
prices = st.decimals(min_value=0, max_value=1, places=12)
counts = st.integers(min_value=0, max_value=10**7)


def test_input_and_output() -> None:
    # 1,000 × 2.5 µ$ + 200 × 10 µ$ = 2,500 + 2,000 µ$
    assert cost_usd(Tokens(input_fresh=1000, output_visible=200), PLAIN) == D("0.0045")


def test_cached_input_has_its_own_price() -> None:
    # 200 × 2.5 + 800 × 1.25 + 10 × 10 = 500 + 1,000 + 100 µ$
    assert cost_usd(Tokens(input_fresh=200, cache_read=800, output_visible=10), PLAIN) == D("0.0016")


def test_cache_writes_of_both_lifetimes() -> None:
    rates = Rates(input=D(3), output=D(15), cache_write_5m=D("3.75"), cache_write_1h=D(6))
    tokens = Tokens(input_fresh=1, cache_write_5m=2, cache_write_1h=3, output_visible=0)
    assert cost_usd(tokens, rates) == D("28.50")  # 3 + 7.5 + 18


def test_reasoning_costs_what_output_costs_unless_priced() -> None:
    tokens = Tokens(input_fresh=0, output_visible=10, reasoning=30)
    assert cost_usd(tokens, Rates(input=D(1), output=D(2))) == 80
    assert cost_usd(tokens, Rates(input=D(1), output=D(2), reasoning=D(3))) == 110


def test_audio_both_ways() -> None:
    rates = Rates(input=D(1), output=D(2), audio_in=D(10), audio_out=D(20))
    assert cost_usd(Tokens(input_fresh=1, audio_in=2, output_visible=3, audio_out=4), rates) == 1 + 20 + 6 + 80


def test_a_price_per_image_where_one_is_stated() -> None:
    tokens = Tokens(input_fresh=1, output_visible=1)
    assert cost_usd(tokens, Rates(input=D(1), output=D(1), image=D(5)), images=2) == 12
    assert cost_usd(tokens, Rates(input=D(1), output=D(1)), images=2) == 2


@pytest.mark.parametrize(
    "tokens",
    [
        Tokens(),
        Tokens(input_fresh=5),
        Tokens(output_visible=5),
        Tokens(input_fresh=-1, output_visible=5),
        Tokens(input_fresh=1, output_visible=5, reasoning=-2),
        Tokens(input_fresh=1, output_visible=1, cache_write_1h=1),
        Tokens(input_fresh=1, output_visible=1, audio_in=1),
    ],
)
def test_what_is_missing_negative_or_unpriced_leaves_the_cost_unknown(tokens: Tokens) -> None:
    assert cost_usd(tokens, PLAIN) is None


def test_unknown_rates_leave_the_cost_unknown() -> None:
    assert cost_usd(Tokens(input_fresh=1, output_visible=1), Rates()) is None


def test_nothing_used_of_an_unpriced_kind_is_no_obstacle() -> None:
    tokens = Tokens(input_fresh=1000, output_visible=0, cache_write_5m=0, audio_in=0, reasoning=0)
    assert cost_usd(tokens, PLAIN) == D("0.0025")


def test_an_unknown_number_of_free_tokens_is_free() -> None:
    embedding = Rates(input=D("0.00000002"), output=D(0))
    assert cost_usd(Tokens(input_fresh=1000), embedding) == D("0.00002")


TIERED = Rates(input=D(1), output=D(2), tiers=(Tier(100, Rates(input=D(3), output=D(5))), Tier(500, Rates(input=D(7)))))


@pytest.mark.parametrize(
    ("n_input", "expected"),
    [(100, 100 + 20), (101, 303 + 50), (500, 1500 + 50)],
)
def test_a_tier_prices_the_whole_call_from_above_its_threshold(n_input: int, expected: int) -> None:
    assert cost_usd(Tokens(input_fresh=n_input, output_visible=10), TIERED) == expected


def test_cached_input_counts_towards_the_tier() -> None:
    rates = Rates(input=D(1), output=D(0), cache_read=D(1), tiers=(Tier(100, Rates(D(3), D(0), D(2))),))
    assert cost_usd(Tokens(input_fresh=1, cache_read=100, output_visible=0), rates) == 3 + 200


def test_a_tier_with_an_unknown_price_leaves_the_cost_unknown() -> None:
    assert cost_usd(Tokens(input_fresh=501, output_visible=1), TIERED) is None


SERVED = Rates(input=D(4), output=D(8), cache_read=D(2), services={"batch": Rates(input=D(2), output=D(4))})


def test_batch_and_other_services_have_their_own_prices() -> None:
    tokens = Tokens(input_fresh=1, output_visible=1)
    assert cost_usd(tokens, SERVED) == 12
    assert cost_usd(tokens, SERVED, batch=True) == 6
    assert cost_usd(tokens, SERVED, service="default") == 12


def test_a_service_without_a_price_is_unknown_rather_than_ordinary() -> None:
    assert cost_usd(Tokens(input_fresh=1, output_visible=1), SERVED, service="priority") is None
    assert cost_usd(Tokens(input_fresh=1, output_visible=1, cache_read=1), SERVED, batch=True) is None


@given(st.builds(Tokens, **dict.fromkeys(BUCKETS, counts)), st.tuples(*[prices] * 8))
def test_cost_is_the_exact_sum_and_never_above_the_bound(tokens: Tokens, eight: tuple[Decimal, ...]) -> None:
    rates = Rates(*eight)
    total = cost_usd(tokens, rates)
    by_hand = sum(getattr(tokens, bucket) * rate for bucket, rate in zip(BUCKETS_IN_RATE_ORDER, eight, strict=True))
    assert total == by_hand
    highest_input, highest_output = rates.highest_input(), rates.highest_output()
    assert highest_input is not None and highest_output is not None
    assert total <= (tokens.input_total or 0) * highest_input + (tokens.output_total or 0) * highest_output


BUCKETS_IN_RATE_ORDER = (
    "input_fresh",
    "output_visible",
    "cache_read",
    "cache_write_5m",
    "cache_write_1h",
    "reasoning",
    "audio_in",
    "audio_out",
)


def test_the_dearest_rate_looks_at_every_tier() -> None:
    rates = Rates(input=D(1), output=D(2), cache_write_5m=D(9), tiers=(Tier(10, Rates(input=D(20), output=D(30))),))
    assert rates.highest_input() == 20
    assert rates.highest_output() == 30
    assert TIERED.highest_output() is None, "a tier whose output has no price has no bound"


@given(st.lists(st.one_of(st.none(), prices), min_size=9, max_size=9), st.integers(0, 10**6))
def test_json_round_trip_is_exact(nine: list[Decimal | None], above: int) -> None:
    plain = Rates(*nine)
    rates = Rates(*nine, tiers=(Tier(above, plain),), services={"batch": plain})
    assert rates_from_json(rates_as_json(rates)) == rates


def test_json_holds_decimal_text_without_exponents() -> None:
    assert rates_as_json(Rates(input=D("3E-7"), output=D("0.0"))) == {"input": "0.0000003", "output": "0.0"}


@pytest.mark.parametrize(
    ("told", "field"),
    [
        ({"input": "abc"}, "input"),
        ({"input": "-1"}, "input"),
        ({"input": "NaN"}, "input"),
        ({"output": "Infinity"}, "output"),
        ({"input": "2.5"}, "input"),
        ({"inputs": "1"}, "inputs"),
        ({"tiers": [{"input": "0"}]}, "tiers"),
        ({"tiers": ["x"]}, "tiers"),
        ({"tiers": [{"above_tokens": 1, "services": {}}]}, "tiers"),
    ],
)
def test_a_price_that_is_none_is_refused_with_its_field(told: dict[str, object], field: str) -> None:
    with pytest.raises(Invalid) as refused:
        rates_from_json(told)
    assert refused.value.field == field


def test_prices_as_people_write_them() -> None:
    assert per_million("2.50") == D("0.0000025")
    with pytest.raises(Invalid, match="not a number"):
        per_million("free")
    with pytest.raises(Invalid, match="cannot be"):
        per_million("-3")
