"""API of analytics: a typed question out of a closed vocabulary, and what a dashboard shows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from django.http import HttpRequest, HttpResponse
from ninja import Query, Router, Schema
from pydantic import AwareDatetime, Field

from projects import access
from projects.analytics import dashboard, engine, exports
from projects.analytics.questions import AnyQuestion, ZoneName
from projects.auth import either
from projects.schemas import Strict

router = Router(auth=either)
DAYS = 30


class AnalyticsIn(Strict):
    """Which project, what question, and in which form the answer comes."""

    project: str = Field(max_length=60)
    question: AnyQuestion
    format: Literal["json", "csv", "parquet"] = "json"


class ColumnOut(Schema):
    name: str
    title: str
    unit: str
    role: str
    method: str


class AnswerOut(Schema):
    """Rows in the order of the columns; money as text, unknown as null."""

    analysis: str
    since: datetime
    until: datetime
    compared_with: list[datetime] | None
    columns: list[ColumnOut]
    rows: list[list[Any]]
    n_calls: int | None
    source: str
    is_cut: bool
    notes: list[str]
    total: dict[str, Any] | None = None
    whole: dict[str, Any] | None = None
    explained: float | None = None
    coverage: float | None = None
    method: str | None = None


@router.post("/analytics", response=AnswerOut, summary="Ask the log a structured question")
def ask(request: HttpRequest, payload: AnalyticsIn) -> dict[str, Any] | HttpResponse:
    """`over_budget` (413) says what to narrow when the question would read or hold more than its budget."""
    project = access.readable(request, payload.project)
    found = engine.answer(project.pk, payload.question)
    if payload.format == "json":
        return found.as_json()
    return HttpResponse(exports.exported(found, payload.format), content_type=exports.FORMATS[payload.format])


class SummaryQuery(Schema):
    """The last thirty days unless told; times with their offset from UTC."""

    since: AwareDatetime | None = None
    until: AwareDatetime | None = None
    time_zone: ZoneName = "UTC"


@router.get("/analytics/{slug}/summary", response=dict[str, AnswerOut], summary="What a dashboard shows of a window")
def summary(request: HttpRequest, slug: str, query: Query[SummaryQuery]) -> dict[str, Any]:
    project = access.readable(request, slug)
    until = query.until or datetime.now(UTC).replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
    window = engine.parsed_window(query.since or until - timedelta(days=DAYS), until)
    parts = dashboard.summary(project.pk, window.since, window.until, query.time_zone)
    return {name: part.as_json() for name, part in parts.items()}
