"""Groups of vectors and their matching with the groups before, by hand and by invariants."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from projects.clusters import grouping, matching
from projects.clusters.grouping import NONE, Groups, Vectors


def blobs(sizes: list[int], *, spread: float = 0.05, seed: int = 0, dimensions: int = 12) -> tuple[Vectors, list[int]]:
    """Unit vectors around the axes, and which axis each is of."""
    dice = np.random.default_rng(seed)
    truth = [axis for axis, size in enumerate(sizes) for _ in range(size)]
    vectors = np.eye(dimensions)[truth] + dice.normal(0, spread, (len(truth), dimensions))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32), truth


def found(vectors: Vectors) -> Groups:
    return grouping.find(vectors, [1.0] * len(vectors), seed=1)


def test_each_axis_is_a_group_and_the_largest_comes_first() -> None:
    vectors, truth = blobs([10, 30, 20])
    groups = found(vectors)
    assert groups.centres.argmax(axis=1).tolist() == [1, 2, 0]
    assert [[1, 2, 0][at] for at in groups.nearest(vectors)[0]] == truth


def test_halves_of_clear_groups_agree() -> None:
    assert found(blobs([20, 20, 20])[0]).agreement == pytest.approx(1.0)


def test_too_few_prompts_cannot_be_halved() -> None:
    assert found(blobs([3, 2])[0]).agreement is None


@pytest.mark.parametrize(
    ("tried", "cut"),
    [
        ({0.30: 0.9, 0.40: 0.88, 0.50: 0.9}, 0.40),
        ({0.30: 0.9, 0.40: 0.80, 0.50: 0.9}, 0.30),
        ({0.30: 0.7, 0.40: 0.80, 0.50: 0.9}, 0.50),
        ({0.30: None, 0.40: None, 0.50: None}, 0.40),
    ],
)
def test_the_usual_cut_holds_unless_another_is_clearly_better(tried: dict[float, float | None], cut: float) -> None:
    assert grouping.chosen(tried, 0.40) == cut


def test_the_cut_before_is_kept() -> None:
    vectors, _ = blobs([20, 20])
    assert grouping.find(vectors, [1.0] * 40, seed=1, usual=0.55).cut == 0.55
    assert grouping.find(vectors, [1.0] * 40, seed=1, usual=0.123).cut == grouping.USUAL_CUT


def test_a_stray_is_no_group_and_unlike_any() -> None:
    vectors, _ = blobs([20, 20, 1])
    groups = found(vectors)
    assert len(groups.centres) == 2
    assert groups.nearest(vectors)[0][-1] == NONE


def test_strays_alone_are_all_there_is() -> None:
    assert len(found(blobs([1, 1])[0]).centres) == 2


@pytest.mark.parametrize("n", [0, 1])
def test_hardly_any_prompt_is_no_error(n: int) -> None:
    vectors = np.eye(4, dtype=np.float32)[:n]
    labels, _ = found(vectors).nearest(vectors)
    assert labels.tolist() == [0] * n


def test_a_vector_without_length_breaks_nothing() -> None:
    vectors = np.vstack([blobs([12, 12])[0], np.zeros((1, 12), dtype=np.float32)])
    assert len(found(vectors).centres) == 2


def test_frequent_prompts_weigh_in_size_and_centre() -> None:
    vectors, _ = blobs([5, 6], spread=0.1)
    groups = grouping.find(vectors, [100.0] * 5 + [1.0] * 6, seed=1)
    assert groups.centres[0].argmax() == 0


def test_what_is_just_outside_still_belongs_and_what_is_far_does_not() -> None:
    groups = Groups(np.eye(3, dtype=np.float32)[:1], np.array([0.7], dtype=np.float32), 0.4, None)
    vectors = np.array([[0.8, 0.6, 0], [0.6, 0.8, 0]], dtype=np.float32)
    assert groups.nearest(vectors)[0].tolist() == [0, NONE]


def test_joined_likeness_is_the_mix_of_both() -> None:
    one, other = np.eye(2, dtype=np.float32)
    same_question = grouping.joined(np.stack([one, one]), np.stack([one, other]))
    assert float(same_question[0] @ same_question[1]) == pytest.approx(1 - grouping.SYSTEM_PART)


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 2**31), st.lists(st.integers(4, 15), min_size=2, max_size=5))
def test_the_same_input_gives_the_same_groups(seed: int, sizes: list[int]) -> None:
    vectors, _ = blobs(sizes, spread=0.2, seed=seed)
    first, second = (grouping.find(vectors, [1.0] * len(vectors), seed=seed) for _ in range(2))
    assert np.array_equal(first.centres, second.centres) and first.cut == second.cut


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**31), st.lists(st.integers(1, 12), min_size=1, max_size=6))
def test_centres_are_of_unit_length_and_own_prompts_belong(seed: int, sizes: list[int]) -> None:
    vectors, _ = blobs(sizes, spread=0.3, seed=seed)
    groups = found(vectors)
    labels, similarity = groups.nearest(vectors)
    assert np.allclose(np.linalg.norm(groups.centres, axis=1), 1, atol=1e-5)
    assert all(NONE <= at < len(groups.centres) for at in labels) and (np.abs(similarity) <= 1.001).all()


labels = st.lists(st.integers(-1, 3), min_size=1, max_size=40)


@settings(deadline=None)
@given(labels, st.permutations(range(4)))
def test_renumbered_groups_are_matched_back(told: list[int], order: list[int]) -> None:
    old = np.asarray(told)
    new = np.asarray([NONE if each == NONE else order[each] for each in told])
    centres = np.eye(4, dtype=np.float32)
    weights = np.ones(len(told))
    same = matching.matched(old, new, weights, centres, centres[np.argsort(order)])
    assert all(same[order[each]] == each for each in set(told) - {NONE})
    assert matching.kept_share(old, new, weights, same) == pytest.approx(1.0)


@settings(deadline=None)
@given(labels, st.data())
def test_matching_is_one_to_one_and_shares_are_shares(told: list[int], data: st.DataObject) -> None:
    other = data.draw(st.lists(st.integers(-1, 3), min_size=len(told), max_size=len(told)))
    old, new, weights = np.asarray(told), np.asarray(other), np.ones(len(told))
    centres = np.eye(4, dtype=np.float32)
    same = matching.matched(old, new, weights, centres, centres)
    kept = matching.kept_share(old, new, weights, same)
    assert len(set(same.values())) == len(same)
    assert kept is not None and 0 <= kept <= 1


@settings(deadline=None)
@given(labels)
def test_overlaps_lie_between_nothing_and_all(told: list[int]) -> None:
    each = np.asarray(told)
    shared = matching.overlaps(each, each, np.ones(len(told)), 4, 4)
    assert ((shared >= 0) & (shared <= 1)).all()
    assert all(shared[at, at] == pytest.approx(1.0) for at in set(told) - {NONE})


def test_a_group_that_mostly_holds_other_calls_is_new() -> None:
    old, new = np.array([0] * 10 + [NONE] * 30), np.array([0] * 40)
    centres = np.eye(1, dtype=np.float32)
    assert matching.matched(old, new, np.ones(40), centres, centres) == {}


def test_calls_count_by_what_they_stand_for() -> None:
    old, new = np.array([0, 1]), np.array([0, 0])
    assert matching.kept_share(old, new, np.array([9.0, 1.0]), {0: 0}) == pytest.approx(0.9)


def test_without_calls_nothing_is_kept_or_lost() -> None:
    nothing = np.array([], dtype=np.int64)
    assert matching.kept_share(nothing, nothing, np.array([]), {}) is None
