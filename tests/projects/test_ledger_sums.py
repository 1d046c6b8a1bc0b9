"""The standing of a log adds up: every call is counted once, unknown money is no zero, and no order of rows matters."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from projects.ledger_reading import COST_REASONS, EXAMPLES, Amount, Costs, Standing
from projects.log_schemas import AmountOut, StandingOut
from projects.replayability import REASONS
from tests import factories

usd = st.decimals(0, 1_000, places=12)
moments = st.integers(0, 9).map(lambda minutes: factories.NOON + timedelta(minutes=minutes))


@st.composite
def groups(draw: st.DrawFn) -> dict[str, Any]:
    """One row as the store gives it: calls alike in their reasons and in what is known of their cost."""
    is_priced, is_recorded, n_calls = draw(st.booleans()), draw(st.booleans()), draw(st.integers(1, 50))
    computed = draw(usd) if is_priced else None
    recorded = draw(usd) if is_recorded else None
    is_both = is_priced and is_recorded
    return {
        "not_replayable": draw(st.lists(st.sampled_from(sorted(REASONS)), max_size=3, unique=True)),
        "is_priced": is_priced,
        "is_recorded": is_recorded,
        "is_counted": draw(st.booleans()),
        "recorded_by": draw(st.sampled_from(["portkey", "helicone"])) if is_recorded else "",
        "n_calls": n_calls,
        "n_spent": n_calls if is_priced or is_recorded else 0,
        "spent_usd": computed if is_priced else recorded,
        "n_tokens": draw(st.integers(0, 10**12)),
        "recorded_usd": recorded if is_both else None,
        "computed_usd": computed if is_both else None,
        "absolute_usd": abs((recorded or 0) - (computed or 0)) if is_both else None,
        "examples": draw(st.lists(st.tuples(moments, st.sampled_from("abcdef")), min_size=1, max_size=2)),
    }


logs = st.lists(groups(), max_size=5)
few = settings(max_examples=30)  # rows are dear to make


@few
@given(logs)
def test_every_call_can_be_replayed_or_is_blocked(rows: list[dict[str, Any]]) -> None:
    found = Standing.of(rows)
    assert found.all.n_calls == found.replayable.n_calls + found.blocked.n_calls == sum(row["n_calls"] for row in rows)
    assert found.all.n_tokens == found.replayable.n_tokens + found.blocked.n_tokens
    assert (found.all.spent_usd or 0) == (found.replayable.spent_usd or 0) + (found.blocked.spent_usd or 0)


@few
@given(logs)
def test_what_can_be_replayed_can_be_compared_or_says_why_not(rows: list[dict[str, Any]]) -> None:
    found = Standing.of(rows)
    n_told = sum(reason.amount.n_calls for reason in found.cost_reasons)
    assert found.replayable.n_calls == found.comparable.n_calls + n_told
    assert all(reason.sentence == COST_REASONS[reason.code] for reason in found.cost_reasons)


@few
@given(logs)
def test_every_call_has_one_state_of_cost(rows: list[dict[str, Any]]) -> None:
    found = Standing.of(rows)
    for costs in (found.costs, *found.by_source.values()):
        assert costs.n_both + costs.n_recorded_only + costs.n_computed_only + costs.n_neither > 0 or not rows
    states = ("n_both", "n_recorded_only", "n_computed_only", "n_neither")
    for state in states:
        assert getattr(found.costs, state) == sum(getattr(each, state) for each in found.by_source.values())


@few
@given(logs)
def test_the_residual_is_the_difference_of_the_sums(rows: list[dict[str, Any]]) -> None:
    """Over the calls of which both are known; what cancels out does not vanish from the sum without signs."""
    costs = Standing.of(rows).costs
    both = [row for row in rows if row["is_priced"] and row["is_recorded"]]
    if not both:
        assert costs.residual_usd is costs.residual_share is costs.absolute_usd is None
        return
    assert costs.residual_usd == sum(row["recorded_usd"] - row["computed_usd"] for row in both)
    assert costs.absolute_usd is not None
    assert costs.absolute_usd >= abs(costs.residual_usd)


@few
@given(logs, st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_matter(rows: list[dict[str, Any]], dice: Any) -> None:
    shuffled = dice.sample(rows, len(rows))
    assert Standing.of(shuffled) == Standing.of(rows)


@few
@given(logs)
def test_a_reason_is_told_with_its_newest_calls(rows: list[dict[str, Any]]) -> None:
    for reason in Standing.of(rows).reasons:
        alike = [row for row in rows if reason.code in row["not_replayable"]]
        everything = sorted({each for row in alike for each in row["examples"]}, reverse=True)
        assert reason.examples == everything[:EXAMPLES]
        assert reason.amount.n_calls == sum(row["n_calls"] for row in alike)
        assert reason.sentence


@few
@given(logs)
def test_reasons_come_by_how_many_calls_they_hold_up(rows: list[dict[str, Any]]) -> None:
    sizes = [(-each.amount.n_calls, each.code) for each in Standing.of(rows).reasons]
    assert sizes == sorted(sizes)


@few
@given(logs)
def test_the_api_tells_shares_between_nothing_and_all(rows: list[dict[str, Any]]) -> None:
    told = StandingOut.of(Standing.of(rows))
    for amount in (told.all, told.replayable, told.comparable, *(each.amount for each in told.not_replayable)):
        for share in (amount.share_of_calls, amount.share_of_spend):
            assert share is None or 0 <= share <= 1.0000001
    assert told.all.share_of_calls in (None, 1.0)


def test_nothing_is_unknown_and_not_zero() -> None:
    found = Standing.of([])
    assert (found.all.n_calls, found.all.spent_usd, found.costs.residual_usd) == (0, None, None)
    told = AmountOut.of(found.all, found.all)
    assert (told.share_of_calls, told.share_of_spend, told.spent_usd) == (None, None, None)


@pytest.mark.parametrize(
    ("recorded", "computed", "share"),
    [("2", "1", "0.5"), ("1", "2", "-1"), ("1", "1", "0"), ("0", "1", None), (None, "1", None), ("1", None, None)],
)
def test_a_share_of_nothing_is_not_told(recorded: str | None, computed: str | None, share: str | None) -> None:
    costs = Costs(
        recorded_usd=None if recorded is None else Decimal(recorded),
        computed_usd=None if computed is None else Decimal(computed),
    )
    assert costs.residual_share == (None if share is None else Decimal(share))


def test_a_known_zero_is_spent_and_an_unknown_is_not() -> None:
    free = {"n_calls": 1, "n_spent": 1, "n_tokens": 5, "spent_usd": Decimal(0)}
    unknown = {"n_calls": 1, "n_spent": 0, "n_tokens": 5, "spent_usd": None}
    amount = Amount()
    amount.add(unknown)
    assert amount.spent_usd is None
    amount.add(free)
    assert (amount.spent_usd, amount.n_calls, amount.n_spent) == (Decimal(0), 2, 1)


def test_a_reason_that_is_no_longer_known_is_kept_by_its_code() -> None:
    row = {
        "not_replayable": ["of_another_release"],
        "is_priced": False,
        "is_recorded": False,
        "is_counted": False,
        "recorded_by": "",
        "n_calls": 2,
        "n_spent": 0,
        "spent_usd": None,
        "n_tokens": 0,
        "examples": [],
        **dict.fromkeys(("recorded_usd", "computed_usd", "absolute_usd")),
    }
    (reason,) = Standing.of([row]).reasons
    assert (reason.code, reason.sentence, reason.amount.n_calls) == ("of_another_release", "", 2)
