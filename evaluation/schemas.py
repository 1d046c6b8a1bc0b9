"""What the API of evaluations takes and gives; unknown fields are refused, outputs are spelled out."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal

from ninja import Schema
from pydantic import ConfigDict, Field

from evaluation.models import EvaluationRun, Recommendation
from evaluation.planning import Forecast
from evaluation.runs import MAX_CANDIDATES, MAX_CONCURRENCY, Wish

Dimension = Literal["correctness", "safety", "quality", "helpfulness"]
OptionName = Annotated[str, Field(min_length=1, max_length=200)]
Share = Annotated[float, Field(ge=0, lt=1, allow_inf_nan=False)]


class Strict(Schema):
    model_config = ConfigDict(extra="forbid")


class ThresholdsIn(Strict):
    """Margins and limits as fractions: 0.02 is two points. None switches a gate off where that is possible."""

    alpha: float = Field(default=0.05, gt=0, le=0.5)
    margin_quality: Share = 0.02
    margin_safety: Share | None = 0.02
    refusal_rise: Share | None = 0.02
    error_rise: Share | None = 0.02
    latency_slo_ms: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    latency_over_share: float = Field(default=0.05, gt=0, lt=1)
    objective: Literal["cost", "latency", "utility"] = "cost"
    min_saving: Share = 0.10
    max_unscored_share: Share = 0.10


class SamplingIn(Strict):
    since: datetime | None = None
    until: datetime | None = None
    model: str | None = Field(default=None, max_length=200)
    kind: str | None = Field(default=None, max_length=200)

    def as_filter(self) -> dict[str, Any]:
        return {name: value for name, value in self.model_dump(mode="json").items() if value is not None}


class PolicyIn(Strict):
    """What replay changes in a logged request; "as_sent" changes nothing."""

    temperature: Literal["as_sent"] | Annotated[float, Field(ge=0, le=2)] = "as_sent"
    seed: Literal["as_sent"] | int = "as_sent"


class EvaluationIn(Strict):
    name: str = Field(default="", max_length=120)
    incumbent: str = Field(default="", max_length=200, description="Default: the project's incumbent.")
    candidates: list[OptionName] = Field(min_length=1, max_length=MAX_CANDIDATES)
    judges: dict[Dimension, list[OptionName]] = Field(min_length=1)
    pairwise: OptionName | None = None
    budget_usd: Decimal = Field(gt=0, max_digits=12, decimal_places=6)
    max_pairs: int = Field(default=400, ge=1, le=100_000)
    seed: int = Field(default=0, ge=0, lt=2**63)
    concurrency: int = Field(default=8, ge=1, le=MAX_CONCURRENCY)
    thresholds: ThresholdsIn = ThresholdsIn()
    sampling: SamplingIn = SamplingIn()
    policy: PolicyIn = PolicyIn()

    def as_wish(self, incumbent: str) -> Wish:
        """What is asked for; `incumbent` stands in where none is named."""
        return Wish(
            name=self.name,
            incumbent=self.incumbent or incumbent,
            candidates=self.candidates,
            judges={str(name): judges for name, judges in self.judges.items()},
            pairwise=self.pairwise,
            budget_usd=self.budget_usd,
            max_pairs=self.max_pairs,
            seed=self.seed,
            concurrency=self.concurrency,
            thresholds=self.thresholds.model_dump(),
            sampling=self.sampling.as_filter(),
            policy=self.policy.model_dump(),
        )


class ResumeIn(Strict):
    budget_usd: Decimal | None = Field(default=None, gt=0, max_digits=12, decimal_places=6)


class AcknowledgeIn(Strict):
    note: str = Field(default="", max_length=4_000)


class LabelIn(Strict):
    """A person's score of one answer, in [0, 1]."""

    call: int
    dimension: Dimension
    score: float = Field(ge=0, le=1)
    note: str = Field(default="", max_length=4_000)


class CandidateOut(Schema):
    option: str
    dropped_at_pair: int | None
    dropped_because: str


class EvaluationOut(Schema):
    """Money as decimal text. `decision` is that of the last look; None before the first."""

    id: int
    name: str
    state: str
    sentence: str
    incumbent: str
    candidates: list[CandidateOut]
    seed: int
    judging: dict[str, Any]
    sampling: dict[str, Any]
    policy: dict[str, Any]
    plan: dict[str, Any] | None
    budget_usd: Decimal
    spent_usd: Decimal
    charged_at_most_usd: Decimal
    reserved_usd: Decimal
    n_pairs: int
    max_pairs: int | None
    decision: dict[str, Any] | None
    recommendation: int | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None

    @classmethod
    def of(cls, run: EvaluationRun) -> EvaluationOut:
        """Reads the candidates and the newest recommendation: two queries unless they were prefetched."""
        plain = {name: getattr(run, name) for name in cls.model_fields if name not in ("candidates", "recommendation")}
        candidates = [CandidateOut.from_orm(each) for each in run.candidates.all()]
        newest = next(iter(run.recommendations.all()), None)
        return cls(**plain, candidates=candidates, recommendation=newest.pk if newest else None)


class RecommendationOut(Schema):
    id: int
    run: int
    verdict: str
    incumbent: str
    candidate: str | None
    sentence: str
    reasons: list[dict[str, Any]]
    decision: dict[str, Any]
    pack_sha256: str
    created_at: datetime
    expires_at: datetime
    is_expired: bool
    acknowledged_by: str | None
    acknowledged_at: datetime | None
    note: str

    @classmethod
    def of(cls, found: Recommendation) -> RecommendationOut:
        given = ("id", "run", "candidate", "acknowledged_by")
        plain = {name: getattr(found, name) for name in cls.model_fields if name not in given}
        who = found.acknowledged_by.email if found.acknowledged_by else None
        return cls(**plain, id=found.pk, run=found.run_id, candidate=found.candidate or None, acknowledged_by=who)


class ForecastOut(Schema):
    """What a budget buys; None = not known. `detectable_gap` is a difference of scores in [0, 1], at 80 % power."""

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

    @classmethod
    def of(cls, found: Forecast) -> ForecastOut:
        return cls.model_validate(found, from_attributes=True)
