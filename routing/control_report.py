"""What a project's caches and guardrails did of late, read from the log."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone

from netra import clickhouse
from projects import kind_report, log
from projects.models import Project
from routing import cache_checking, controls
from routing.false_hits import FEWEST, interval
from routing.models import CacheCheck, GatewayControls

DAYS = 30
_LATELY = "purpose = 'live' AND started_at >= {since:DateTime64(6, 'UTC')}"
_SAVED = "toDecimal128OrNull(JSONExtractString(metadata, 'cache', 'saved_usd'), 12)"
_HITS = (
    "SELECT countIf(operation = 'chat' AND outcome IN ('ok', 'cached')) AS n_calls, "  # noqa: S608
    "countIf(kind_of_hit = 'exact') AS n_exact, countIf(kind_of_hit = 'semantic') AS n_semantic, "
    "sum(saved) AS saved_usd, countIf(saved IS NOT NULL) AS n_priced, "
    "quantileExactIf(0.5)(duration_ms, kind_of_hit != '') AS hit_p50_ms "
    "FROM (SELECT operation, outcome, duration_ms, "
    "if(outcome = 'cached', JSONExtractString(metadata, 'cache', 'kind'), '') AS kind_of_hit, "
    f"if(outcome = 'cached', {_SAVED}, NULL) AS saved FROM workload_events WHERE {log.CURRENT} AND {_LATELY})"
)
_ACTIONS = (
    "SELECT JSONExtractString(note, 'guardrail') AS rule, JSONExtractString(note, 'guardrail_on') AS on, "  # noqa: S608
    "JSONExtractString(note, 'guardrail_action') AS action, count() AS n_requests, "
    "sum(JSONExtractUInt(note, 'count')) AS n_finds FROM (SELECT "
    "arrayJoin(JSONExtractArrayRaw(metadata, 'guardrails')) "
    f"AS note FROM workload_events WHERE {log.CURRENT} AND {_LATELY} AND metadata LIKE '%\"guardrails\"%') "
    "GROUP BY rule, on, action ORDER BY n_requests DESC, rule, on, action"
)


def report(project: Project, *, days: int = DAYS) -> dict[str, Any]:
    """Hits, what they saved, how many were wrong, and what each guardrail did, of the last `days` days."""
    row, since = controls.of(project), timezone.now() - timedelta(days=days)
    return {
        "days": days,
        "hits": _hits(project, since),
        "false_hits": false_hits(row),
        "guardrails": clickhouse.rows(_ACTIONS, {"project_id": project.pk, "since": since}),
        "stopped_at": row.stopped_at,
        "stopped_because": row.stopped_because,
    }


def _hits(project: Project, since: datetime) -> dict[str, Any]:
    (found,) = clickhouse.rows(_HITS, {"project_id": project.pk, "since": since})
    n_hits = found["n_exact"] + found["n_semantic"]
    return {
        **found,
        "n_hits": n_hits,
        "share": n_hits / found["n_calls"] if found["n_calls"] else None,
        "saved_usd": found["saved_usd"] if found["n_priced"] else None,
        "hit_p50_ms": found["hit_p50_ms"] if n_hits else None,
    }


def false_hits(row: GatewayControls) -> dict[str, Any]:
    """The share of semantic hits that were wrong, with an interval that holds at every look; None while it is thin."""
    n, n_false = cache_checking.counted(row) if row.pk else (0, 0)
    low, high = interval(n_false, n)
    gone = CacheCheck.objects.filter(project_id=row.project_id, asked_at__gte=row.counted_from, agrees=None).count()
    is_known = n >= FEWEST
    return {
        "n_checked": n,
        "n_false": n_false,
        "n_gone": gone,
        "share": n_false / n if is_known else None,
        "low": low if is_known else None,
        "high": high if is_known else None,
        "since": row.counted_from,
        "n_needed": max(0, FEWEST - n),
    }


def expected(project: Project) -> dict[str, Any] | None:
    """What the newest logged calls say that a cache would have answered; None before kinds of work were looked for."""
    found = kind_report.report(project).knows.get("cache")
    return found if isinstance(found, dict) else None
