"""Calls as a tree: every call stands in it once, whatever ids a log gives them; totals sum what is known."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from projects import traces
from tests.factories import NOON


def row(name: str, span: str | None = None, parent: str | None = None, **fields: Any) -> traces.Row:
    at_s = fields.pop("at_s", 0)
    known: dict[str, Any] = {
        "event_id": name,
        "span_id": span,
        "parent_span_id": parent,
        "started_at": NOON + timedelta(seconds=at_s),
        "is_start_known": True,
        "duration_ms": 1000.0,
        "outcome": "ok",
        "flags": [],
        "purpose": "ingested",
        "trace_id": "t",
        "prompt_hash": name,
        "cost_usd": Decimal("0.01"),
        **{f"tok_{each}": None for each in ("cache_read", "reasoning")},
        "tok_input_fresh": 10,
        "tok_output_visible": 5,
    }
    return known | fields


def drawn(roots: list[traces.Node]) -> list[tuple[int, str]]:
    return [
        (node.depth, node.row["event_id"] if node.row else f"missing {node.span_id}") for node in traces.flat(roots)
    ]


def test_children_stand_under_their_parents_in_the_order_of_time() -> None:
    rows = [row("c", "3", "1", at_s=2), row("a", "1"), row("b", "2", "1", at_s=1), row("d", "4", "3", at_s=3)]
    assert drawn(traces.tree(rows)) == [(0, "a"), (1, "b"), (1, "c"), (2, "d")]


def test_a_parent_the_log_does_not_hold_is_shown_once() -> None:
    rows = [row("a", "1", "gone"), row("b", "2", "gone", at_s=1), row("c", "3", "0" * 16, at_s=2)]
    assert drawn(traces.tree(rows)) == [(0, "missing gone"), (1, "a"), (1, "b"), (0, "c")]


@pytest.mark.parametrize("rows", [[row("a", "1", "1")], [row("a", "1", "2"), row("b", "2", "1", at_s=1)]])
def test_circles_are_opened_at_their_first_call(rows: list[traces.Row]) -> None:
    (root,) = traces.tree(rows)
    assert root.is_in_circle
    assert [name for _, name in drawn([root])] == ["a", "b"][: len(rows)]


def test_what_hangs_from_a_circle_is_not_taken_for_a_part_of_it() -> None:
    rows = [row("leaf", "9", "2"), row("a", "1", "2", at_s=1), row("b", "2", "1", at_s=2)]
    nodes = {node.row["event_id"]: node for node in traces.flat(traces.tree(rows)) if node.row}
    assert [name for name, node in nodes.items() if node.is_in_circle] == ["a"]


def test_one_span_id_twice_keeps_both_calls() -> None:
    assert len(drawn(traces.tree([row("a", "1"), row("b", "1", at_s=1), row("c", "2", "1", at_s=2)]))) == 3


ids = st.one_of(st.none(), st.sampled_from(["1", "2", "3", "", "0000", "\u202e", "\0"]))


@settings(deadline=None)
@given(st.lists(st.tuples(ids, ids, st.integers(0, 5)), max_size=30))
def test_whatever_the_ids_every_call_is_drawn_exactly_once(told: list[tuple[Any, Any, int]]) -> None:
    rows = [row(str(n), span, parent, at_s=at) for n, (span, parent, at) in enumerate(told)]
    roots = traces.tree(rows)
    names = [node.row["event_id"] for node in traces.flat(roots) if node.row]
    assert sorted(names) == sorted(each["event_id"] for each in rows)
    assert traces.overall(roots).n_calls == len(rows)


def test_a_chain_as_deep_as_the_log_allows_does_not_overflow() -> None:
    rows = [row(str(n), str(n), str(n - 1), at_s=n) for n in range(5_000)]
    assert max(depth for depth, _ in drawn(traces.tree(rows))) == 5_000


def test_totals_sum_what_is_known_and_say_of_how_many() -> None:
    rows = [row("a", "1"), row("b", "2", "1", at_s=3, cost_usd=None, tok_input_fresh=None, tok_output_visible=None)]
    (root,) = traces.tree(rows)
    assert (root.totals.cost_usd, root.totals.n_priced, root.totals.n_calls) == (Decimal("0.01"), 1, 2)
    assert (root.totals.tokens, root.totals.duration_ms) == (15, 4000.0)
    assert root.children[0].totals.cost_usd is None


FAILED: dict[str, Any] = {"outcome": "provider_error", "prompt_hash": "same", "cost_usd": None}


def test_a_failed_try_that_was_made_again_is_no_demand_of_its_own() -> None:
    rows = [row("a", **FAILED), row("b", at_s=1, prompt_hash="same")]
    assert traces.attempts(rows) == {"a": "b"}
    totals = traces.overall(traces.tree(rows))
    assert (totals.n_calls, totals.n_attempts, totals.n_errors) == (1, 1, 0)


@pytest.mark.parametrize(
    "later", [{"prompt_hash": "other"}, {"trace_id": "other"}, {"at_s": -1}, {"at_s": 0}, {"purpose": "judge"}]
)
def test_a_failure_nobody_tried_again_stays_a_failure(later: dict[str, Any]) -> None:
    again: dict[str, Any] = {"at_s": 1, "prompt_hash": "same"} | later
    assert traces.attempts([row("a", **FAILED), row("b", **again)]) == {}


@pytest.mark.parametrize(
    "fields", [{"outcome": "cancelled"}, {"flags": ["streamed_incomplete"]}, {"outcome": "gateway_error"}]
)
def test_broken_off_is_tried_again_too(fields: dict[str, Any]) -> None:
    rows = [row("a", prompt_hash="same", **fields), row("b", at_s=1, prompt_hash="same")]
    assert traces.attempts(rows) == {"a": "b"}


def test_the_same_question_twice_with_two_answers_is_two_demands() -> None:
    assert traces.attempts([row("a", prompt_hash="same"), row("b", at_s=1, prompt_hash="same")]) == {}


def test_places_on_the_time_line_are_shares_of_the_whole() -> None:
    rows = [row("a", at_s=0), row("b", at_s=3)]
    place = traces.place(rows[1], traces.overall(traces.tree(rows)))
    assert place == traces.Place(0.75, 0.25)


@pytest.mark.parametrize("length", [None, -5.0, 1e300])
def test_a_length_nobody_knows_has_no_bar(length: float | None) -> None:
    one = row("a", duration_ms=length)
    assert traces.place(one, traces.overall(traces.tree([one]))) == traces.Place(0.0, None)


def test_a_call_without_a_time_has_no_place() -> None:
    one = row("a", is_start_known=False)
    assert traces.place(one, traces.overall(traces.tree([one]))) is None
