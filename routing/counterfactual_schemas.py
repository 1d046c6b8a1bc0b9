"""What the API of the counterfactuals takes and gives. Unknown is null."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from ninja import Schema
from pydantic import Field

from routing.counterfactual.report import DAYS, MAX_DAYS
from routing.live_schemas import PolicyIn
from routing.schemas import Strict


class CounterfactualIn(Strict):
    project: str = Field(max_length=60)
    policy: str = Field("auto", max_length=60, description="A saved policy; with `draft`, the name it is to have.")
    draft: PolicyIn | None = Field(None, description="Left out: the saved policy as it is.")
    traffic: str = Field("", max_length=60, description="Decisions of this policy only; empty: of all policies.")
    days: int = Field(DAYS, ge=1, le=MAX_DAYS)
    until: datetime | None = Field(None, description="The end of the window; left out: now.")


class EstimateOut(Schema):
    """A mean with its 95 % interval; all null where the evidence is too thin. The n calls are worth `effective_n`."""

    value: float | None
    low: float | None
    high: float | None
    n: int
    effective_n: float


class ComparedOut(Schema):
    """Units: USD a call, milliseconds, a share, and a difference of judged quality to the default in [-1, 1]."""

    measure: str
    logged: EstimateOut
    policy: EstimateOut = Field(alias="other", description="Doubly robust; `ips` and `snips` for comparison.")
    difference: EstimateOut
    ips: EstimateOut | None
    snips: EstimateOut | None


class OverlapOut(Schema):
    n: int
    effective_n: float
    unsupported: float
    untried: list[str]
    is_enough: bool
    sentence: str


class ShareOut(Schema):
    option: str
    n_logged: int
    n_policy: float


class MovedOut(Schema):
    event_id: str
    at: datetime
    chosen: str
    option: str
    chance: float
    saving_usd: float | None


class ReplayOut(Schema):
    shares: list[ShareOut]
    moved: float
    saving_usd: float | None
    foreseen_usd: float | None
    calls: list[MovedOut]


class PointOut(Schema):
    name: str
    cost: EstimateOut
    quality: EstimateOut
    is_beaten: bool


class CounterfactualOut(Schema):
    """`version` 0 is a draft. Without decisions to decide again, `overlap` and `replay` are null."""

    policy: str
    version: int
    since: datetime
    until: datetime
    traffic: str
    n_logged: int
    n_read: int
    n_unreadable: int
    is_simulated: bool
    overlap: OverlapOut | None
    measures: list[ComparedOut]
    replay: ReplayOut | None
    points: list[PointOut]

    @staticmethod
    def resolve_policy(told: Any) -> str:
        return str(told.policy.name)

    @staticmethod
    def resolve_version(told: Any) -> int:
        return int(told.policy.version)

    @staticmethod
    def resolve_since(told: Any) -> Any:
        return told.window.since

    @staticmethod
    def resolve_until(told: Any) -> Any:
        return told.window.until

    @staticmethod
    def resolve_traffic(told: Any) -> str:
        return str(told.window.policy)


class HeldOut(Schema):
    measure: str
    before: EstimateOut
    foreseen: EstimateOut
    realised: EstimateOut
    is_within: bool | None


class FollowedOut(Schema):
    policy: str = Field(alias="forecast.policy")
    version: int = Field(alias="forecast.version")
    made_at: datetime = Field(alias="forecast.made_at")
    n_decisions: int = Field(alias="forecast.n_decisions", description="Logged decisions it was estimated from.")
    caveat: str = Field(alias="forecast.caveat", description="Why nothing is foreseen; empty: something is.")
    n_since: int
    saving_foreseen: float | None
    saving_realised: float | None
    held: list[HeldOut]


class RecordOut(Schema):
    """Of `n_scored` measures foreseen and known since, `n_within` agreed; calibrated forecasts do so in 95 %."""

    n_scored: int
    n_within: int
    share_within: float | None
    followed: list[FollowedOut]
