"""Why spend changed: the difference of two windows as price, volume, length and mix, to the last picodollar. Pure.

Spend is Σ N · s · l · p over cells (a model doing a kind of work, say): N calls in all, s the cell's share of them, l
its tokens a call, p its dollars a token. Each factor's part is its Shapley value: what changing it adds, averaged over
all orders in which the four could have changed (Sun, Energy Economics 20, 1998; Shorrocks, Journal of Economic
Inequality 11, 2013). The parts are computed in fractions and add up to the difference exactly.

A cell that is in one window only has that window's length and price in both: its coming or going is mix and volume.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from itertools import combinations
from math import factorial
from typing import Any

PICO = Decimal("1e-12")
Key = tuple[Any, ...]
FACTORS = ("volume", "mix", "length", "price")


@dataclass(frozen=True, slots=True)
class Cell:
    """Priced calls alike in what they are cut by; `tokens` None where they are not known, then price is a call's."""

    n_calls: int
    tokens: int | None
    spent_usd: Decimal


@dataclass(frozen=True, slots=True)
class Parts:
    """USD each; the four add up to `change_usd` exactly."""

    before_usd: Decimal
    after_usd: Decimal
    volume: Decimal
    mix: Decimal
    length: Decimal
    price: Decimal

    @property
    def change_usd(self) -> Decimal:
        return self.after_usd - self.before_usd


@dataclass(frozen=True, slots=True)
class Change:
    """The whole, and each cell; the cells' parts add up to the whole's."""

    whole: Parts
    cells: Mapping[Key, Parts]


def decompose(before: Mapping[Key, Cell], after: Mapping[Key, Cell]) -> Change:
    """Cells are matched by key; either window may be empty."""
    n_before, n_after = (sum(cell.n_calls for cell in each.values()) for each in (before, after))
    cells = {
        key: _parts(before.get(key, _NONE), after.get(key, _NONE), n_before, n_after)
        for key in [*before, *(key for key in after if key not in before)]
    }
    return Change(_summed(list(cells.values())), cells)


_NONE = Cell(0, None, Decimal(0))


def _parts(old: Cell, new: Cell, n_before: int, n_after: int) -> Parts:
    effects = shapley(*_factors(old, new, n_before, n_after))
    rounded = [_pico(effect) for effect in effects]
    # What rounding left over, at most two picodollars, goes to the largest part.
    largest = max(range(4), key=lambda at: (abs(effects[at]), -at))
    rounded[largest] += (new.spent_usd - old.spent_usd) - sum(rounded)
    return Parts(old.spent_usd, new.spent_usd, **dict(zip(FACTORS, rounded, strict=True)))


def _factors(old: Cell, new: Cell, n_before: int, n_after: int) -> tuple[list[Fraction], list[Fraction]]:
    has_tokens = all(cell.tokens for cell in (old, new) if cell.n_calls)
    first, second = (_of_cell(cell, has_tokens=has_tokens) for cell in (old, new))
    length = (first[0], second[0]) if old.n_calls and new.n_calls else (first[0] or second[0],) * 2
    price = (first[1], second[1]) if old.n_calls and new.n_calls else (first[1] or second[1],) * 2
    shares = [Fraction(cell.n_calls, n) if n else None for cell, n in ((old, n_before), (new, n_after))]
    share = [mine if mine is not None else other or Fraction(0) for mine, other in (shares, shares[::-1])]
    return (
        [Fraction(n_before), share[0], length[0], price[0]],
        [Fraction(n_after), share[1], length[1], price[1]],
    )


def _of_cell(cell: Cell, *, has_tokens: bool) -> tuple[Fraction, Fraction]:
    """Tokens a call, USD a token; where tokens are not known on both sides, one unit a call."""
    if not cell.n_calls:
        return Fraction(0), Fraction(0)
    units = cell.tokens if has_tokens and cell.tokens else cell.n_calls
    return Fraction(units, cell.n_calls), Fraction(cell.spent_usd) / units


def shapley(before: Sequence[Fraction], after: Sequence[Fraction]) -> list[Fraction]:
    """What each factor adds to the change of the product, averaged over all orders; the parts add up to it."""
    return [_effect(at, before, after) for at in range(len(before))]


def _effect(at: int, before: Sequence[Fraction], after: Sequence[Fraction]) -> Fraction:
    others = [each for each in range(len(before)) if each != at]
    total = Fraction(0)
    for size in range(len(others) + 1):
        weight = Fraction(factorial(size) * factorial(len(others) - size), factorial(len(before)))
        for changed in combinations(others, size):
            product = after[at] - before[at]
            for each in others:
                product *= after[each] if each in changed else before[each]
            total += weight * product
    return total


def _pico(value: Fraction) -> Decimal:
    scaled = round(value * 10**12)
    return Decimal(scaled).scaleb(-12)


def _summed(parts: Sequence[Parts]) -> Parts:
    names = ("before_usd", "after_usd", *FACTORS)
    return Parts(*(sum((getattr(each, name) for each in parts), Decimal(0)) for name in names))
