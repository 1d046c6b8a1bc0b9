"""What a policy wants, what is foreseen of an option, and what was chosen. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

FIXED, CHEAPEST, FASTEST, BEST = "fixed", "cheapest", "fastest", "best"
WEIGHTED, SPLIT, SHADOW = "weighted", "split", "shadow"
KINDS = (FIXED, CHEAPEST, FASTEST, BEST, WEIGHTED, SPLIT, SHADOW)
WEIGHING = frozenset({CHEAPEST, FASTEST, BEST, WEIGHTED})  # these compare options; the others name theirs


@dataclass(frozen=True, slots=True)
class Prediction:
    """What is expected of an option for one demand.

    `quality` is the difference of judged quality to the default, in [-1, 1], and `quality_low` its lower bound at the
    policy's confidence; None = not known, for instance because the prompt is unlike all that was judged. `cost_usd`
    includes what prompt caches add to the plain price, or take off: `cache_usd`. `latency_ms` is the 95th percentile.
    `standing` is that of its certificate against the policy's default, None where there is none.
    """

    option: str
    cost_usd: float | None = None
    latency_ms: float | None = None
    quality: float | None = None
    quality_low: float | None = None
    quality_high: float | None = None
    abilities: frozenset[str] = frozenset()
    context_tokens: int | None = None
    is_healthy: bool = True
    cache_usd: float | None = None
    standing: str | None = None


@dataclass(frozen=True, slots=True)
class Policy:
    """A project's objectives and hard limits. Weights are per point of quality, per USD and per second."""

    name: str
    version: int
    kind: str
    default: str
    candidates: tuple[str, ...] = ()
    fallbacks: tuple[str, ...] = ()
    margin: float = 0.02
    max_cost_usd: float | None = None
    max_latency_ms: float | None = None
    weights: Mapping[str, float] = field(default_factory=dict)
    shares: Mapping[str, float] = field(default_factory=dict)
    exploration: float = 0.0
    never_explore: frozenset[str] = frozenset({"sensitive"})
    certified_only: bool = False
    stickiness: bool = True
    hedge_after_ms: float | None = None
    hedge_quantile: float | None = None

    @property
    def options(self) -> tuple[str, ...]:
        """All options it may choose, the default first."""
        return tuple(dict.fromkeys((self.default, *self.candidates, *self.shares)))

    @property
    def hedges(self) -> bool:
        """Whether a slow call may be asked of a second option as well."""
        return self.hedge_after_ms is not None or self.hedge_quantile is not None


@dataclass(frozen=True, slots=True)
class Choice:
    """The decision: option, the probability it was taken with, what it beat, and why, in words."""

    option: str
    probability: float
    reason: str
    considered: tuple[dict[str, Any], ...] = ()
    fallbacks: tuple[str, ...] = ()
    shadows: tuple[str, ...] = ()
    is_exploration: bool = False
