"""What kinds cost, what a response cache or a batch would have saved: worked by hand."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from projects.clusters import batching, repeats
from projects.clusters.batching import COULD, REASONS, UNKNOWN, Made
from projects.clusters.figures import Seen, figures
from projects.clusters.repeats import Asked

USD = Decimal("0.10")


def test_a_call_counts_for_all_it_stands_for() -> None:
    told = figures([Seen("a", 9, USD, 100.0), Seen("b", 1, Decimal(1), 900.0)])
    assert (told.n_calls, told.cost_usd, told.p50_ms, told.p95_ms) == (10, Decimal("1.9"), 100.0, 900.0)
    assert told.usd_a_call == Decimal("0.19")


def test_an_unknown_cost_is_taken_for_the_mean_of_the_known() -> None:
    told = figures([Seen("a", 2, USD), Seen("b", 2, None)])
    assert (told.cost_usd, told.n_priced, told.n_seen) == (Decimal("0.4"), 1, 2)


def test_without_any_cost_or_time_both_are_unknown() -> None:
    told = figures([Seen("a", 3)])
    assert told.cost_usd is told.usd_a_call is told.p50_ms is told.p95_ms is told.quality is None


def test_quality_comes_from_who_judges_by_event() -> None:
    told = figures([Seen("a", 3), Seen("b", 1), Seen("c", 5)], {"a": 1.0, "b": 0.0, "z": 0.0})
    assert (told.quality, told.n_judged) == (0.75, 2)


def test_no_calls_have_no_figures() -> None:
    told = figures([])
    assert told.n_calls == 0 and told.cost_usd is told.usd_a_call is None


def made(**fields: Any) -> Made:
    given_: dict[str, Any] = {
        "at_s": 0.0,
        "stream": False,
        "has_tools": False,
        "n_messages": 2,
        "is_answered": True,
        "is_batch": False,
        "session": "s",
        "cost_usd": USD,
        "batch_usd": USD / 2,
    }
    return Made(**given_ | fields)


@pytest.mark.parametrize(
    ("reason", "fields"),
    [
        (COULD, {}),
        ("already", {"is_batch": True}),
        ("failed", {"is_answered": False}),
        ("streamed", {"stream": True}),
        ("tools", {"has_tools": True}),
        ("conversation", {"n_messages": 3}),
        (UNKNOWN, {"stream": None}),
        (UNKNOWN, {"session": None}),
        (COULD, {"session": None, "trace": "t"}),
    ],
)
def test_each_sign_that_somebody_waits_has_its_reason(reason: str, fields: dict[str, Any]) -> None:
    assert batching.reasons([made(**fields)]) == [reason]
    assert reason in REASONS


def test_who_is_followed_within_a_day_was_waited_for_and_the_last_was_not() -> None:
    told = batching.reasons([made(at_s=0), made(at_s=60), made(at_s=200_000)])
    assert told == ["followed", COULD, COULD]


def test_order_does_not_matter_for_who_is_followed() -> None:
    assert batching.reasons([made(at_s=60), made(at_s=0)]) == [COULD, "followed"]


def test_the_saving_is_of_known_prices_only() -> None:
    told = batching.advise([made(session="a"), made(session="b", batch_usd=None), made(session="c", stream=True)])
    assert (told.saved_usd, told.n_priced, told.half_usd) == (USD / 2, 1, USD)
    assert told.share == pytest.approx(2 / 3)


def test_unknown_prices_stay_unknown() -> None:
    told = batching.advise([made(cost_usd=None, batch_usd=None)])
    assert told.saved_usd is None and told.half_usd is None and told.n_priced == 0


def test_no_calls_have_no_share() -> None:
    assert batching.advise([]).share is None


@settings(deadline=None)
@given(st.lists(st.tuples(st.floats(0, 1e6), st.sampled_from(["a", "b", None]), st.sampled_from([True, False, None]))))
def test_every_call_has_one_known_reason(told: list[tuple[float, str | None, bool | None]]) -> None:
    advice = batching.advise([made(at_s=at, session=name, stream=stream) for at, name, stream in told])
    assert sum(advice.by_reason.values()) == len(told) and set(advice.by_reason) <= set(REASONS)


def asked(same: str | None, answer: str | None = "yes", **fields: Any) -> Asked:
    return Asked(same, **{"alike": same, "scope": "m", "answer": answer, "cost_usd": USD, **fields})


def test_the_second_of_the_same_prompt_is_answered_and_its_cost_saved() -> None:
    told = repeats.exact([asked("a"), asked("b"), asked("a")])
    assert (told.n_hits, told.saved_usd, told.n_false) == (1, USD, 0)
    assert told.share == pytest.approx(1 / 3)


def test_another_answer_is_counted_and_wording_of_spaces_is_not() -> None:
    told = repeats.exact([asked("a", "Yes."), asked("a", " yes "), asked("a", "no"), asked("a", None)])
    assert (told.n_hits, told.n_compared, told.n_false) == (3, 2, 1)
    assert told.false_share == 0.5


def test_what_no_cache_keeps_is_never_answered() -> None:
    assert repeats.exact([asked(None), asked(None)]).n_hits == 0


def test_without_answers_being_wrong_is_unknown() -> None:
    assert repeats.exact([asked("a", None), asked("a", None)]).false_share is None


def test_hits_without_a_price_save_an_unknown_amount_and_no_hits_nothing() -> None:
    assert repeats.exact([asked("a", cost_usd=None), asked("a", cost_usd=None)]).saved_usd is None
    assert repeats.exact([asked("a")]).saved_usd == 0


def test_near_duplicates_are_told_apart_from_the_same() -> None:
    calls = [asked("a 1", alike="a"), asked("a 2", alike="a")]
    assert (repeats.exact(calls).n_hits, repeats.near(calls).n_hits) == (0, 1)


VECTORS = np.array([[1, 0], [0.96, 0.28], [0, 1]], dtype=np.float32)


@pytest.mark.parametrize(("threshold", "n_hits"), [(0.99, 0), (0.95, 1), (0.9, 1)])
def test_alike_questions_are_answered_from_the_threshold_on(threshold: float, n_hits: int) -> None:
    calls = [asked("a"), asked("b", "no"), asked("c")]
    told = repeats.semantic(calls, VECTORS, threshold)
    assert (told.n_hits, told.n_false) == (n_hits, n_hits or None)


def test_another_scope_is_another_cache() -> None:
    assert repeats.semantic([asked("a"), asked("b", scope="other")], VECTORS[:2], 0.5).n_hits == 0


def test_what_was_answered_from_the_cache_is_not_kept_itself() -> None:
    """The third is like the second but not like the first, which alone is in the cache."""
    angles = np.array([0.0, 0.3, 0.6])
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    assert repeats.semantic([asked(name) for name in "abc"], vectors, 0.95).n_hits == 1


@settings(deadline=None)
@given(st.lists(st.sampled_from(["a", "b", "c", None]), max_size=30))
def test_hits_are_what_is_left_after_the_first_of_each(names: list[str | None]) -> None:
    known = [name for name in names if name is not None]
    assert repeats.exact([asked(name) for name in names]).n_hits == len(known) - len(set(known))


@settings(deadline=None)
@given(st.lists(st.integers(0, 2), max_size=20))
def test_a_lower_threshold_answers_no_fewer_of_clear_groups(axes: list[int]) -> None:
    calls, vectors = [asked(str(axis)) for axis in axes], np.eye(3, dtype=np.float32)[axes]
    hits = [repeats.semantic(calls, vectors, threshold).n_hits for threshold in repeats.THRESHOLDS]
    assert hits == sorted(hits)
