"""Groups of alike prompts out of unit vectors: average-linkage clusters, cut where halves of the sample agree.

Average linkage over cosine distance finds how many kinds there are by itself, gives no weight to how often a prompt
repeats, and came back the same on other samples where k-means needed the number told and density left a third out
(docs/kinds-of-work.md has the figures).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.cluster import hierarchy
from sklearn.metrics import adjusted_rand_score

Vectors = npt.NDArray[np.float32]
Weights = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int64]

CUTS = (0.30, 0.35, 0.40, 0.45, 0.50, 0.55)  # cosine distances, the finest first
MAX_KINDS = 60
SMALLEST = 3  # calls; fewer are strays
SMALLEST_SHARE = 0.004
HALVES = 3
# The cut that came back the same most often in the simulated world. Agreement is too noisy to choose by at every fit:
# another cut is taken only where halves agree on it clearly better.
USUAL_CUT, CLEARLY = 0.40, 0.05
LOOSENESS = 0.1  # further from its centre than any of its own, a newcomer may still belong
SYSTEM_PART = 0.3  # of likeness, where instructions differ
NONE = -1


@dataclass(frozen=True, slots=True)
class Groups:
    """Centres are unit vectors, one row a group, largest group first; `radii` are the least similarity to belong.

    `agreement` in [0, 1] is the adjusted Rand index of groups found in halves of the sample; None of too few prompts.
    """

    centres: Vectors
    radii: npt.NDArray[np.float32]
    cut: float
    agreement: float | None

    def nearest(self, vectors: Vectors) -> tuple[Labels, npt.NDArray[np.float32]]:
        """Group and similarity of each; NONE where it is unlike every group."""
        if not len(self.centres) or not len(vectors):
            return np.full(len(vectors), NONE), np.zeros(len(vectors), dtype=np.float32)
        similarity = vectors @ self.centres.T
        best = similarity.argmax(axis=1)
        found = similarity[np.arange(len(vectors)), best]
        return np.where(found >= self.radii[best], best, NONE), found


def joined(asked: Vectors, system: Vectors) -> Vectors:
    """One unit vector a prompt, out of those of its question and of its instructions: SYSTEM_PART of the likeness."""
    parts = (np.sqrt(1 - SYSTEM_PART) * asked, np.sqrt(SYSTEM_PART) * system)
    return np.hstack(parts).astype(np.float32)


def find(vectors: Vectors, counts: Sequence[float], *, seed: int, usual: float | None = None) -> Groups:
    """Groups of different prompts; `counts` says how many calls each stands for. The same input, the same groups.

    `usual`: the cut of the fit before, which holds as long as no other is clearly better.
    """
    tried = dict(zip(CUTS, agreements(vectors, seed=seed), strict=True))
    cut = chosen(tried, usual if usual in CUTS else USUAL_CUT)
    labels = _labels(_tree(vectors), len(vectors), cut)
    return _groups(vectors, labels, np.asarray(counts, dtype=np.float64), cut, tried[cut])


def chosen(tried: Mapping[float, float | None], usual: float) -> float:
    """The usual cut, or the one whose halves agree clearly better; of equals the finest."""
    best = max(tried, key=lambda cut: (tried[cut] or 0.0, -cut))
    return best if (tried[best] or 0.0) > (tried[usual] or 0.0) + CLEARLY else usual


def agreements(vectors: Vectors, *, seed: int) -> list[float | None]:
    """For each cut: how alike the groups are that two halves of the prompts put all of them in (adjusted Rand).

    The mean over a few ways to halve them; None where there are too few.
    """
    if len(vectors) < 4 * SMALLEST:
        return [None] * len(CUTS)
    dice = np.random.default_rng(seed)
    orders = [dice.permutation(len(vectors)) for _ in range(HALVES)]
    halves = [[vectors[half] for half in np.array_split(order, 2)] for order in orders]
    told = [[_agreement(vectors, *pair) for pair in zip(*map(_cuts, pairs), strict=True)] for pairs in halves]
    return [float(each) for each in np.mean(told, axis=0)]


def _cuts(half: Vectors) -> list[Vectors]:
    """The centres at each cut."""
    tree, ones = _tree(half), np.ones(len(half))
    return [_centres(half, _labels(tree, len(half), cut), ones)[0] for cut in CUTS]


def _agreement(vectors: Vectors, first: Vectors, second: Vectors) -> float:
    labels = ((vectors @ centres.T).argmax(axis=1) for centres in (first, second))
    return float(adjusted_rand_score(*labels))


def _tree(vectors: Vectors) -> Weights:
    """Which prompts join at which distance."""
    if len(vectors) < 2:
        return np.zeros((0, 4))
    # A vector without length has no direction to compare; it stays apart from all.
    safe = np.where(np.linalg.norm(vectors, axis=1, keepdims=True) > 0, vectors, 1e-9).astype(np.float64)
    tree: Weights = hierarchy.linkage(safe, method="average", metric="cosine")
    tree[:, 2] = np.maximum(tree[:, 2], 0.0)
    return tree


def _labels(tree: Weights, n: int, cut: float) -> Labels:
    if not len(tree):
        return np.zeros(n, dtype=np.int64)
    return np.asarray(hierarchy.fcluster(tree, cut, criterion="distance"), dtype=np.int64) - 1


def _centres(vectors: Vectors, labels: Labels, weights: Weights) -> tuple[Vectors, Labels]:
    """Unit centres of the groups that are large enough, the largest first, and the labels they had.

    Where none is large enough, all of them.
    """
    sizes = np.bincount(labels, weights=weights) if len(labels) else np.zeros(0)
    order = np.argsort(-sizes, kind="stable")
    least = max(float(SMALLEST), SMALLEST_SHARE * float(weights.sum()))
    large = [at for at in order if sizes[at] >= least]
    kept = np.asarray(large or order, dtype=np.int64)[:MAX_KINDS]
    centres = [_unit(np.average(vectors[labels == at], axis=0, weights=weights[labels == at])) for at in kept]
    return np.stack(centres).astype(np.float32) if centres else vectors[:0], kept


def _unit(vector: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
    length = float(np.linalg.norm(vector))
    return vector / length if length > 0 else vector


def _groups(vectors: Vectors, labels: Labels, weights: Weights, cut: float, agreed: float | None) -> Groups:
    centres, kept = _centres(vectors, labels, weights)
    least = [float((vectors[labels == at] @ centre).min()) for at, centre in zip(kept, centres, strict=True)]
    radii = np.maximum(np.asarray(least, dtype=np.float32) - LOOSENESS, 0.0)
    return Groups(centres, radii.astype(np.float32), cut, agreed)
