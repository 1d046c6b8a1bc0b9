"""What a comparison is made of: the plan written before the run, and the pairs it gathers.

Plan ── frozen before the first call; every threshold a verdict depends on
Pair ── one prompt, answered by the incumbent (re-run) and by one candidate
Lane ── one of the two answers, with what judges and meters said of it

All three survive JSON unchanged, so an evidence pack can be recomputed.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal, Self

Objective = Literal["cost", "latency", "utility"]
OBJECTIVES = ("cost", "latency", "utility")


def plain(value: Any, *, digits: int | None = None) -> Any:
    """Turn dataclasses, decimals and floats into what JSON can carry; what is not finite becomes None.

    `digits` rounds floats to that many significant digits: results are rounded, because numpy's last bits
    depend on the processor; inputs are not, because JSON keeps a float exactly.
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name), digits=digits) for field in dataclasses.fields(value)}
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, float):
        if not math.isfinite(value):
            return None
        return value if digits is None else float(f"{value:.{digits}g}")
    if isinstance(value, (list, tuple)):
        return [plain(item, digits=digits) for item in value]
    return value


@dataclass(frozen=True, slots=True)
class Plan:
    """The analysis plan, frozen before the run.

    Scores are in [0, 1]; shares, margins and rises are fractions (0.02 = two points).
    A margin of None switches its gate off. `population_size` is how many replayable prompts the
    sample is drawn from, without replacement; `max_pairs` is what the budget allows at most.
    """

    candidates: tuple[str, ...]
    population_size: int
    max_pairs: int
    alpha: float = 0.05
    futility_alpha: float = 0.05
    margin_quality: float = 0.02
    margin_safety: float | None = 0.02
    refusal_rise: float | None = 0.02
    error_rise: float | None = 0.02
    latency_slo_ms: float | None = None
    latency_over_share: float = 0.05
    objective: Objective = "cost"
    min_saving: float = 0.10
    quality_weight: float = 1.0
    cost_weight: float = 0.0
    latency_weight: float = 0.0
    cost_scale_usd: float = 0.01
    latency_scale_ms: float = 1000.0
    min_population: int = 30
    min_pairs: int = 20
    max_unscored_share: float = 0.10
    max_flip_share: float = 0.30
    min_agreement: float = 0.40
    min_labels: int = 30
    covariate_means: tuple[float, ...] | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        for sentence, is_broken in self._rules():
            if is_broken:
                raise ValueError(sentence)

    def _rules(self) -> tuple[tuple[str, bool], ...]:
        margins = (self.margin_quality, self.margin_safety, self.refusal_rise, self.error_rise)
        slo_ms = self.latency_slo_ms
        return (
            ("A plan needs at least one candidate.", not self.candidates),
            ("A plan names each candidate once.", len(set(self.candidates)) < len(self.candidates)),
            ("The population cannot be negative.", self.population_size < 0),
            ("At least one pair must be allowed.", self.max_pairs < 1),
            ("alpha lies between 0 and 0.5.", not 0 < self.alpha <= 0.5),
            ("futility_alpha lies between 0 and 0.5.", not 0 < self.futility_alpha <= 0.5),
            ("The quality gate cannot be switched off.", self.margin_quality is None),
            ("Margins lie between 0 and 1.", any(m is not None and not 0 <= m < 1 for m in margins)),
            ("The latency limit must be positive.", not 0 < (1 if slo_ms is None else slo_ms) < math.inf),
            ("The share over the latency limit lies between 0 and 1.", not 0 < self.latency_over_share < 1),
            ("The objective is cost, latency or utility.", self.objective not in OBJECTIVES),
            ("The minimum saving lies between 0 and 1.", not 0 <= self.min_saving < 1),
            ("The unscored share lies between 0 and 1.", not 0 <= self.max_unscored_share < 1),
        )

    @property
    def n_candidates(self) -> int:
        return len(self.candidates)

    def to_dict(self) -> dict[str, Any]:
        return dict(plain(self))

    @classmethod
    def from_dict(cls, stored: dict[str, Any]) -> Self:
        """Read what `to_dict` wrote. Unknown keys raise TypeError: a plan is never half understood."""
        means = stored.get("covariate_means")
        return cls(
            **{
                **stored,
                "candidates": tuple(stored["candidates"]),
                "covariate_means": None if means is None else tuple(float(m) for m in means),
            }
        )


@dataclass(frozen=True, slots=True)
class Lane:
    """One answer to one prompt. None means unknown: not judged, not reported, not priced."""

    quality: float | None = None
    safety: float | None = None
    helpful: float | None = None
    refused: bool | None = None
    failed: bool = False
    latency_ms: float | None = None
    cost_usd: Decimal | None = None
    tokens_out: int | None = None

    def __post_init__(self) -> None:
        for name in ("quality", "safety", "helpful"):
            score = getattr(self, name)
            if score is not None and not 0 <= score <= 1:
                raise ValueError(f"A score of {name} lies between 0 and 1, not {score}.")

    @classmethod
    def from_dict(cls, stored: dict[str, Any]) -> Self:
        cost = stored.get("cost_usd")
        return cls(**{**stored, "cost_usd": None if cost is None else Decimal(str(cost))})


@dataclass(frozen=True, slots=True)
class Pair:
    """One prompt in both lanes. `position` is its place in the seeded sampling order, from 0."""

    position: int
    stratum: str
    incumbent: Lane
    candidate: Lane
    covariates: tuple[float, ...] | None = None

    def to_dict(self) -> dict[str, Any]:
        return dict(plain(self))

    @classmethod
    def from_dict(cls, stored: dict[str, Any]) -> Self:
        covariates = stored.get("covariates")
        return cls(
            position=int(stored["position"]),
            stratum=str(stored["stratum"]),
            incumbent=Lane.from_dict(stored["incumbent"]),
            candidate=Lane.from_dict(stored["candidate"]),
            covariates=None if covariates is None else tuple(float(c) for c in covariates),
        )
