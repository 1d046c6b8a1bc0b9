"""Forecasts: at most is never passed, unknown prices stay unknown, and larger budgets show smaller differences."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from evaluation.planning import Forecast, PairPrice, forecast, mean_price

PRICE = PairPrice(Decimal("0.01"), Decimal("0.05"))


def ask(price: PairPrice = PRICE, **fields: Any) -> Forecast:
    given_: dict[str, Any] = {
        "budget_usd": Decimal(5),
        "max_pairs": 400,
        "population_size": 2000,
        "margin": 0.05,
        "alpha": 0.05,
        "n_candidates": 1,
    }
    return forecast(price, **given_ | fields)


def test_the_budget_decides_how_many_pairs() -> None:
    """5 USD at 0.01 likely pays for 500, of which the plan allows 400; at the worst case of 0.05 for 100."""
    found = ask()
    assert (found.pairs, found.pairs_certain) == (400, 100)
    assert (found.cost_likely_usd, found.cost_at_most_usd) == (Decimal("4.00"), Decimal(5))


def test_a_small_budget_buys_few_pairs() -> None:
    assert ask(budget_usd=Decimal("0.25")).pairs == 25


def test_an_unknown_price_is_unknown() -> None:
    found = ask(PairPrice(None, None))
    assert (found.cost_likely_usd, found.pairs_certain, found.cost_for_margin_usd) == (None, None, None)
    assert found.cost_at_most_usd == Decimal(5)


def test_free_models_are_limited_by_the_plan_only() -> None:
    assert ask(PairPrice(Decimal(0), Decimal(0))).pairs == 400


def test_more_candidates_need_more_pairs() -> None:
    one, five = ask(), ask(n_candidates=5)
    assert one.pairs_for_margin is not None
    assert five.pairs_for_margin is not None
    assert five.pairs_for_margin > one.pairs_for_margin


def test_a_margin_that_can_be_shown_and_one_that_cannot() -> None:
    assert ask(margin=0.10).can_show_margin
    assert not ask(margin=0.02).can_show_margin
    assert ask(margin=0.0).pairs_for_margin is None


def test_no_population_shows_nothing() -> None:
    found = ask(population_size=0)
    assert (found.pairs, found.detectable_gap) == (0, None)


def test_one_unknown_prompt_makes_the_mean_unknown() -> None:
    assert mean_price([PRICE, PairPrice(None, Decimal(1))]) == PairPrice(None, Decimal("0.525"))
    assert mean_price([]) == PairPrice(None, None)


@given(
    likely=st.decimals("0.000001", "10", places=6),
    factor=st.integers(1, 100),
    budget=st.decimals("0.01", "1000", places=2),
    most=st.integers(1, 10_000),
)
def test_the_cost_at_most_never_passes_the_budget(likely: Decimal, factor: int, budget: Decimal, most: int) -> None:
    found = ask(PairPrice(likely, likely * factor), budget_usd=budget, max_pairs=most)
    assert found.cost_at_most_usd <= budget
    assert found.cost_likely_usd is not None
    assert found.cost_likely_usd <= found.cost_at_most_usd
    assert found.pairs <= most
