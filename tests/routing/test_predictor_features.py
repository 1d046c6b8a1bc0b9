"""What is seen of a prompt without a model: any text gives finite numbers, in the order of their names."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing.features import LOOKED_AT, NAMES, surface


def named(text: str, needs: tuple[str, ...] = ()) -> dict[str, float]:
    return dict(zip(NAMES, surface(text, needs).tolist(), strict=True))


@given(st.text(st.characters(), max_size=300))
def test_any_text_gives_finite_numbers(text: str) -> None:
    found = surface(text)
    assert found.shape == (len(NAMES),) and np.isfinite(found).all()


@pytest.mark.parametrize(
    "text", ["", " ", "\x00" * 50, "\ud800", "9" * 5_000, "((((" * 4_000, "if " * 9_000, "💥" * 99]
)
def test_hostile_text_is_but_text(text: str) -> None:
    assert np.isfinite(surface(text)).all()


def test_what_is_past_the_limit_is_not_looked_at() -> None:
    text = "a" * LOOKED_AT
    assert np.array_equal(surface(text), surface(text + " 5 + 5"))


def test_figures_and_questions_are_seen() -> None:
    seen = named("How many of 3.5 apples are left, if 1/2 is eaten?")
    assert seen["numbers"] == pytest.approx(np.log1p(3)) and seen["fractions"] == pytest.approx(np.log1p(1))
    assert seen["asks_how_many"] == seen["asks_how"] == 1 and seen["asks_who"] == 0


def test_code_and_needs_are_seen() -> None:
    seen = named("def f(): pass", ("tools",))
    assert (seen["code"], seen["needs_tools"], seen["needs_vision"]) == (1, 1, 0)
