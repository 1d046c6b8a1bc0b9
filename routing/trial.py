"""What a way of learning says of judged pairs that it was not shown: fifths at random, and whole kinds. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from routing.forest import grown
from routing.regression import Kernel, Matrix, fit

N_FOLDS = 5
N_KINDS = 10
MIN_OF_KIND = 15
NEIGHBOURS = 5
TRIAL_ANCHORS = 400
TRIAL_TREES = 15

Groups = npt.NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Predictions of each pair from others only, in units as in `Process.predict`."""

    means: Matrix
    left: Matrix

    def blended(self, trees: Matrix, share: float) -> LeftOut:
        return LeftOut((1 - share) * self.means + share * trees, self.left)


@dataclass(frozen=True, slots=True)
class Trial:
    """Pairs of options that were judged on the same prompts."""

    points: Matrix
    embeddings: npt.NDArray[np.float32]
    targets: Matrix
    seed: int

    def folds(self) -> Groups:
        return np.random.default_rng(self.seed).permutation(len(self.points)) % N_FOLDS

    def kinds(self) -> Groups:
        return kinds_of(self.embeddings, seed=self.seed)

    def error(self, means: Matrix) -> float:
        return float(((means - self.targets) ** 2).mean())

    def by_process(self, groups: Groups, kernel: Kernel) -> LeftOut:
        """Each group predicted from the others by the process."""
        means, left = np.empty_like(self.targets), np.empty(len(groups))
        for out in _each(groups):
            rng = np.random.default_rng(self.seed)
            process = fit(self.points[~out], self.targets[~out], kernel, rng, n_anchors=TRIAL_ANCHORS)
            means[out], left[out] = process.predict(self.points[out])
        return LeftOut(means, left)

    def nearness(self, groups: Groups) -> Matrix:
        """Of each pair to the fifth nearest of those of other groups."""
        near = np.empty(len(groups))
        for out in _each(groups):
            near[out] = nearness(self.embeddings[out], self.embeddings[~out])
        return near

    def by_trees(self, groups: Groups) -> Matrix:
        """Each group predicted from the others by trees."""
        means = np.empty_like(self.targets)
        for out in _each(groups):
            forest = grown(self.points[~out], self.targets[~out], seed=self.seed, n_trees=TRIAL_TREES)
            means[out] = forest.predict(self.points[out])
        return means


def _each(groups: Groups) -> Iterator[npt.NDArray[np.bool_]]:
    return (groups == group for group in np.unique(groups))


def kinds_of(embeddings: npt.NDArray[np.float32], *, seed: int) -> Groups:
    """Prompts parted into at most N_KINDS kinds of like meaning."""
    from sklearn.cluster import KMeans  # a second of import, needed only for training

    n_kinds = max(1, min(N_KINDS, len(embeddings) // (2 * MIN_OF_KIND)))
    made = KMeans(n_kinds, n_init=3, random_state=seed).fit_predict(np.asarray(embeddings, dtype=np.float64))
    return np.asarray(made, dtype=np.intp)


def nearness(embeddings: npt.NDArray[np.floating], others: npt.NDArray[np.floating]) -> Matrix:
    """Cosine to the fifth nearest of the others."""
    alike = np.asarray(embeddings, dtype=np.float64) @ np.asarray(others, dtype=np.float64).T
    k = min(NEIGHBOURS, alike.shape[1])
    found: Matrix = np.partition(alike, -k, axis=1)[:, -k]
    return found
