"""What judged live answers say of an option: an interval that holds at any look, and where the option changed. Pure.

Live answers were not drawn evenly: a policy chose the option for some requests with certainty and for others one time
in fifty. A pair taken with probability p weighs 1/p, so that the mean is one over the requests the policy may give to
the option, not over those it happened to give; but at most five times another, or one explored request would outweigh
weeks of use. For the true mean m, w·(d − m) is zero on average, so no bet on it gains on average, and P(wealth ever
reaches 2/α) ≤ α/2 (Ville). What m would have made that rich is ruled out.
(Waudby-Smith & Ramdas 2024, "Estimating means of bounded random variables by betting"; weighted as in Karampatziakis,
Mineiro & Ramdas 2021, "Off-policy confidence sequences".)
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

ALPHA = 0.05
BOLDEST = 0.9  # of the largest bet that cannot lose more than everything
PRIOR_WEIGHT = 4.0  # pseudo-observations behind the first guess of the spread
PRIOR_SD = 0.25
BISECTIONS = 30
MOST_APART = 5.0  # a pair's weight as a multiple of another's
# Windows begin at multiples of this many pairs and hold one to two of them: what is older is forgotten.
BLOCK = 200
STEP = 20  # pairs between the places where a change is looked for


@dataclass(frozen=True, slots=True)
class Interval:
    """Weighted mean of the differences, in [-1, 1], with its bounds; `start` is the place of the first pair used."""

    mean: float
    low: float
    high: float
    n: int
    start: int = 0
    has_changed: bool = False


def believed(differences: Sequence[float], probabilities: Sequence[float], *, alpha: float = ALPHA) -> Interval | None:
    """What all pairs, oldest first, say now; None while there are none.

    The newest 200 to 399 pairs count, and of those what came after the last change.
    """
    start = max(0, len(differences) // BLOCK - 1) * BLOCK
    values = np.asarray(differences[start:], dtype=float)
    if not len(values):
        return None
    weights = 1 / np.asarray(probabilities[start:], dtype=float)
    cut = last_change(values, weights, alpha=alpha)
    found = interval(values[cut:], weights[cut:], alpha=alpha)
    return Interval(found.mean, found.low, found.high, found.n, start + cut, has_changed=cut > 0)


def interval(values: Floats, weights: Floats, *, alpha: float = ALPHA) -> Interval:
    """The weighted mean of values in [-1, 1], with bounds that hold at any look with P ≥ 1 − alpha."""
    weights = np.maximum(weights / weights.max(), 1 / MOST_APART)
    mean = float(np.average(values, weights=weights))
    low = _lower(values, weights, alpha / 2)
    high = -_lower(-values, weights, alpha / 2)
    # The bets follow the latest values and may rule out the mean of all just after a change; it stays inside.
    return Interval(mean, min(low, mean), max(high, mean), len(values))


def last_change(values: Floats, weights: Floats, *, alpha: float = ALPHA) -> int:
    """The place after which the option is another one: the latest where both sides' intervals lie apart; 0 = none.

    Each of the places is tested at its share of alpha, so an option that stays the same is cut with P ≤ alpha.
    """
    places = range(STEP, len(values) - STEP + 1, STEP)
    share = alpha / max(1, len(places))
    for place in reversed(places):
        before = interval(values[:place], weights[:place], alpha=share)
        after = interval(values[place:], weights[place:], alpha=share)
        if before.high < after.low or after.high < before.low:
            return place
    return 0


def _lower(values: Floats, weights: Floats, alpha: float) -> float:
    """The smallest mean in [-1, 1] that bets against 'the mean is no larger' do not rule out now."""
    goal = math.log(1 / alpha)
    sums = _before(values, weights)
    below, above = -1.0, 1.0
    if _log_wealth(below, values, weights, sums) < goal:
        return below
    for _ in range(BISECTIONS):
        middle = (below + above) / 2
        is_ruled_out = _log_wealth(middle, values, weights, sums) >= goal
        below, above = (middle, above) if is_ruled_out else (below, middle)
    return below


def _before(values: Floats, weights: Floats) -> tuple[Floats, ...]:
    """Running sums of w·d, w, w²d², w²d, w² over what came *before* each value: a bet may know no more."""
    told = (weights * values, weights, (weights * values) ** 2, weights**2 * values, weights**2)
    return tuple(np.concatenate([[0.0], np.cumsum(each)[:-1]]) for each in told)


def _log_wealth(mean: float, values: Floats, weights: Floats, sums: tuple[Floats, ...]) -> float:
    """Of bets on w·(d − mean) > 0, each about as large as makes wealth grow fastest: E[g] / E[g²]."""
    gains = weights * (values - mean)
    expected = sums[0] - mean * sums[1]
    squares = sums[2] - 2 * mean * sums[3] + mean**2 * sums[4]
    largest = BOLDEST / max(1.0 + mean, 1e-9)
    stakes = np.clip(expected / (squares + PRIOR_WEIGHT * PRIOR_SD**2), 0.0, largest)
    return float(np.log1p(stakes * gains).sum())
