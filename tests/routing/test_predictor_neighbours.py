"""What trees see of a prompt: few axes, and how its nearest judged prompts turned out, itself never among them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from routing.neighbours import AT_ONCE, AXES, SIZES, sight_of

N_EMBEDDED, N_SURFACE = 6, 2


def judged(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, N_EMBEDDED + N_SURFACE)), rng.choice([-1.0, 0.0, 1.0], size=(n, 1))


def test_a_prompt_is_seen_on_axes_by_its_surface_and_by_its_neighbours() -> None:
    points, outcomes = judged(300)
    sight = sight_of(points, outcomes, N_EMBEDDED)
    fresh, _ = judged(7, seed=1)
    found = sight.view(fresh)
    assert found.shape == (7, N_EMBEDDED + N_SURFACE + len(SIZES))
    assert found[:, N_EMBEDDED : N_EMBEDDED + N_SURFACE] == pytest.approx(fresh[:, N_EMBEDDED:], abs=1e-6)


def test_neighbours_are_those_of_the_greatest_cosine_and_near_ones_count_more() -> None:
    points, outcomes = judged(300)
    sight = sight_of(points, outcomes, N_EMBEDDED)
    fresh, _ = judged(1, seed=2)
    turned = fresh[0, :N_EMBEDDED] @ sight.axes
    cosines = sight.seen @ (turned / np.linalg.norm(turned))
    nearest = np.argsort(-cosines)[: SIZES[0]]
    weights = cosines[nearest] ** 4
    assert sight.view(fresh)[0, -len(SIZES)] == pytest.approx(
        (weights @ outcomes[nearest, 0]) / weights.sum(), abs=1e-4
    )


def test_a_judged_prompt_is_not_its_own_neighbour() -> None:
    """Two far groups, in each of which a single prompt turned out well: it alone must not hear of itself."""
    points = np.concatenate([np.eye(N_EMBEDDED + N_SURFACE)[[0] * 50], np.eye(N_EMBEDDED + N_SURFACE)[[1] * 50]])
    outcomes = np.zeros((100, 1))
    outcomes[[3, 60]] = 1.0
    sight = sight_of(points, outcomes, N_EMBEDDED)
    own, of_others = sight.own_view(points)[:, -1], sight.view(points)[:, -1]
    assert max(own[3], own[60]) < 1e-6 and own[4] == pytest.approx(1 / 49, abs=1e-3)
    assert of_others[3] > 0.01


def test_more_prompts_than_are_looked_at_at_once_know_themselves_too() -> None:
    points, outcomes = judged(AT_ONCE + 40)
    sight = sight_of(points, outcomes, N_EMBEDDED)
    by_one = [sight_of(points, outcomes, N_EMBEDDED).own_view(points)[row] for row in (0, AT_ONCE + 5)]
    whole = sight.own_view(points)
    assert np.allclose(whole[[0, AT_ONCE + 5]], by_one) and len(whole) == len(points)
    left_out = np.delete(np.arange(len(points)), AT_ONCE + 5)
    turned = points[:, :N_EMBEDDED].astype(np.float32) @ sight.axes
    unit = turned / np.linalg.norm(turned, axis=1, keepdims=True)
    near = left_out[np.argsort(-(unit[left_out] @ unit[AT_ONCE + 5]))[: SIZES[0]]]
    weights = (unit[near] @ unit[AT_ONCE + 5]) ** 4
    assert whole[AT_ONCE + 5, -len(SIZES)] == pytest.approx((weights @ outcomes[near, 0]) / weights.sum(), abs=1e-4)


def test_axes_are_those_along_which_prompts_differ_most() -> None:
    points, outcomes = judged(400)
    points[:, 3] *= 10
    wide = sight_of(np.concatenate([points[:, :N_EMBEDDED]] * 20, axis=1), outcomes, 20 * N_EMBEDDED)
    assert abs(sight_of(points, outcomes, N_EMBEDDED).axes[3, 0]) > 0.99 and wide.axes.shape == (120, AXES)


@given(arrays(np.float64, (2, N_EMBEDDED + N_SURFACE), elements=st.floats(-1e6, 1e6)), st.integers(2, 60))
def test_whatever_the_prompt_the_means_lie_within_the_outcomes(fresh: np.ndarray, n: int) -> None:
    points, outcomes = judged(n)
    found = sight_of(points, outcomes, N_EMBEDDED).view(fresh)[:, -len(SIZES) :]
    assert np.isfinite(found).all() and found.min() >= outcomes.min() - 1e-4 and found.max() <= outcomes.max() + 1e-4
