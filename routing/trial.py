"""What a way of learning says of judged pairs that it was not shown: fifths at random, and whole kinds. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from routing.forest import Forest, grown
from routing.regression import Kernel, Matrix, fit

N_FOLDS = 5
FARTHEST = 0.02
N_KINDS = 10
MIN_OF_KIND = 15
NEIGHBOURS = 5
TRIAL_ANCHORS = 400
TRIAL_TREES = 80

Groups = npt.NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Predictions of each pair from others only, in units as in `Process.predict`."""

    means: Matrix
    left: Matrix

    def blended(self, trees: Matrix, share: float, reach: float) -> LeftOut:
        return LeftOut(blended(self.means, trees, self.left, share, reach), self.left)


def blended(means: Matrix, trees: Matrix, left: Matrix, share: float, reach: float) -> Matrix:
    """The means of the process, with their share of the trees' where no more is left to know than `reach`.

    Past it a prompt is unlike those judged, by its embedding or by its surface. Trees go on there as if it were like
    the last they saw; the process knows that it does not know.
    """
    shares = np.where(left <= reach, share, 0.0)[:, None]
    found: Matrix = means + shares * (trees - means)
    return found


@dataclass(frozen=True, slots=True)
class Trial:
    """Pairs of options that were judged on the same prompts."""

    points: Matrix
    embeddings: npt.NDArray[np.float32]
    targets: Matrix
    beside: Matrix  # how well each did by itself; no columns where that is not known of every pair
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

    def reach(self, kernel: Kernel) -> float:
        """What is left to know of all but FARTHEST of a fifth, to a process as large as the one kept."""
        out = self.folds() == 0
        process = fit(self.points[~out], self.targets[~out], kernel, np.random.default_rng(self.seed))
        return reach_of(process.predict(self.points[out])[1])

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
            means[out] = self.forest(~out, TRIAL_TREES).predict(self.points[out])
        return means

    def forest(self, among: npt.NDArray[np.bool_], n_trees: int) -> Forest:
        """Trees that have seen these pairs."""
        seen = self.points[among], self.targets[among], self.beside[among]
        return grown(*seen, n_embedded=self.embeddings.shape[1], seed=self.seed, n_trees=n_trees)


def reach_of(left: Matrix) -> float:
    return float(np.quantile(left, 1 - FARTHEST))


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
