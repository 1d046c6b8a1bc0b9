"""How far judges can be trusted, and estimates corrected for their errors by people's labels. Pure.

Agreement is Lin's concordance, which is Cohen's kappa with quadratic weights for scores on a scale (Fleiss & Cohen
1973). Correction is prediction-powered inference (Angelopoulos et al. 2023, Science 382:669), and for shares
Rogan & Gladen (1978).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations

import numpy as np
from scipy.stats import norm

from evaluation.statistics import Estimate, Floats, share_interval

LEAST_FOR_AGREEMENT = 10


@dataclass(frozen=True, slots=True)
class JudgeTrust:
    """What is known of the judges of a run; None = not measured.

    `flips`: share of comparisons whose winner changed with the order. `agreement`: the lowest between two judges of
    one dimension. `corrected`: by candidate, the quality difference after correction by people's labels.
    """

    flips: Estimate | None = None
    agreement: float | None = None
    n_labels: int = 0
    corrected: Mapping[str, Estimate] = field(default_factory=dict)


def concordance(one: Sequence[float], other: Sequence[float]) -> float | None:
    """2·cov / (var₁ + var₂ + (mean₁ − mean₂)²), in [−1, 1]; None for fewer than ten pairs of scores.

    Two judges that always give the same single score agree fully: 1.
    """
    if len(one) != len(other):
        raise ValueError("Agreement needs the same answers scored by both.")
    if len(one) < LEAST_FOR_AGREEMENT:
        return None
    first, second = np.asarray(one, dtype=float), np.asarray(other, dtype=float)
    apart = float(first.var() + second.var() + (first.mean() - second.mean()) ** 2)
    if apart == 0:
        return 1.0
    return float(2 * ((first - first.mean()) * (second - second.mean())).mean() / apart)


def lowest_agreement(scores: Mapping[tuple[str, str], Mapping[int, float]]) -> float | None:
    """The lowest concordance of any two judges of one dimension; scores by (dimension, judge), then by answer."""
    found = []
    for (one, first), (other, second) in combinations(sorted(scores.items()), 2):
        shared = sorted(set(first) & set(second))
        if one[0] == other[0]:
            found.append(concordance([first[key] for key in shared], [second[key] for key in shared]))
    known = [value for value in found if value is not None]
    return min(known) if known else None


def flips(n_flipped: int, n: int) -> Estimate:
    """Share of comparisons judged in both orders whose winner changed; unknown without any."""
    return share_interval(n_flipped, n)


def prediction_powered(
    judged: Floats, judged_where_labelled: Floats, labelled: Floats, *, alpha: float = 0.05
) -> Estimate | None:
    """Mean of what people would say: the judge's mean over all, plus the mean of (person − judge) where both spoke.

    The variance adds both parts, so the interval holds the judge's unreliability. None with fewer than two labels.
    """
    n, n_labels = len(judged), len(labelled)
    if len(judged_where_labelled) != n_labels:
        raise ValueError("Each label needs the judge's score of the same answer.")
    if n < 2 or n_labels < 2:
        return None
    rectifier = labelled - judged_where_labelled
    value = float(judged.mean() + rectifier.mean())
    spread = math.sqrt(float(judged.var(ddof=1)) / n + float(rectifier.var(ddof=1)) / n_labels)
    half = float(norm.isf(alpha / 2)) * spread
    return Estimate(value, value - half, value + half, n_labels)


def rogan_gladen(share: float, sensitivity: float, specificity: float) -> float | None:
    """True share behind a test's share: (p + sp − 1) / (se + sp − 1), kept in [0, 1]; None for a useless test."""
    power = sensitivity + specificity - 1
    return None if power <= 0 else min(1.0, max(0.0, (share + specificity - 1) / power))


def anchor_shift(then: Sequence[float], now: Sequence[float]) -> Estimate | None:
    """How far a judge's scores of the same fixed items have moved: judge drift, as the items did not change."""
    if len(then) != len(now):
        raise ValueError("Anchors are the same items, scored twice.")
    if len(then) < 2:
        return None
    moved = np.asarray(now, dtype=float) - np.asarray(then, dtype=float)
    half = float(norm.isf(0.025)) * float(moved.std(ddof=1)) / math.sqrt(len(moved))
    return Estimate(float(moved.mean()), float(moved.mean()) - half, float(moved.mean()) + half, len(moved))
