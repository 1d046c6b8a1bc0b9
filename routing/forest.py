"""Extremely randomised trees as plain arrays: grown by scikit-learn, kept and asked without it. Pure.

Geurts, Ernst and Wehenkel 2006. They find steps and conjunctions of surface features that a smooth process cannot.
What a leaf says is the average of at least LEAST_OF_LEAF judged prompts, so no tree says more than was judged.

They also learn how well each option did by itself: a prompt that both answer well and one that both fail have the same
difference, and are not alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from routing.neighbours import Sight, sight_of

Matrix = npt.NDArray[np.float64]

N_TREES = 300
LEAST_OF_LEAF = 5
DEEPEST = 30
TRIED = 0.2  # share of the columns tried at a split
AT_ONCE = 512


@dataclass(frozen=True, slots=True)
class Forest:
    """All trees' nodes one after another. A leaf leads to itself, so that `depth` steps bring every prompt to one."""

    sight: Sight
    roots: npt.NDArray[np.int32]
    columns: npt.NDArray[np.int32]
    limits: npt.NDArray[np.float32]
    below: npt.NDArray[np.int32]
    above: npt.NDArray[np.int32]
    values: npt.NDArray[np.float32]
    depth: int

    def predict(self, points: Matrix) -> Matrix:
        """Means over the trees, shape (n, targets)."""
        parts = [self._among(points[start : start + AT_ONCE]) for start in range(0, len(points), AT_ONCE)]
        return np.concatenate(parts) if parts else np.empty((0, self.values.shape[1]))

    def _among(self, points: Matrix) -> Matrix:
        told, rows = self.sight.view(points), np.arange(len(points))[:, None]
        at = np.broadcast_to(self.roots, (len(points), len(self.roots)))
        for _ in range(self.depth):
            at = np.where(told[rows, self.columns[at]] <= self.limits[at], self.below[at], self.above[at])
        found: Matrix = self.values[at].astype(np.float64).mean(1)
        return found


def grown(
    points: Matrix, targets: Matrix, beside: Matrix, *, n_embedded: int, seed: int, n_trees: int = N_TREES
) -> Forest:
    """Learn targets of shape (n, t) at points of shape (n, d), the first `n_embedded` columns an embedding; n ≥ 2.

    `beside`, shape (n, u): what else the splits are to tell apart, and no tree is asked for afterwards.
    Same points, targets and seed, same trees.
    """
    from sklearn.ensemble import ExtraTreesRegressor  # a second of import, needed only for training

    told = np.concatenate([targets, beside], axis=1)
    sight = sight_of(points, told, n_embedded)
    limits = {"min_samples_leaf": LEAST_OF_LEAF, "max_depth": DEEPEST, "max_features": TRIED}
    model = ExtraTreesRegressor(n_trees, random_state=seed, **limits)
    model.fit(sight.own_view(points), told if told.shape[1] > 1 else told[:, 0])
    return _joined([each.tree_ for each in model.estimators_], sight, targets.shape[1])


def _joined(trees: Sequence[Any], sight: Sight, n_targets: int) -> Forest:
    starts = np.cumsum([0, *(tree.node_count for tree in trees[:-1])])
    nodes = [np.arange(tree.node_count) for tree in trees]
    return Forest(
        sight=sight,
        roots=starts.astype(np.int32),
        columns=np.concatenate([np.maximum(tree.feature, 0) for tree in trees]).astype(np.int32),
        limits=np.concatenate([tree.threshold for tree in trees]).astype(np.float32),
        below=_led([tree.children_left for tree in trees], nodes, starts),
        above=_led([tree.children_right for tree in trees], nodes, starts),
        values=np.concatenate([tree.value[:, :n_targets, 0] for tree in trees]).astype(np.float32),
        depth=max(tree.max_depth for tree in trees),
    )


def _led(children: Sequence[Any], nodes: Sequence[Any], starts: Any) -> npt.NDArray[np.int32]:
    """Where each node leads to, counted over all trees; scikit-learn marks a leaf by -1."""
    each = [start + np.where(to < 0, own, to) for to, own, start in zip(children, nodes, starts, strict=True)]
    return np.concatenate(each).astype(np.int32)
