"""What the API of caches and guardrails takes and gives."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

from ninja import Schema
from pydantic import Field

from routing.schemas import Strict


class ControlsIn(Strict):
    """What is left out stays as it is; bounds and rules are in docs/gateway.md."""

    exact_cache: bool | None = None
    semantic_cache: bool | None = None
    ttl_s: int | None = Field(None, description="Seconds an answer is kept.")
    max_entries: int | None = None
    similarity: float | None = Field(None, description="Least cosine of two questions that are taken for one.")
    check_share: float | None = Field(None, description="Of semantic hits, those that the model answers anew.")
    max_false_share: float | None = Field(None, description="Past it the semantic cache stops.")
    guardrails: list[dict[str, Any]] | None = Field(None, description="In order; replaces the list.")


class ControlsOut(Schema):
    exact_cache: bool
    semantic_cache: bool
    ttl_s: int
    max_entries: int
    similarity: float
    check_share: float
    max_false_share: float
    guardrails: list[dict[str, Any]]
    stopped_at: datetime | None
    stopped_because: str


class HitsOut(Schema):
    n_calls: int
    n_hits: int
    n_exact: int
    n_semantic: int
    share: float | None
    saved_usd: Decimal | None = Field(description="What the answers had cost that were given again.")
    n_priced: int = Field(description="Hits whose first answer has a known cost.")
    hit_p50_ms: float | None


class FalseHitsOut(Schema):
    n_checked: int
    n_false: int
    n_gone: int = Field(description="Checked hits one of whose answers is gone from the log, or has no words.")
    share: float | None = Field(description="Empty while fewer than 20 were checked.")
    low: float | None = Field(description="Bounds of 95 % that hold at every look.")
    high: float | None
    since: datetime


class ActionOut(Schema):
    rule: str
    on: str
    action: str
    n_requests: int
    n_finds: int


class ControlReportOut(Schema):
    days: int
    hits: HitsOut
    false_hits: FalseHitsOut
    guardrails: list[ActionOut]
    stopped_at: datetime | None
    stopped_because: str
    expected: dict[str, Any] | None = Field(description="What the log says a cache would have answered.")
