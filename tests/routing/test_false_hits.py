"""When two answers say the same, and what the share of those that do not is known to be."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing.false_hits import agreement, interval


def never() -> float:
    raise AssertionError("the words decide")


@pytest.mark.parametrize(
    ("kept", "fresh", "says"),
    [
        ("Paris.", "paris", (True, "same words")),
        ("It is 12.", "It is 13.", (False, "other numbers")),
        ("Yes, it does.", "No, it does.", (False, "other choice")),
        ("B", "C", (False, "other choice")),
        ("A) first", "B) first", (False, "other choice")),
    ],
)
def test_words_decide_where_they_can(kept: str, fresh: str, says: tuple[bool, str]) -> None:
    assert agreement(kept, fresh, never) == says


def test_meaning_decides_the_rest() -> None:
    assert agreement("Take the left road", "Go left", lambda: 0.95) == (True, "meaning")
    assert agreement("Take the left road", "Go right", lambda: 0.6) == (False, "meaning")


@given(st.integers(0, 400), st.integers(1, 400))
def test_an_interval_holds_what_was_seen(k: int, n: int) -> None:
    k = min(k, n)
    low, high = interval(k, n)
    assert 0.0 <= low <= k / n <= high <= 1.0
    assert (low == 0.0) == (k == 0) and (high == 1.0) == (k == n)


def test_nothing_seen_says_nothing() -> None:
    assert interval(0, 0) == (0.0, 1.0)


def test_it_narrows_and_is_wider_than_one_for_a_single_look() -> None:
    widths = [interval(n // 20, n)[1] - interval(n // 20, n)[0] for n in (20, 200, 2000)]
    assert widths == sorted(widths, reverse=True)
    assert interval(0, 59)[1] > 1 - 0.05 ** (1 / 59)  # Clopper-Pearson at a fixed n


def test_it_holds_at_every_look_at_once() -> None:
    """2,000 runs of 300 looks at a true share of 5 %: the lower bound passes it in at most 5 % of the runs."""
    draws = np.random.default_rng(7).random((2_000, 300)) < 0.05
    totals = draws.cumsum(axis=1)
    passed = {(k, n): interval(k, n)[0] > 0.05 for n in range(1, 301) for k in np.unique(totals[:, n - 1]).tolist()}
    is_wrong = [any(passed[int(k), n] for n, k in enumerate(run, start=1)) for run in totals]
    assert sum(is_wrong) / len(is_wrong) <= 0.05
