"""Estimates with intervals that may be looked at as often as one likes, and the sample sizes behind them.

Everything here is a function of arrays: no clock, no randomness, no tables.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import norm

Floats = npt.NDArray[np.float64]

BISECTIONS = 30
CAUTION = 0.5  # of the largest bet that cannot ruin the interval's wealth
PRIOR_SPREAD = 0.25  # guess of the standard deviation, in shares of the range


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean with its interval; `value`, `low` and `high` are None while there is nothing to say."""

    value: float | None
    low: float | None
    high: float | None
    n: int
    n_unscored: int = 0


def moments(values: Floats) -> tuple[float, float] | None:
    """Mean and sample standard deviation of the scored values; None for fewer than two."""
    scored = values[~np.isnan(values)]
    if len(scored) < 2:
        return None
    return float(scored.mean()), float(scored.std(ddof=1))


def confidence_sequence(
    values: Floats, *, alpha: float, population: int, low: float = -1.0, high: float = 1.0
) -> Estimate:
    """Betting confidence sequence of a population mean after the values seen, running intersection included.

    Values lie in [low, high], were drawn without replacement from `population`; NaN = unscored.
    P(the mean is ever outside) ≤ alpha over all looks (Waudby-Smith & Ramdas 2024, "Estimating means of bounded
    random variables by betting", the hedged capital with predictable plug-in bets, without replacement).
    """
    scored = (values[~np.isnan(values)] - low) / (high - low)
    n, n_unscored = len(scored), int(len(values) - len(scored))
    if n == 0:
        return Estimate(None, None, None, 0, n_unscored)
    bets = _plug_in_bets(scored, alpha / 2)
    floor = _one_sided_limit(scored, bets, alpha / 2, population)
    ceiling = 1 - _one_sided_limit(1 - scored, bets, alpha / 2, population)
    width = high - low
    return Estimate(
        float(scored.mean() * width + low), floor * width + low, max(floor, ceiling) * width + low, n, n_unscored
    )


def _plug_in_bets(scored: Floats, alpha: float) -> Floats:
    """√(2·log(1/α) / (σ̂²·t·log(1+t))), with the variance of what was seen *before* each value."""
    t = np.arange(1, len(scored) + 1)
    means = (0.5 + np.cumsum(scored)) / (t + 1)
    variances = (PRIOR_SPREAD**2 + np.cumsum((scored - means) ** 2)) / (t + 1)
    before = np.concatenate([[PRIOR_SPREAD**2], variances[:-1]])
    return np.asarray(np.sqrt(2 * math.log(1 / alpha) / (before * t * np.log1p(t))))


def _one_sided_limit(scored: Floats, bets: Floats, alpha: float, population: int) -> float:
    """The smallest mean in [0, 1] that bets against 'the mean is no larger' have not ruled out at any look."""
    goal = math.log(1 / alpha)

    def is_ruled_out(mean: float) -> bool:
        return evidence_against(mean, scored, bets, population) >= goal

    below, above = 0.0, 1.0
    if not is_ruled_out(below):
        return 0.0
    for _ in range(BISECTIONS):
        middle = (below + above) / 2
        below, above = (middle, above) if is_ruled_out(middle) else (below, middle)
    return below


def evidence_against(mean: float, scored: Floats, bets: Floats, population: int) -> float:
    """Highest log-wealth, at any look, of bets against 'the mean is no larger than this'; inf = it cannot be."""
    before = np.concatenate([[0.0], np.cumsum(scored)[:-1]])
    rest = (population * mean - before) / np.maximum(population - np.arange(len(scored)), 1)
    if (rest < 0).any():
        return math.inf  # what was already drawn exceeds it
    # Beyond 1 the mean allows anything still to come, and a bet must not profit from that.
    rest = np.minimum(rest, 1.0)
    stakes = np.minimum(bets, CAUTION / np.maximum(rest, 1e-12))
    return float(np.cumsum(np.log1p(stakes * (scored - rest))).max())


def misses(values: Floats, mean: float, *, alpha: float, population: int, low: float = -1.0, high: float = 1.0) -> bool:
    """Whether the `confidence_sequence` of these values leaves a given mean out; without the search for its ends."""
    scored = (values[~np.isnan(values)] - low) / (high - low)
    if not len(scored):
        return False
    inside, goal = (mean - low) / (high - low), math.log(2 / alpha)
    bets = _plug_in_bets(scored, alpha / 2)
    above = evidence_against(inside, scored, bets, population)
    below = evidence_against(1 - inside, 1 - scored, bets, population)
    return max(above, below) >= goal


def mixture_e_value(mean: float, sd: float, n: int, *, tuned_to: int, alpha: float) -> float:
    """Asymptotic e-value against 'the mean is ≤ 0' for values without known bounds, such as money and time.

    One-sided normal mixture (Robbins 1970; asymptotic confidence sequences: Waudby-Smith et al. 2024), tightest
    around `tuned_to` values. Valid at every look once n is large enough for the spread to be known.
    """
    if sd == 0:
        return math.inf if mean > 0 else 0.0
    rho2 = mixture_scale(tuned_to, alpha)
    total, grown = n * mean / sd, n * rho2 + 1
    exponent = min(rho2 * total**2 / (2 * grown), 700.0)
    return float(2 * norm.cdf(math.sqrt(rho2 / grown) * total) * math.exp(exponent) / math.sqrt(grown))


def mixture_half_width(sd: float, n: int, *, tuned_to: int, alpha: float) -> float:
    """Half the width of the two-sided asymptotic confidence sequence that belongs to `mixture_e_value`."""
    rho2 = mixture_scale(tuned_to, alpha)
    grown = n * rho2 + 1
    return sd * math.sqrt(2 * grown / (n * n * rho2) * math.log(math.sqrt(grown) / alpha))


def mixture_scale(tuned_to: int, alpha: float) -> float:
    """ρ² that makes the mixture tightest after `tuned_to` values."""
    return (-2 * math.log(alpha) + math.log(1 - 2 * math.log(alpha))) / max(tuned_to, 1)


def share_interval(successes: int, n: int, *, alpha: float = 0.05) -> Estimate:
    """A share with its Wilson score interval; unknown when n is 0. For one look only."""
    if n == 0:
        return Estimate(None, None, None, 0)
    z = float(norm.isf(alpha / 2))
    share, extra = successes / n, z * z / n
    centre = (share + extra / 2) / (1 + extra)
    half = math.sqrt(share * (1 - share) * extra + extra**2 / 4) / (1 + extra)
    return Estimate(share, max(0.0, centre - half), min(1.0, centre + half), n)


def pairs_to_show(gap: float, sd: float, *, alpha: float, population: int, power: float = 0.8) -> int | None:
    """Pairs the betting test needs to show, with this power, a mean `gap` above its limit.

    n₀ = (sd·(z_{α/2} + z_power) / gap)², shrunk for a finite population: n₀ / (1 + n₀/N). The quantile is α/2
    one-sided because that is the height a path must reach once by the deadline (reflection). None if gap ≤ 0.
    """
    if gap <= 0:
        return None
    unlimited = (sd * float(norm.isf(alpha / 2) + norm.ppf(power)) / gap) ** 2
    return max(1, math.ceil(unlimited / (1 + unlimited / max(population, 1))))


def detectable_gap(n: int, sd: float, *, alpha: float, population: int, power: float = 0.8) -> float | None:
    """The smallest distance from its limit that n pairs show with this power; None for no pairs."""
    if n < 1:
        return None
    share_left = max(0.0, 1 - n / max(population, n))
    return sd * float(norm.isf(alpha / 2) + norm.ppf(power)) * math.sqrt(share_left / n)
