"""Why there is no switch: every reason has a code, a sentence with its numbers, and a remedy somebody can act on."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluation import reasons
from evaluation.findings import Reason
from evaluation.paired import Plan
from evaluation.reasons import percent

ALL: dict[str, Reason] = {
    "too_few_replayable": reasons.too_few_replayable(Plan(candidates=("a",), population_size=12, max_pairs=10)),
    "drift_active": reasons.drift_active(),
    "population_changed": reasons.population_changed(),
    "judge_unreliable": reasons.judge_unreliable("In 40 % of the comparisons the winner changed with the order."),
    "judges_disagree": reasons.judges_disagree(0.123, 0.4),
    "too_many_unscored": reasons.too_many_unscored("a", 0.25, 0.1),
    "price_unknown": reasons.price_unknown("a"),
    "undecided_at_budget": reasons.undecided_at_budget("a", 120, Decimal("0.0125")),
    "all_inferior": reasons.all_inferior(("a", "b")),
    "no_feasible_candidate": reasons.no_feasible_candidate(("a", "b")),
}


@pytest.mark.parametrize("code", ALL)
def test_every_reason_bears_its_code(code: str) -> None:
    assert ALL[code].code == code


@pytest.mark.parametrize("code", ALL)
def test_every_reason_is_a_sentence_with_a_remedy(code: str) -> None:
    for text in (ALL[code].sentence, ALL[code].remedy):
        assert text.endswith(".") and "None" not in text and "nan" not in text


@pytest.mark.parametrize(
    ("share", "shown"),
    [
        (0.0, "0 %"),
        (0.05, "5 %"),
        (0.1234, "12.3 %"),
        (1.0, "100 %"),
        (0.001, "0.1 %"),
        (0.6666, "66.7 %"),
        (0.00012, "0.012 %"),
    ],
)
def test_shares_are_told_in_percent_with_three_digits(share: float, shown: str) -> None:
    assert percent(share) == shown


@given(st.floats(0, 1))
def test_a_percentage_is_near_its_share(share: float) -> None:
    assert float(percent(share).removesuffix(" %")) == pytest.approx(100 * share, rel=0.006)


@pytest.mark.parametrize(("size", "missing"), [(0, 30), (12, 18), (29, 1)])
def test_too_few_prompts_says_how_many_more(size: int, missing: int) -> None:
    found = reasons.too_few_replayable(Plan(candidates=("a",), population_size=size, max_pairs=10))
    assert f"Only {size} prompts" in found.sentence and "at least 30" in found.sentence
    assert f"Import {missing} more" in found.remedy


def test_disagreeing_judges_are_told_with_both_numbers() -> None:
    assert "κ = 0.12; the plan asks for 0.40" in ALL["judges_disagree"].sentence


def test_what_makes_a_judge_unreliable_is_said_as_it_was_found() -> None:
    assert ALL["judge_unreliable"].sentence.startswith("In 40 % of the comparisons")


def test_unscored_pairs_are_told_against_what_the_plan_allows() -> None:
    found = ALL["too_many_unscored"]
    assert "25 % of the pairs with a" in found.sentence and "allows 10 %" in found.sentence
    assert found.candidate == "a"


def test_more_pairs_are_priced_by_hand() -> None:
    """120 pairs at 0.0125 USD are 1.50 USD."""
    found = reasons.undecided_at_budget("a", 120, Decimal("0.0125"))
    assert found.cost_usd == Decimal("1.5000")
    assert "About 120 more pairs, about $1.50" in found.remedy


def test_an_unknown_price_is_left_out_and_not_called_nothing() -> None:
    found = reasons.undecided_at_budget("a", 120, None)
    assert found.cost_usd is None and "$" not in found.remedy and "120 more pairs" in found.remedy


def test_what_no_number_of_pairs_settles_has_no_price() -> None:
    found = reasons.undecided_at_budget("a", None, Decimal("0.01"))
    assert found.cost_usd is None and "no number of pairs" in found.remedy


@given(st.integers(0, 10**6), st.decimals(0, 100, places=12))
def test_the_price_of_more_pairs_is_exact(missing: int, each: Decimal) -> None:
    assert reasons.undecided_at_budget("a", missing, each).cost_usd == missing * each


@pytest.mark.parametrize("make", [reasons.all_inferior, reasons.no_feasible_candidate])
@pytest.mark.parametrize("names", [("one",), ("one", "two", "three")])
def test_every_candidate_is_named(make: Any, names: tuple[str, ...]) -> None:
    assert ", ".join(names) in make(names).sentence


@pytest.mark.parametrize("make", [reasons.price_unknown, lambda name: reasons.too_many_unscored(name, 0.2, 0.1)])
def test_a_reason_about_one_candidate_points_to_it(make: Any) -> None:
    hostile = "x/<script>{0}%s"
    assert make(hostile).candidate == hostile and hostile in make(hostile).sentence


def test_reasons_about_the_traffic_name_no_candidate() -> None:
    about_all = ("drift_active", "population_changed", "too_few_replayable", "judges_disagree", "all_inferior")
    assert {ALL[code].candidate for code in about_all} == {None}
