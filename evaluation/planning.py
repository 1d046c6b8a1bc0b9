"""Before a run: what it costs at most and likely, and what difference it can show for that. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from evaluation.statistics import detectable_gap, pairs_to_show

# Standard deviation of a paired difference of scores in [0, 1] before anything is known of these models;
# on real judged answers of many models it lies between 0.2 and 0.45.
ASSUMED_SD = 0.35
POWER = 0.8


@dataclass(frozen=True, slots=True)
class PairPrice:
    """What one prompt costs over all lanes and judges: likely, and at worst. None = not known."""

    likely_usd: Decimal | None
    worst_usd: Decimal | None


@dataclass(frozen=True, slots=True)
class Forecast:
    """What a budget buys. `pairs` is what it likely pays for; early stops make a run cheaper, never dearer."""

    population_size: int
    pairs: int
    pairs_certain: int | None
    cost_likely_usd: Decimal | None
    cost_at_most_usd: Decimal
    detectable_gap: float | None
    pairs_for_margin: int | None
    cost_for_margin_usd: Decimal | None
    sd: float
    is_sd_assumed: bool
    can_show_margin: bool


def mean_price(prices: Sequence[PairPrice]) -> PairPrice:
    """The mean over sampled prompts; unknown when one of them is."""
    return PairPrice(_mean([each.likely_usd for each in prices]), _mean([each.worst_usd for each in prices]))


def _mean(values: Sequence[Decimal | None]) -> Decimal | None:
    known = [value for value in values if value is not None]
    return sum(known, Decimal(0)) / len(known) if known and len(known) == len(values) else None


def forecast(
    price: PairPrice,
    *,
    budget_usd: Decimal,
    max_pairs: int,
    population_size: int,
    margin: float,
    alpha: float,
    n_candidates: int,
    sd: float | None = None,
) -> Forecast:
    """What a run with this budget can do, at 80 % power against a true difference of zero.

    The cost is at most the budget, whatever happens: each call is refused when its worst case would pass it.
    """
    spread = ASSUMED_SD if sd is None else sd
    share = alpha / max(n_candidates, 1)
    affordable = _pairs(budget_usd, price.likely_usd)
    pairs = min(max_pairs, population_size, max_pairs if affordable is None else affordable)
    wanted = pairs_to_show(margin, spread, alpha=share, population=population_size, power=POWER) if margin else None
    worst = budget_usd if price.worst_usd is None else min(budget_usd, pairs * price.worst_usd)
    return Forecast(
        population_size=population_size,
        pairs=pairs,
        pairs_certain=None if price.worst_usd is None else min(pairs, _pairs(budget_usd, price.worst_usd) or 0),
        cost_likely_usd=None if price.likely_usd is None else pairs * price.likely_usd,
        cost_at_most_usd=worst,
        detectable_gap=detectable_gap(pairs, spread, alpha=share, population=population_size, power=POWER),
        pairs_for_margin=wanted,
        cost_for_margin_usd=None if wanted is None or price.likely_usd is None else wanted * price.likely_usd,
        sd=spread,
        is_sd_assumed=sd is None,
        can_show_margin=wanted is not None and wanted <= pairs,
    )


def _pairs(budget_usd: Decimal, price_usd: Decimal | None) -> int | None:
    """How many pairs a budget pays for; None when the price is unknown, or nothing."""
    return None if not price_usd else math.floor(budget_usd / price_usd)
