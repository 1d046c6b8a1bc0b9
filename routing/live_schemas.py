"""What the routing API takes and gives."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal

from ninja import Schema
from pydantic import Field

from routing.schemas import Strict

Name = Annotated[str, Field(max_length=200)]
Kind = Literal["fixed", "cheapest", "fastest", "best", "weighted", "split", "shadow"]


class PolicyIn(Strict):
    kind: Kind
    default_option: Name
    rules: dict[str, Any] = Field(default_factory=dict, description="See docs/gateway.md.")


class PolicyOut(Schema):
    name: str
    version: int
    kind: str
    default_option: str
    rules: dict[str, Any]
    created_at: datetime


class PredictorOut(Schema):
    """One training against one default; `sha256` is empty while there are too few pairs."""

    default_option: str
    version: int
    n_pairs: int
    sha256: str
    trained_at: datetime
    report: dict[str, Any] = Field(description="See docs/routing-quality.md.")


class DecideIn(Strict):
    project: str = Field(max_length=60)
    policy: str = Field("auto", max_length=60)
    request: dict[str, Any] = Field(description="A chat completion request; its model is not looked at.")


class AllowanceIn(Strict):
    """Empty = no limit. Without `key` it holds for the whole project."""

    key: str | None = Field(None, max_length=80, description="The name of an API key.")
    budget_usd: Decimal | None = Field(None, gt=0, max_digits=14, decimal_places=6)
    window: Literal["hour", "day", "month"] = "day"
    requests_per_minute: int | None = Field(None, ge=1, le=1_000_000)
    tokens_per_minute: int | None = Field(None, ge=1, le=1_000_000_000)
    allowed_models: list[Name] = Field(default_factory=list, max_length=200)


class AllowanceOut(Schema):
    key: str | None
    budget_usd: Decimal | None
    window: str
    taken_usd: Decimal
    requests_per_minute: int | None
    tokens_per_minute: int | None
    allowed_models: list[str]
