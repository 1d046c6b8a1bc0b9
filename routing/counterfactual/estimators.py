"""The value of a policy from decisions that another one made, with 95 % intervals. Pure.

A decision was made with a recorded probability μ; the other policy makes it with π. Its weight is π/μ. Estimators:

- IPS, the mean of weight × reward: unbiased, wide (Horvitz and Thompson 1952);
- SNIPS, the weighted mean of rewards: a little biased, narrower (Swaminathan and Joachims 2015);
- DR, what a model expects of the policy, corrected by the weighted errors of the model: unbiased whatever the model
  says, and narrow where it says much (Dudík, Langford and Li 2011).

Weighted terms are skewed and few of them carry most of the sum, so that a plain normal interval covers too little. Here
the interval is the hull of two: Student's t, and Hall's (1992) transformation, which allows for skewness. Both take the
degrees of freedom that the terms' kurtosis leaves to their variance (Satterthwaite), at most the effective size less
one; where the value is a ratio or leans on a model, deviations are inflated by their leverage as in HC3.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

Vector = npt.NDArray[np.float64]
CONFIDENCE = 0.95
# With fewer calls' worth of evidence no interval is trusted, and nothing is said.
MIN_EFFECTIVE = 30.0
# Hall's transformation runs away where terms are very skewed. A rate seen once, as skewed as a mean gets, has its exact
# (Poisson) limit at 4.6 deviations: 2.3 times the normal one.
MOST_STRETCHED = 2.5


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean with its interval; all None where the evidence is too thin. `effective_n`: what the n calls are worth."""

    value: float | None
    low: float | None
    high: float | None
    n: int
    effective_n: float

    @property
    def is_known(self) -> bool:
        return self.value is not None


@dataclass(frozen=True, slots=True)
class Terms:
    """An estimate before its interval: its value, and what each call adds to or takes from it (mean about 0)."""

    value: float
    influence: Vector
    effective_n: float

    def less(self, other: Terms) -> Terms:
        """The difference of two estimates from the same calls."""
        return Terms(
            self.value - other.value,
            self.influence - other.influence,
            min(self.effective_n, other.effective_n),
        )

    def estimate(self, within: tuple[float, float] | None = None) -> Estimate:
        """With the interval, cut to the range `within` that the mean cannot leave."""
        n = len(self.influence)
        if self.effective_n < MIN_EFFECTIVE:
            return Estimate(None, None, None, n, self.effective_n)
        low, high = _hull(self.value, self.influence, self.effective_n)
        if within is None:
            return Estimate(self.value, low, high, n, self.effective_n)
        low, high = _never_seen(self.value, low, high, self.effective_n, within)
        low, value, high = (float(np.clip(each, *within)) for each in (low, self.value, high))
        return Estimate(value, low, high, n, self.effective_n)


def effective_size(weights: Vector) -> float:
    """How many equally weighted calls tell as much: (Σw)² / Σw² (Kish); 0 where all weigh nothing."""
    squares = float(weights @ weights)
    return float(weights.sum()) ** 2 / squares if squares > 0 else 0.0


def plain(rewards: Vector) -> Terms:
    """The mean of what was logged."""
    return ips(rewards, np.ones(len(rewards)))


def ips(rewards: Vector, weights: Vector) -> Terms:
    """Inverse propensity scoring."""
    terms = weights * rewards
    value = _mean(terms)
    return Terms(value, terms - value, effective_size(weights))


def snips(rewards: Vector, weights: Vector) -> Terms:
    """Self-normalised inverse propensity scoring; with no weight at all, 0 with an effective size of 0."""
    total = float(weights.sum())
    if total <= 0:
        return Terms(0.0, np.zeros(len(rewards)), 0.0)
    value = float(weights @ rewards) / total
    influence = len(weights) / total * weights * (rewards - value)
    return Terms(value, influence / _unlevered(weights), effective_size(weights))


def doubly_robust(rewards: Vector, weights: Vector, of_taken: Vector, of_policy: Vector) -> Terms:
    """`of_taken`: what a model expects of the option taken; `of_policy`: of the policy's own options, by its odds.

    The model must not have seen the reward that it is compared with.
    """
    errors = weights * (rewards - of_taken)
    value = _mean(of_policy + errors)
    influence = of_policy + errors / _unlevered(weights)
    return Terms(value, influence - _mean(influence), effective_size(weights))


def _mean(values: Vector) -> float:
    return float(values.mean()) if len(values) else 0.0


def _unlevered(weights: Vector) -> Vector:
    """1 − each call's share of all weight: a call that carries much of the sum hides its own error."""
    total = float(weights.sum())
    shares = weights / total if total > 0 else np.zeros(len(weights))
    return np.asarray(np.maximum(1 - shares, 0.5))


def _hull(value: float, influence: Vector, effective_n: float) -> tuple[float, float]:
    n = len(influence)
    centred = influence - influence.mean()
    spread = float(np.sqrt(centred @ centred / (n - 1)))
    if spread == 0:
        return value, value
    scaled = centred / spread
    freedom = min(effective_n - 1, 2 * n / max(float((scaled**4).mean()) - 1, 1.0))
    t = float(stats.t.ppf((1 + CONFIDENCE) / 2, freedom))
    skew = float((scaled**3).mean()) / np.sqrt(n)
    step = spread / np.sqrt(n)
    return value - step * max(t, _halls(t, skew)), value - step * min(-t, _halls(-t, skew))


def _halls(t: float, skew: float) -> float:
    """The quantile of a studentised mean whose terms are skewed; `skew` is their skewness by √n. Hall 1992, § 3."""
    if abs(skew) < 1e-6:
        return t
    found = float(3 / skew * (np.cbrt(1 + skew * (t - skew / 6)) - 1))
    return float(np.clip(found, -MOST_STRETCHED * abs(t), MOST_STRETCHED * abs(t)))


def _never_seen(
    value: float, low: float, high: float, effective_n: float, within: tuple[float, float]
) -> tuple[float, float]:
    """Where every call lay at one end of the range, the interval is that of a rate never seen (Clopper and Pearson)."""
    if low != high or value not in within:
        return low, high
    away = (within[1] - within[0]) * (1 - ((1 - CONFIDENCE) / 2) ** (1 / effective_n))
    return (low, low + away) if value == within[0] else (high - away, high)
