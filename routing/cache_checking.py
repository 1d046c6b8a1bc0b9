"""Semantic hits that the model answered all the same: answers compared, and the cache stopped where they differ.

The gateway notes only which call's answer it had at hand; words are read here, from the log, off the request path.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import orjson
from django.utils import timezone

from netra import clickhouse, embeddings
from netra.answers import first_choice
from projects import audit, log
from projects.models import Project
from routing.false_hits import FEWEST, agreement, interval
from routing.models import CacheCheck, GatewayControls

MOST_AT_ONCE = 200
GONE = "gone"
ARRIVAL = timedelta(minutes=10)
_CHECKED = (
    "SELECT event_id, started_at, response, JSONExtractString(metadata, 'cache_check', 'of') AS of, "  # noqa: S608
    "JSONExtractFloat(metadata, 'cache_check', 'similarity') AS similarity FROM workload_events "
    f"WHERE {log.CURRENT} AND purpose = 'live' AND outcome = 'ok' AND started_at >= {{since:DateTime64(6, 'UTC')}} "
    "AND metadata LIKE '%\"cache_check\"%' AND of != '' ORDER BY started_at DESC, event_id LIMIT 2000"
)
_KEPT = (
    f"SELECT source_record_id, response FROM workload_events WHERE {log.CURRENT} AND purpose = 'live' "  # noqa: S608
    "AND source_record_id IN {names:Array(String)}"
)


def due() -> list[GatewayControls]:
    """Projects whose semantic cache answers."""
    return list(GatewayControls.objects.filter(semantic_cache=True, exact_cache=True).select_related("project"))


def check(controls: GatewayControls) -> int:
    """Compare what was not compared yet, and stop the cache where it is shown to err; returns how many were new."""
    new = _unseen(controls)[:MOST_AT_ONCE]
    kept = _answers(controls.project, [row["of"] for row in new])
    # What another process shipped later may still come.
    sure = [row for row in new if row["of"] in kept or row["started_at"] < timezone.now() - ARRIVAL]
    rows = [_compared(controls.project, row, kept.get(row["of"])) for row in sure]
    CacheCheck.objects.bulk_create(rows, ignore_conflicts=True)
    _stop_if_wrong(controls)
    return len(rows)


def counted(controls: GatewayControls) -> tuple[int, int]:
    """Hits that were checked since the setting changed, and those of them that were wrong."""
    rows = CacheCheck.objects.filter(
        project_id=controls.project_id, asked_at__gte=controls.counted_from, agrees__isnull=False
    )
    return rows.count(), rows.filter(agrees=False).count()


def _unseen(controls: GatewayControls) -> list[dict[str, Any]]:
    found = clickhouse.rows(_CHECKED, {"project_id": controls.project_id, "since": controls.counted_from})
    ids = [row["event_id"] for row in found]
    compared = CacheCheck.objects.filter(project_id=controls.project_id, event_id__in=ids)
    seen = set(compared.values_list("event_id", flat=True))
    return [row for row in found if row["event_id"] not in seen]


def _answers(project: Project, names: Sequence[str]) -> dict[str, str]:
    if not names:
        return {}
    found = clickhouse.rows(_KEPT, {"project_id": project.pk, "names": list(names)})
    return {row["source_record_id"]: row["response"] for row in found}


def _compared(project: Project, row: Mapping[str, Any], kept: str | None) -> CacheCheck:
    old, new = said(kept), said(row["response"])
    agrees, how = (None, GONE) if old is None or new is None else agreement(old, new, lambda: _cosine(old, new))
    return CacheCheck(
        project=project,
        event_id=row["event_id"],
        asked_at=row["started_at"],
        similarity=row["similarity"],
        agrees=agrees,
        how=how,
    )


def said(response: str | None) -> str | None:
    """An answer as text, tool calls written out without their ids; None where there is none to compare."""
    answer = orjson.loads(response) if response else None
    message = (first_choice(answer) or {}).get("message") if isinstance(answer, dict) else None
    if not isinstance(message, dict):
        return None
    calls = message.get("tool_calls") or ()
    called = [call.get("function") for call in calls if isinstance(call, dict)]
    content = message.get("content")
    if called:
        return f"{content or ''} {orjson.dumps(called, option=orjson.OPT_SORT_KEYS).decode()}".strip()
    return content if isinstance(content, str) and content else None


def _cosine(old: str, new: str) -> float:
    first, second = embeddings.encode([old, new])
    return float(first @ second)


def _stop_if_wrong(controls: GatewayControls) -> None:
    n, n_false = counted(controls)
    low, _ = interval(n_false, n)
    if n < FEWEST or low <= controls.max_false_share:
        return
    limit = f"{100 * controls.max_false_share:g} %"
    because = f"{n_false} of {n} checked hits were wrong: surely more than {100 * low:.1f} %, and {limit} are allowed."
    stopped = GatewayControls.objects.filter(pk=controls.pk, semantic_cache=True, counted_from=controls.counted_from)
    # `updated_at` is what gateways look at, and an UPDATE does not move it by itself.
    now = timezone.now()
    if stopped.update(semantic_cache=False, stopped_at=now, stopped_because=because, updated_at=now):
        audit.note(controls.project, "semantic_cache_stopped", f"The semantic cache was stopped: {because}")
