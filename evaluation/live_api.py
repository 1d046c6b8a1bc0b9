"""API of live judging: settings and the money of the day."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, Literal

from django.http import HttpRequest
from ninja import Router, Schema
from pydantic import Field

from evaluation import live_report, live_settings
from evaluation.tasks import judge_live
from projects import audit
from projects.access import owned, readable
from projects.auth import either
from projects.models import User
from routing.schemas import Strict

router = Router(auth=either)


class JudgingIn(Strict):
    is_on: bool
    judges: list[Annotated[str, Field(max_length=200)]] = Field(default_factory=list, max_length=3)
    dimension: Literal["correctness", "safety", "quality", "helpfulness"] = "quality"
    daily_budget_usd: Decimal = Field(Decimal(1), gt=0, max_digits=12, decimal_places=6)
    sample_share: float = Field(0.1, gt=0, le=1)


class JudgingOut(Schema):
    is_on: bool
    judges: list[str]
    dimension: str
    daily_budget_usd: Decimal
    sample_share: float
    today_spent_usd: Decimal = Field(description="At most: calls under way count with their worst case.")
    today_n_judged: int
    today_n_open: int
    today_sentence: str = Field(description="Why the last sitting ended; empty: all that was drawn is judged.")


@router.get("/routing/{slug}/judging", response=JudgingOut, summary="How live answers are judged, and today's money")
def get_judging(request: HttpRequest, slug: str) -> Any:
    return live_report.settings(readable(request, slug))


@router.put("/routing/{slug}/judging", response=JudgingOut, summary="Switch the judging of live answers on or off")
def put_judging(request: HttpRequest, slug: str, given: JudgingIn) -> Any:
    project = owned(request, slug)
    by = request.user if isinstance(request.user, User) else None
    row = live_settings.write(project, given.dict(), by=by)
    audit.note(project, "live_judging_set", live_settings.sentence(row), request=request)
    if row.is_on:
        judge_live.delay_on_commit(project.pk)
    return live_report.settings(project)
