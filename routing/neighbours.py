"""What trees see of a prompt: its embedding on few axes, its surface, how the nearest judged prompts turned out. Pure.

Trees split on one column at a time, and a single column of an embedding says little. So they see it on the AXES along
which the judged prompts differ most (principal component analysis), and beside it the mean outcomes of its nearest
10, 40 and 160 judged prompts, near ones counting more. In training a prompt is not its own neighbour.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Matrix = npt.NDArray[np.float64]
Single = npt.NDArray[np.float32]

AXES = 64
SIZES = (10, 40, 160)
SHARPNESS = 4  # a neighbour counts by its cosine to this power
LEAST = 1e-3  # … and by this at least, so that there is always a mean
AT_ONCE = 512


@dataclass(frozen=True, slots=True)
class Sight:
    """`axes`, shape (d, AXES at most), of an embedding's columns; the judged prompts as `seen` on them, of unit length,
    shape (n, AXES), and their `outcomes`, shape (n, o)."""

    axes: Single
    seen: Single
    outcomes: Single

    def view(self, points: Matrix) -> Single:
        """Points of shape (n, d + rest) as trees see them, shape (n, AXES + rest + o for each of SIZES)."""
        parts = [self._view(points[start : start + AT_ONCE]) for start in range(0, max(len(points), 1), AT_ONCE)]
        return np.concatenate(parts)

    def own_view(self, points: Matrix) -> Single:
        """The same of the very prompts that were judged, each without itself among its neighbours."""
        starts = range(0, len(points), AT_ONCE)
        return np.concatenate([self._view(points[start : start + AT_ONCE], first=start) for start in starts])

    def _view(self, points: Matrix, first: int | None = None) -> Single:
        told = points.astype(np.float32)
        turned, rest = told[:, : len(self.axes)] @ self.axes, told[:, len(self.axes) :]
        alike = _unit(turned) @ self.seen.T
        if first is not None:
            rows = np.arange(len(points))
            alike[rows, first + rows] = -np.inf
        return np.concatenate([turned, rest, self._of_the_nearest(alike)], axis=1)

    def _of_the_nearest(self, alike: Single) -> Single:
        most = min(max(SIZES), alike.shape[1] - 1)
        near = np.argpartition(-alike, most, axis=1)[:, :most]
        order = np.argsort(-np.take_along_axis(alike, near, axis=1), axis=1, kind="stable")
        near = np.take_along_axis(near, order, axis=1)
        weights = np.maximum(np.take_along_axis(alike, near, axis=1), LEAST) ** SHARPNESS
        weighted = weights[:, :, None] * self.outcomes[near]
        means = [weighted[:, :k].sum(1) / weights[:, :k].sum(1, keepdims=True) for k in SIZES]
        return np.concatenate(means, axis=1).astype(np.float32)


def sight_of(points: Matrix, outcomes: Matrix, n_embedded: int) -> Sight:
    """How prompts are seen from these judged ones, whose first `n_embedded` columns are an embedding."""
    axes = _axes(points[:, :n_embedded])
    turned = points[:, :n_embedded].astype(np.float32) @ axes
    return Sight(axes, _unit(turned), outcomes.astype(np.float32))


def _axes(embeddings: Matrix) -> Single:
    """Principal axes, those of the greatest variance first, each turned so that its largest part is positive."""
    apart = embeddings - embeddings.mean(0)
    found = np.linalg.eigh(apart.T @ apart)[1][:, ::-1][:, :AXES]
    largest = np.abs(found).argmax(0)
    turned: Single = (found * np.sign(found[largest, np.arange(found.shape[1])])).astype(np.float32)
    return turned


def _unit(turned: Single) -> Single:
    found: Single = turned / np.maximum(np.linalg.norm(turned, axis=1, keepdims=True), np.float32(1e-9))
    return found
