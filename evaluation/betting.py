"""Tests of a mean by betting, valid at every look, on prompts drawn without replacement.

H0 says the population's mean is at most `null_mean`. Before each value a fraction λ of the wealth is bet
against H0; the wealth becomes W·(1 + λ(x − μ)), where μ is what H0 still allows the mean of the *remaining*
prompts to be (Waudby-Smith & Ramdas 2020, "Confidence sequences for sampling without replacement"). Under
H0 no bet gains on average, so P(wealth ever reaches 1/α) ≤ α (Ville), whatever rule chose the bets and
whenever one stops looking.

How much to bet decides only how soon a true effect is seen. Most of the wealth plays for a goal with a
deadline: to reach the target by the last pair the budget allows. In Brownian time, crossing a fixed height
by the deadline has probability 2Φ(−u) under H0; wealth W against target G stands at W/G = 2Φ(−u), and the
stake that follows that curve is φ(u)/Φ(−u) per unit of remaining standard deviation. A reserve plays for
steady growth instead, so that evidence keeps accumulating when a budget is extended.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.special import erfcx, log_ndtr, ndtr, ndtri

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

RESERVE_SHARE = 0.10
BOLDEST = 0.90  # of the largest bet that cannot lose more than everything
PRIOR_WEIGHT = 4.0  # pseudo-observations behind the first guess of the spread
PRIOR_SD_SHARE = 0.25  # of the range
ROUNDING = 1e-9  # a bound that is the lowest value itself, but for the last bits, refutes nothing
SQRT_2_OVER_PI = float(np.sqrt(2 / np.pi))


def remaining_mean(null_mean: Floats, total: Floats, n: Floats, population: Floats) -> Floats:
    """The mean H0 allows the values not yet drawn: (N·null − Σx) / (N − n)."""
    return null_mean + (null_mean * n - total) / np.maximum(population - n, 1.0)


def goal_stake(shortfall: Floats) -> Floats:
    """Stake per remaining standard deviation when the wealth is `shortfall` ∈ (0, 1] of the target: φ(u)/Φ(−u)."""
    u = -ndtri(np.clip(shortfall, 1e-300, 1.0) / 2)
    return np.asarray(SQRT_2_OVER_PI / erfcx(u / np.sqrt(2)))


class MeanTest:
    """Betting against H0: population mean ≤ null_mean, for `width` streams side by side.

    Values lie in [low, high]; `population` prompts are drawn from without replacement; `horizon` is the number
    of draws the budget allows; the wealth starts at 1 and betting ends when it reaches `target` = 1/α.
    A value that is NaN was drawn but not scored: it is never bet on. At most `max_missing_share` of the
    population is assumed to be unscorable; the least favourable number within that is used.
    """

    def __init__(
        self,
        width: int,
        *,
        null_mean: Floats | float,
        population: int,
        horizon: int,
        target: Floats | float,
        low: Floats | float = -1.0,
        high: Floats | float = 1.0,
        max_missing_share: float = 0.0,
    ) -> None:
        self.null_mean, self.low, self.high, self.target = (
            np.broadcast_to(np.asarray(each, dtype=float), (width,)) for each in (null_mean, low, high, target)
        )
        self.population, self.horizon = population, min(horizon, population)
        self.fewest = int(np.ceil(population * (1 - max_missing_share)))
        self.drawn, self.n, self.total, self.squares = (np.zeros(width) for _ in range(4))
        self.goal = np.full(width, 1 - RESERVE_SHARE)
        self.reserve = np.full(width, RESERVE_SHARE)

    @property
    def wealth(self) -> Floats:
        return np.asarray(np.minimum(self.goal + self.reserve, self.target))

    @property
    def is_rejected(self) -> Bools:
        return np.asarray(self.goal + self.reserve >= self.target)

    @property
    def variance(self) -> Floats:
        """Running variance, pulled towards a quarter of the range while there are few values."""
        mean = self.total / np.maximum(self.n, 1)
        prior = PRIOR_WEIGHT * (PRIOR_SD_SHARE * (self.high - self.low)) ** 2
        around = np.maximum(self.squares - self.n * mean**2, 0)
        return np.asarray((prior + around) / (PRIOR_WEIGHT + self.n))

    def bound(self) -> Floats:
        """The largest mean H0 still allows the next scored value."""
        most = self.population - (self.drawn - self.n)
        fewest = np.maximum(np.minimum(self.fewest, most), self.n + 1)
        return np.maximum(
            remaining_mean(self.null_mean, self.total, self.n, most),
            remaining_mean(self.null_mean, self.total, self.n, fewest),
        )

    def update(self, values: Floats, active: Bools | None = None) -> None:
        """Bet on one more drawn prompt of every stream that is `active` (all, unless told). O(width)."""
        active = np.ones(len(self.n), dtype=bool) if active is None else active
        if np.any(self.drawn[active] >= self.population):
            raise ValueError("More values than the population holds.")
        mu = self.bound()
        scored, open_ = active & ~np.isnan(values), active & ~self.is_rejected
        largest = np.where(mu > self.low, BOLDEST / np.maximum(mu - self.low, 1e-12), 0.0)
        gain = np.where(open_ & scored, np.where(scored, values, 0.0) - mu, 0.0)
        goal = self.goal * (1 + np.minimum(self._goal_bet(), largest) * gain)
        self.reserve = self.reserve * (1 + np.minimum(self._growth_bet(mu), largest) * gain)
        self.goal = goal
        # H0 cannot be true any more: even the lowest values left would bring the mean above it.
        self.reserve = np.where(open_ & (mu < self.low - ROUNDING), self.target, self.reserve)
        self._count(np.where(scored, values, 0.0), scored, active)

    @property
    def reach(self) -> Floats:
        """√(L·R / B) for L draws until the deadline, R prompts left and B left after it: standard deviations ahead.

        Draws weigh 1/(N − t), because what is left of the population settles H0 ever faster.
        """
        left = np.maximum(self.horizon - self.drawn, 1)
        beyond = np.maximum(self.population - np.maximum(self.horizon, self.drawn + 1), 0.5)
        return np.asarray(np.sqrt(left * np.maximum(self.population - self.drawn, 1) / beyond))

    def chance(self, optimism: float) -> Floats:
        """Probability of reaching the target by the deadline if the rest is `optimism` standard errors better.

        Brownian motion with drift δ crosses the height u with probability Φ(δ − u) + e^{2uδ}·Φ(−u − δ).
        """
        sd, n = np.sqrt(self.variance), np.maximum(self.n, 1)
        edge = self.total / n + optimism * sd / np.sqrt(n) - self.bound()
        u = -ndtri(np.clip(self.wealth / self.target, 1e-300, 1.0) / 2)
        drift = edge * self.reach / sd
        again = np.exp(np.minimum(2 * u * drift + log_ndtr(-u - drift), 0.0))
        chance = np.clip(ndtr(drift - u) + again, 0.0, 1.0)
        return np.asarray(np.where(self.is_rejected, 1.0, np.where(self.drawn >= self.horizon, 0.0, chance)))

    def _goal_bet(self) -> Floats:
        """Stake of the account that plays for the target by the deadline, per unit of x."""
        goal = np.maximum(self.target - self.reserve, 1e-9)
        return np.asarray(goal_stake(self.goal / goal) / np.maximum(np.sqrt(self.variance) * self.reach, 1e-12))

    def _growth_bet(self, mu: Floats) -> Floats:
        """Stake for the fastest growth of wealth: (mean − μ) / (variance + (mean − μ)²), if that is positive."""
        edge = self.total / np.maximum(self.n, 1) - mu
        return np.asarray(np.maximum(edge, 0) / (self.variance + edge**2))

    def _count(self, values: Floats, scored: Bools, active: Bools) -> None:
        self.drawn = self.drawn + active
        self.n = self.n + scored
        self.total = self.total + values
        self.squares = self.squares + values**2
