"""What a group of calls costs and takes, where each call seen stands for so many."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

QUANTILES = (0.5, 0.95)


@dataclass(frozen=True, slots=True)
class Seen:
    """A call that was looked at. `stands_for` so many calls of its stratum; None = not known."""

    event_id: str
    stands_for: float
    cost_usd: Decimal | None = None
    duration_ms: float | None = None


@dataclass(frozen=True, slots=True)
class Figures:
    """Estimates for all calls that those seen stand for; `n_seen` were seen, `n_priced` of them with a known cost.

    `cost_usd` is None where no cost is known; where some are, the known mean holds for all. `quality` is the mean over
    the `n_judged` calls that somebody judged.
    """

    n_seen: int
    n_calls: float
    n_priced: int
    cost_usd: Decimal | None
    p50_ms: float | None
    p95_ms: float | None
    n_judged: int = 0
    quality: float | None = None

    @property
    def usd_a_call(self) -> Decimal | None:
        return None if self.cost_usd is None or not self.n_calls else self.cost_usd / Decimal(str(self.n_calls))


def figures(seen: Sequence[Seen], quality: Mapping[str, float] | None = None) -> Figures:
    """Of the calls seen. `quality` in [0, 1] by event id comes from who judges; calls it does not name are unjudged."""
    priced = [(each.cost_usd, each.stands_for) for each in seen if each.cost_usd is not None]
    n_calls = sum(each.stands_for for each in seen)
    timed = sorted((each.duration_ms, each.stands_for) for each in seen if each.duration_ms is not None)
    judged = [(quality[each.event_id], each.stands_for) for each in seen if quality and each.event_id in quality]
    return Figures(
        n_seen=len(seen),
        n_calls=n_calls,
        n_priced=len(priced),
        cost_usd=_total(priced, n_calls),
        p50_ms=_quantile(timed, QUANTILES[0]),
        p95_ms=_quantile(timed, QUANTILES[1]),
        n_judged=len(judged),
        quality=_mean(judged),
    )


def _total(priced: Sequence[tuple[Decimal, float]], n_calls: float) -> Decimal | None:
    weight = sum(part for _, part in priced)
    if not weight:
        return None
    known = sum((usd * Decimal(str(part)) for usd, part in priced), Decimal(0))
    return known * Decimal(str(n_calls)) / Decimal(str(weight))


def _mean(valued: Sequence[tuple[float, float]]) -> float | None:
    weight = sum(part for _, part in valued)
    return sum(value * part for value, part in valued) / weight if weight else None


def _quantile(valued: Sequence[tuple[float, float]], share: float) -> float | None:
    """Of sorted values with weights: the first at which so much of the weight is reached."""
    goal, reached = share * sum(part for _, part in valued), 0.0
    for value, part in valued:
        reached += part
        if reached >= goal:
            return value
    return None
