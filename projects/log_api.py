"""API of the log: events, totals, the ledger, traces and sessions."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

from django.http import HttpRequest
from ninja import Query, Router

from netra.errors import Invalid, NotFound
from netra.http import streamed
from netra.tokens import BUCKETS
from projects import (
    access,
    audit,
    event_reading,
    exporting,
    import_reading,
    ledger_reading,
    log,
    log_reading,
    summary,
    tree_reading,
)
from projects.auth import either
from projects.log_filter import EventFilter
from projects.log_schemas import (
    CostOut,
    EventPageQuery,
    EventQuery,
    EventWithSourcesOut,
    ExplanationOut,
    LedgerOut,
    SessionsOut,
    StandingOut,
    TreeOut,
)
from projects.models import Import, ImportLine, Project
from projects.schemas import EventsOut, LineOut

router = Router(auth=either)
MOST_LINES = 1_000


@router.get("/logs/{slug}", response=EventsOut, summary="Current events, newest first")
def list_events(request: HttpRequest, slug: str, query: Query[EventPageQuery]) -> dict[str, Any]:
    project = access.readable(request, slug)
    if not 1 <= query.limit <= 1000:
        raise Invalid("limit lies between 1 and 1,000.", field="limit")
    page = log.events(project.pk, query.wanted(), limit=query.limit, after=query.after)
    return {"events": page.rows, "after": page.after}


@router.get("/logs/{slug}/export", summary="Current events as a file: format jsonl or parquet")
def export_events(request: HttpRequest, slug: str, query: Query[EventQuery], format: str = "jsonl") -> Any:
    project = access.readable(request, slug)
    made = exporting.of(project, query.wanted(), format)
    audit.note(project, "events_exported", f"Exported events as {made.title}.", request=request)
    return streamed(request, made.pieces, media_type=made.media_type, file_name=made.file_name)


@router.get("/logs/{slug}/stats", summary="Totals of a window: calls, errors, tokens, cost, latency")
def stats(
    request: HttpRequest, slug: str, since: datetime | None = None, until: datetime | None = None
) -> dict[str, Any]:
    """Over current demand. `n_attempts` of the calls were failed tries that were made again: no demand of their own.

    They are looked for among 200,000 calls at most; None beyond.
    """
    project, wanted = access.readable(request, slug), EventFilter(since=since, until=until)
    found = summary.totals(project.pk, wanted)
    n_attempts = import_reading.attempts(project.pk, wanted, found["n_calls"])
    n_demands = None if n_attempts is None else found["n_calls"] - n_attempts
    return found | {"n_attempts": n_attempts, "n_demands": n_demands}


@router.get(
    "/logs/{slug}/events/{event_id}", response=EventWithSourcesOut, summary="One event, and all that is known of it"
)
def get_event(request: HttpRequest, slug: str, event_id: str, version: int | None = None) -> dict[str, Any]:
    project = access.readable(request, slug)
    found = log.event(project.pk, event_id, version)
    beside = event_reading.of(project, found)
    return found | {
        "tokens": {name: found[f"tok_{name}"] for name in BUCKETS},
        "versions": [each["version"] for each in beside["versions"]],
        "cost": _cost(beside["cost"]),
        **{name: beside[name] for name in ("told", "tried_again_as", "earlier_tries")},
    }


def _cost(cost: event_reading.Cost) -> CostOut:
    dated = cost.dated
    return CostOut(
        recorded_usd=cost.recorded_usd,
        computed_usd=cost.computed_usd,
        residual_usd=cost.residual_usd,
        residual_share=cost.share,
        price_option=dated.option if dated else None,
        price_since=dated.effective_from if dated else None,
        is_price_assumed=dated.is_assumed if dated else None,
        is_price_negotiated=dated.is_negotiated if dated else None,
        explanations=[ExplanationOut.model_validate(each, from_attributes=True) for each in cost.explanations],
    )


@router.get("/logs/{slug}/ledger", response=LedgerOut, summary="What can be done with a log, and why not with the rest")
def ledger(
    request: HttpRequest,
    slug: str,
    query: Query[EventQuery],
    code: str = "",
    limit: int = 100,
    offset: int = 0,
) -> dict[str, Any]:
    """Of what is asked for. Lines are those of one import (`import_id`), or of all; `outcome` is that of the line."""
    project, wanted = access.readable(request, slug), replace(query.wanted(), is_demand=True, outcome=None)
    of = _import(project, wanted.import_id) if wanted.import_id is not None else None
    lines = ImportLine.objects.filter(of_import__project=project)
    asked = {"of_import": of, "outcome": query.outcome, "code": code}
    lines = lines.filter(**{name: value for name, value in asked.items() if value}).order_by(
        "-of_import", "line_number", "id"
    )
    first = min(max(0, offset), 2**31)
    standing = ledger_reading.standing(project.pk, wanted)
    told = import_reading.together(project, of)
    return {
        "since": wanted.since,
        "until": wanted.until,
        "standing": StandingOut.of(standing),
        "n_attempts": import_reading.attempts(project.pk, wanted, standing.all.n_calls),
        "imports": {name: n or 0 for name, n in told["imports_total"].items()},
        "reject_counts": {each: n for each, n, _ in told["rejects"]},
        "lines": [LineOut.model_validate(line, from_attributes=True) for line in lines[first : first + _limit(limit)]],
        "total": lines.count(),
    }


def _limit(told: int) -> int:
    return min(max(1, told), MOST_LINES)


def _import(project: Project, pk: int) -> Import:
    found = project.imports.filter(pk=pk).first() if 0 < pk < 2**63 else None
    if found is None:
        raise NotFound("There is no such import in this project.")
    return found


@router.get("/logs/{slug}/sessions", response=SessionsOut, summary="Sessions, by their last call")
def sessions(
    request: HttpRequest,
    slug: str,
    since: datetime | None = None,
    until: datetime | None = None,
    before: datetime | None = None,
    limit: int = 50,
) -> dict[str, Any]:
    """Figures are of the calls in the window. `before` of a page leads to older sessions."""
    project = access.readable(request, slug)
    found = log_reading.sessions(
        project.pk, EventFilter(since=since, until=until), before=before, limit=min(max(1, limit), 500)
    )
    return {"sessions": found.rows, "before": found.before}


@router.get("/logs/{slug}/sessions/{path:session_id}", response=TreeOut, summary="A session's calls as trees")
def session(request: HttpRequest, slug: str, session_id: str, offset: int = 0, after: str | None = None) -> TreeOut:
    project = access.readable(request, slug)
    return TreeOut.of(tree_reading.of_session(project.pk, session_id, offset=offset, after=after))


@router.get("/logs/{slug}/traces/{path:trace_id}", response=TreeOut, summary="A trace's calls as a tree")
def trace(request: HttpRequest, slug: str, trace_id: str, offset: int = 0, after: str | None = None) -> TreeOut:
    project = access.readable(request, slug)
    return TreeOut.of(tree_reading.of_trace(project.pk, trace_id, offset=offset, after=after))
