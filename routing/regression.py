"""What difference to the default a prompt makes: a Gaussian process on embeddings and surface features. Pure.

The kernel is a sum of two: near prompts behave alike (a radial one on the embedding joined with the surface features),
and what grows, grows everywhere (a linear one). Past MAX_ANCHORS prompts it is the projected process on anchors drawn
from them (Rasmussen and Williams 2006, §2.2 and §8.3.4), so that a prediction costs the same however much was judged.
Its variance grows away from the prompts judged, up to that of knowing nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.linalg import cho_factor, cho_solve, solve_triangular

Matrix = npt.NDArray[np.float64]

MAX_ANCHORS = 1_200
SURFACE_SCALE = 0.15
FLAT = 0.05  # a feature that hardly varies among the prompts judged is measured by this
FAR = 4.0


@dataclass(frozen=True, slots=True)
class Kernel:
    """Sizes relative to the noise of one judged pair."""

    near: float = 0.3
    spread: float = 0.6
    slope: float = 0.1

    def __call__(self, one: Matrix, other: Matrix) -> Matrix:
        inner = one @ other.T
        apart = np.maximum((one * one).sum(1)[:, None] + (other * other).sum(1) - 2 * inner, 0.0)
        found: Matrix = self.near * np.exp(-self.spread * apart) + self.slope * inner
        return found

    def alone(self, points: Matrix) -> Matrix:
        """The variance of each point before anything is known."""
        found: Matrix = self.near + self.slope * (points * points).sum(1)
        return found


@dataclass(frozen=True, slots=True)
class Scale:
    """How surface features are brought to the embedding's size: centred, divided, cut off at FAR."""

    centre: Matrix
    width: Matrix

    @staticmethod
    def of(surfaces: Matrix) -> Scale:
        return Scale(surfaces.mean(0), np.maximum(surfaces.std(0), FLAT))

    def joined(self, embeddings: npt.NDArray[np.floating], surfaces: Matrix) -> Matrix:
        """Points of the process, shape (n, d + features)."""
        told = np.clip((surfaces - self.centre) / self.width, -FAR, FAR) * SURFACE_SCALE
        return np.concatenate([np.asarray(embeddings, dtype=np.float64), told], axis=1)


@dataclass(frozen=True, slots=True)
class Process:
    """What was learnt: `mean` per target, `weights` of the anchors, `known` with var = prior − kᵀ known k."""

    kernel: Kernel
    anchors: Matrix
    mean: Matrix
    weights: Matrix
    known: Matrix

    def predict(self, points: Matrix) -> tuple[Matrix, Matrix]:
        """Means, shape (n, targets), and variances in units of the noise, shape (n,)."""
        near = self.kernel(points, self.anchors)
        left = self.kernel.alone(points) - np.einsum("ij,ij->i", near @ self.known, near)
        return self.mean + near @ self.weights, np.maximum(left, 0.0) + self.floor

    @property
    def floor(self) -> float:
        """What stays unknown of the general mean, however many neighbours a prompt has."""
        return 1.0 / max(len(self.anchors), 1)


def fit(
    points: Matrix, targets: Matrix, kernel: Kernel, rng: np.random.Generator, *, n_anchors: int = MAX_ANCHORS
) -> Process:
    """Learn targets of shape (n, t) at points of shape (n, d). Costs about n · anchors² operations."""
    mean = targets.mean(0)
    if len(points) <= n_anchors:
        held = kernel(points, points)
        held[np.diag_indices(len(held))] += 1.0
        known = cho_solve(cho_factor(held, lower=True), np.eye(len(held)))
        return Process(kernel, points, mean, known @ (targets - mean), known)
    chosen = np.sort(rng.choice(len(points), n_anchors, replace=False))
    return _projected(points, targets - mean, mean, kernel, points[chosen])


def _projected(points: Matrix, residues: Matrix, mean: Matrix, kernel: Kernel, anchors: Matrix) -> Process:
    within = kernel(anchors, anchors)
    within[np.diag_indices(len(within))] += 1e-6 * within.diagonal().mean()
    lower = np.linalg.cholesky(within)
    seen = solve_triangular(lower, kernel(anchors, points), lower=True)
    gathered = cho_factor(np.eye(len(anchors)) + seen @ seen.T, lower=True)
    weights = solve_triangular(lower, cho_solve(gathered, seen @ residues), lower=True, trans="T")
    middle = np.eye(len(anchors)) - cho_solve(gathered, np.eye(len(anchors)))
    half = solve_triangular(lower, middle, lower=True, trans="T")
    known = solve_triangular(lower, half.T, lower=True, trans="T")
    return Process(kernel, anchors, mean, weights, (known + known.T) / 2)
