"""Trees as arrays say what scikit-learn's own say, and a step that a smooth process would blur."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing.forest import AT_ONCE, DEEPEST, LEAST_OF_LEAF, TRIED, Forest, grown

N_TREES = 12


NOTHING_BESIDE = np.empty((200, 0))


def world(n: int = 200, seed: int = 0) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Two targets that step at 0 of the first and of the second of 20 columns."""
    points = np.random.default_rng(seed).normal(size=(n, 20))
    return points, np.sign(points[:, :2])


@pytest.fixture(scope="module")
def forest() -> Forest:
    return grown(*world(), NOTHING_BESIDE, n_embedded=12, seed=0, n_trees=N_TREES)


def test_it_says_what_the_library_says(forest: Forest) -> None:
    from sklearn.ensemble import ExtraTreesRegressor

    model = ExtraTreesRegressor(
        N_TREES, min_samples_leaf=LEAST_OF_LEAF, max_depth=DEEPEST, max_features=TRIED, random_state=0
    )
    (points, targets), (fresh, _) = world(), world(50, seed=1)
    model.fit(forest.sight.own_view(points), targets)
    assert forest.predict(fresh) == pytest.approx(model.predict(forest.sight.view(fresh)), abs=1e-5)


def test_it_finds_the_steps() -> None:
    points, targets = world(1_000)
    found = grown(points, targets, np.empty((1_000, 0)), n_embedded=12, seed=0, n_trees=40).predict(
        world(200, seed=1)[0]
    )
    agree = np.sign(found) == world(200, seed=1)[1]
    assert agree.mean() > 0.8


def test_one_target_and_more_prompts_than_are_asked_at_once() -> None:
    points, targets = world()
    one = grown(points, targets[:, :1], NOTHING_BESIDE, n_embedded=12, seed=0, n_trees=N_TREES)
    many = np.repeat(points[:1], AT_ONCE + 3, axis=0)
    found = one.predict(many)
    assert found.shape == (AT_ONCE + 3, 1) and np.ptp(found) == 0
    assert one.predict(points[:0]).shape == (0, 1)


def test_the_same_seed_grows_the_same_trees(forest: Forest) -> None:
    again, other = (grown(*world(), NOTHING_BESIDE, n_embedded=12, seed=n, n_trees=N_TREES) for n in (0, 1))
    assert np.array_equal(forest.limits, again.limits) and np.array_equal(forest.values, again.values)
    assert not np.array_equal(forest.values, other.values)


@given(st.lists(st.floats(-1e6, 1e6), min_size=20, max_size=20))
def test_it_never_says_more_than_it_was_told(forest: Forest, point: list[float]) -> None:
    assert (np.abs(forest.predict(np.array([point]))) <= 1 + 1e-6).all()


def test_what_is_known_beside_the_difference_guides_the_splits() -> None:
    """Both answer half of the prompts well and fail the others; the default alone fails a few, all among the others.
    What parts the halves is then split on more often, and predicted is the difference alone."""
    rng = np.random.default_rng(0)
    points = rng.normal(size=(600, 20))
    is_hard = points[:, 15] > 0
    difference = (is_hard & (rng.random(600) < 0.1)).astype(float)[:, None]
    level = np.where(is_hard, 0.0, 1.0)[:, None]
    asides = np.empty((600, 0)), np.concatenate([level, level + difference], axis=1)
    made = [grown(points, difference, beside, n_embedded=12, seed=0, n_trees=100) for beside in asides]
    without, guided = ((each.columns == 15).mean() for each in made)
    assert guided > 1.2 * without and made[1].predict(points).shape == (600, 1)
