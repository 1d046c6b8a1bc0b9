"""A change of spend in parts that add up: by hand, and for anything Hypothesis can think of."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from projects.analytics.decomposition import FACTORS, Cell, Change, decompose, shapley

money = st.decimals(0, 1_000_000, places=12, allow_nan=False)
cells = st.builds(Cell, st.integers(1, 10**7), st.none() | st.integers(0, 10**10), money)
windows = st.dictionaries(st.sampled_from([(name,) for name in "abcdef"]), cells, max_size=6)
fractions = st.fractions(0, 10**6, max_denominator=10**6)


def parts(change: Change) -> dict[str, Decimal]:
    return {name: getattr(change.whole, name) for name in FACTORS}


@given(windows, windows)
def test_the_parts_add_up_exactly(before: dict[tuple[str], Cell], after: dict[tuple[str], Cell]) -> None:
    change = decompose(before, after)
    spent = [sum((cell.spent_usd for cell in each.values()), Decimal(0)) for each in (after, before)]
    assert sum(parts(change).values()) == change.whole.change_usd == spent[0] - spent[1]
    for each in change.cells.values():
        assert each.volume + each.mix + each.length + each.price == each.change_usd


@given(windows, windows)
def test_going_back_undoes_each_part(before: dict[tuple[str], Cell], after: dict[tuple[str], Cell]) -> None:
    there, back = decompose(before, after), decompose(after, before)
    for name in FACTORS:
        assert getattr(there.whole, name) == pytest.approx(-getattr(back.whole, name), abs=Decimal("1e-10"))


@given(st.lists(st.tuples(fractions, fractions), min_size=1, max_size=5))
def test_shapley_values_add_up_to_the_change_of_the_product(factors: list[tuple[Fraction, Fraction]]) -> None:
    before, after = ([pair[at] for pair in factors] for at in (0, 1))
    product = [Fraction(1), Fraction(1)]
    for old, new in factors:
        product = [product[0] * old, product[1] * new]
    assert sum(shapley(before, after)) == product[1] - product[0]


@pytest.mark.parametrize(
    ("after", "factor"),
    [
        (Cell(200, 2000, Decimal(20)), "volume"),
        (Cell(100, 2000, Decimal(20)), "length"),
        (Cell(100, 1000, Decimal(20)), "price"),
    ],
)
def test_what_alone_changed_is_the_whole_change(after: Cell, factor: str) -> None:
    change = decompose({("a",): Cell(100, 1000, Decimal(10))}, {("a",): after})
    assert parts(change) == {name: Decimal(10) if name == factor else Decimal(0) for name in FACTORS}


def test_the_same_calls_on_a_dearer_model_are_mix() -> None:
    cheap, dear = Cell(50, 500, Decimal(5)), Cell(50, 500, Decimal(50))
    change = decompose({("a",): cheap, ("b",): dear}, {("b",): Cell(100, 1000, Decimal(100))})
    # 50 of the 100 calls move: away from 0.1 dollars each, to 1 dollar each.
    assert parts(change) == {"volume": 0, "mix": Decimal(45), "length": 0, "price": 0}


def test_a_shapley_value_by_hand() -> None:
    # Two factors 2→3 and 5→7: the product goes 10→21. First: (3−2)·(5+7)/2 = 6. Second: (7−5)·(2+3)/2 = 5.
    assert shapley([Fraction(2), Fraction(5)], [Fraction(3), Fraction(7)]) == [6, 5]


def test_nothing_before_is_all_volume() -> None:
    change = decompose({}, {("a",): Cell(10, 100, Decimal(3))})
    assert parts(change) == {"volume": Decimal(3), "mix": 0, "length": 0, "price": 0}


def test_where_tokens_are_not_known_price_is_that_of_a_call() -> None:
    change = decompose({("a",): Cell(10, None, Decimal(10))}, {("a",): Cell(10, 50, Decimal(30))})
    assert (change.whole.price, change.whole.length) == (Decimal(20), 0)
