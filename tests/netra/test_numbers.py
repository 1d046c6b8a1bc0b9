"""Numbers in the reader's format: the same digits, other marks; dollars in all of them."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netra.numbers import STYLES, samples, written_as
from netra.templatetags import figures

AMOUNT = Decimal("1234567.891")


@pytest.mark.parametrize(
    ("style", "amount", "small", "number"),
    [
        ("", "$1,234,568", "$2.50", "−12,345.68"),
        ("continental", "1.234.568\u00a0$", "2,50\u00a0$", "−12.345,68"),
        ("spaced", "1\u202f234\u202f568\u00a0$", "2,50\u00a0$", "−12\u202f345,68"),
        ("swiss", "$1’234’568", "$2.50", "−12’345.68"),
        ("indian", "$12,34,568", "$2.50", "−12,345.68"),
        ("code", "1\u202f234\u202f568\u00a0USD", "2.50\u00a0USD", "−12\u202f345.68"),
    ],
)
def test_each_style_by_hand(style: str, amount: str, small: str, number: str) -> None:
    with written_as(style):
        assert (figures.usd(AMOUNT), figures.usd("2.5")) == (amount, small)
        assert figures.decimal("-12345.678") == number


@given(st.decimals(-(10**12), 10**12, allow_nan=False, places=2), st.sampled_from(sorted(STYLES)))
def test_a_style_changes_marks_and_no_digit(value: Decimal, style: str) -> None:
    plain = figures.decimal(value)
    with written_as(style):
        styled = figures.decimal(value)
    assert [each for each in styled if each.isdigit()] == [each for each in plain if each.isdigit()]


def test_unknown_stays_unknown_and_durations_follow() -> None:
    with written_as("continental"):
        assert figures.usd(None) == figures.UNKNOWN
        assert (figures.ms(1234), figures.percent(0.1234)) == ("1,23 s", "12,3\u202f%")


def test_a_style_ends_with_its_reader() -> None:
    with written_as("nonsense"):
        assert figures.usd(1234) == "$1,234"
    with written_as("continental"):
        pass
    assert figures.usd(1234) == "$1,234"


def test_the_form_shows_what_an_amount_looks_like() -> None:
    assert dict(samples())["indian"] == "$12,34,567.89"
    assert len({shown for _, shown in samples()}) == len(STYLES)
