"""Which group of a new fit is which of the one before: one to one, by how much of the same calls both hold."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

from projects.clusters.grouping import NONE, Labels, Vectors

SAME = 0.3  # overlap from which on a group is the old one
CENTRE_PART = 0.2  # of the score; tells apart what overlaps alike


def matched(
    old: Labels, new: Labels, weights: npt.NDArray[np.float64], old_centres: Vectors, new_centres: Vectors
) -> dict[int, int]:
    """New group → old group, where they are the same: Hungarian assignment over overlap and nearness of centres.

    `old` and `new` are labels of the same calls by both fits, NONE for unlike any; `weights` what each call counts.
    A pair must share SAME of all calls that either holds (Jaccard), so that a new kind of work gets a new name.
    """
    if not len(old_centres) or not len(new_centres):
        return {}
    shared = overlaps(old, new, weights, len(old_centres), len(new_centres))
    score = (1 - CENTRE_PART) * shared + CENTRE_PART * (new_centres @ old_centres.T)
    rows, columns = linear_sum_assignment(-score)
    return {int(row): int(column) for row, column in zip(rows, columns, strict=True) if shared[row, column] >= SAME}


def overlaps(
    old: Labels, new: Labels, weights: npt.NDArray[np.float64], n_old: int, n_new: int
) -> npt.NDArray[np.float64]:
    """Jaccard index of each new group (row) with each old one (column), in [0, 1]."""
    both = np.zeros((n_new, n_old))
    is_in = (old != NONE) & (new != NONE)
    np.add.at(both, (new[is_in], old[is_in]), weights[is_in])
    in_new, in_old = _sizes(new, weights, n_new), _sizes(old, weights, n_old)
    either = in_new[:, None] + in_old[None, :] - both
    return np.divide(both, either, out=np.zeros_like(both), where=either > 0)


def _sizes(labels: Labels, weights: npt.NDArray[np.float64], n: int) -> npt.NDArray[np.float64]:
    is_in = labels != NONE
    return np.bincount(labels[is_in], weights=weights[is_in], minlength=n).astype(np.float64)


def kept_share(old: Labels, new: Labels, weights: npt.NDArray[np.float64], same: dict[int, int]) -> float | None:
    """Share of calls that stay in their kind, in [0, 1]; one unlike any kind in both fits stays. None of no calls."""
    total = float(weights.sum())
    if total <= 0:
        return None
    renamed = np.asarray([same.get(int(each), NONE - 1) if each != NONE else NONE for each in new])
    return float(weights[renamed == old].sum() / total)
