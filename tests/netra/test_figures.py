"""How numbers are written: units, signs, enough digits, and a mark, not a zero, for what is not known."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from netra.templatetags import figures

NUMBERS = [figures.usd, figures.count, figures.decimal, figures.ms, figures.percent, figures.points, figures.size]


@pytest.mark.parametrize(
    ("amount", "written"),
    [
        (Decimal("0"), "$0.00"),
        (Decimal("12.345"), "$12.34"),
        (Decimal("1234.5"), "$1,234"),
        (Decimal("0.083"), "$0.083"),
        (Decimal("0.0000791"), "$0.000079"),
        (Decimal("-0.5"), "−$0.50"),
        ("0.25", "$0.25"),
    ],
)
def test_dollars_keep_two_digits_that_count(amount: Any, written: str) -> None:
    assert figures.usd(amount) == written


def test_a_price_per_token_is_written_per_million() -> None:
    assert figures.usd_per_million(Decimal("0.0000025")) == "$2.50"


@pytest.mark.parametrize(
    ("duration", "written"), [(0, "0 ms"), (188.4, "188 ms"), (1250, "1.25 s"), (90_000, "1.5 min")]
)
def test_durations_change_their_unit(duration: float, written: str) -> None:
    assert figures.ms(duration) == written


@pytest.mark.parametrize(("share", "written"), [(0, "0.0"), (0.5, "50.0"), (0.0004, "0.04"), (-0.25, "−25.0")])
def test_small_shares_keep_digits_that_tell_them_from_nothing(share: float, written: str) -> None:
    assert figures.percent(share) == f"{written}\u202f%"


@pytest.mark.parametrize(("difference", "sign"), [(0.031, "+3.1"), (-0.02, "−2.0"), (0, "0.0")])
def test_differences_carry_their_sign(difference: float, sign: str) -> None:
    assert figures.points(difference).startswith(sign)


@pytest.mark.parametrize("write", NUMBERS)
@pytest.mark.parametrize("value", [None, "", float("nan"), float("inf"), "soon"])
def test_what_is_not_known_is_never_a_number(write: Any, value: Any) -> None:
    assert write(value) == figures.UNKNOWN
    assert not any(letter.isdigit() for letter in figures.UNKNOWN)


@given(st.floats(min_value=1e-9, max_value=1e9))
def test_no_known_positive_amount_is_written_as_nothing(amount: float) -> None:
    assert any(letter in "123456789" for letter in figures.usd(amount))


@given(st.one_of(st.none(), st.text(), st.floats(), st.integers(), st.booleans()))
def test_no_value_breaks_a_page(value: Any) -> None:
    for write in NUMBERS:
        assert isinstance(write(value), str)


def test_a_share_of_nothing_is_not_known() -> None:
    assert figures.share_of(3, 0) is None
    assert figures.share_of(None, 3) is None
    assert figures.share_of(1, 4) == Decimal("0.25")


def test_a_moment_is_shown_in_the_reader_s_zone_and_kept_in_utc() -> None:
    with timezone.override("Europe/Berlin"):
        shown = figures.when(datetime(2026, 11, 2, 12, 0, tzinfo=UTC))
    assert "2026-11-02 13:00" in shown
    assert 'datetime="2026-11-02T12:00:00+00:00"' in shown


def test_a_moment_that_is_none_is_not_known() -> None:
    assert figures.when(None) == figures.UNKNOWN


@pytest.mark.parametrize(
    ("n", "written"), [(0, "0 bytes"), (999, "999 bytes"), (1500, "1.5 kB"), (2.5e9, "2.5 GB"), (3e12, "3.0 TB")]
)
def test_sizes_go_by_thousands(n: float, written: str) -> None:
    assert figures.size(n) == written


def test_known_keeps_zero() -> None:
    assert figures.known(0) == 0
    assert figures.known(None) == figures.UNKNOWN


def test_a_code_reads_as_words() -> None:
    assert figures.words("too_few_replayable") == "too few replayable"


@pytest.mark.parametrize(("is_simulated", "labelled"), [(True, True), (False, False)])
def test_simulated_things_say_so(is_simulated: bool, labelled: bool) -> None:
    thing = type("Thing", (), {"is_simulated": is_simulated})()
    assert ("simulated" in figures.simulated(thing)) is labelled
    assert figures.simulated(None) == ""


@pytest.mark.parametrize(
    ("ratio", "told"),
    [(0.1, "+10.0\u202f%"), (-0.5, "−50.0\u202f%"), (8.99, "+899.0\u202f%"), (9, "×\u202f10.0"), (66.7, "×\u202f67.7")],
)
def test_a_change_of_tenfold_and_more_is_a_multiple(ratio: float, told: str) -> None:
    assert figures.change(ratio) == told


@pytest.mark.parametrize(
    ("share", "told"), [(1, "100.0"), (0.9996, "99.96"), (0.9994, "99.9"), (0.0004, "0.04"), (0, "0.0")]
)
def test_nearly_all_is_not_all_and_nearly_nothing_not_nothing(share: float, told: str) -> None:
    assert figures.percent(share) == f"{told}\u202f%"


@pytest.mark.parametrize(
    ("minutes", "told"), [(119.9, "119.9 min"), (120, "2.0 h"), (466.2, "7.8 h"), (1e5, "1,666.7 h")]
)
def test_from_two_hours_on_hours_are_told(minutes: float, told: str) -> None:
    assert figures.ms(minutes * 60_000) == told


@pytest.mark.parametrize(
    ("sentence", "told"),
    [
        ("by -2.4 points [-3.4, +5.5]", "by −2.4 points [−3.4, +5.5]"),
        ("-1 and (-0.5)", "−1 and (−0.5)"),
        ("gpt-4o-mini, a/b-1, m:-1, 2026-11-04, v.-2, x--3", "gpt-4o-mini, a/b-1, m:-1, 2026-11-04, v.-2, x--3"),
        ("a - b, 1 - 2", "a - b, 1 - 2"),
        (None, "None"),
    ],
)
def test_a_sentence_has_true_minus_signs_and_names_keep_their_hyphens(sentence: str | None, told: str) -> None:
    assert figures.typeset(sentence) == told


@pytest.mark.parametrize(
    ("value", "told"), [(0.02, "2.0\u202fpoints"), (-0.005, "0.5\u202fpoints"), (0, "0.0\u202fpoints")]
)
def test_a_margin_is_in_points_without_a_sign(value: float, told: str) -> None:
    assert figures.margin(value) == told
    assert figures.margin(None) == figures.UNKNOWN
