"""Totals of a project's events. Unknown stays None, with its coverage.

Asked of the analytics engine, so that a window costs its hours and not the whole log's calls.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from projects.analytics import engine, standing
from projects.log_filter import EventFilter

_OK = [{"dimension": "outcome", "is": ["ok"]}]
# A page waits rather than refuses: this much only while the roll-up is being mended.
_BUDGET = {"rows": 100_000_000, "seconds": 60, "memory_mb": 2_000}
_TOTALS = {
    "n_calls": "calls",
    "n_errors": "errors.count",
    "n_refusals": "refusals.count",
    "n_judged_for_refusal": "refusals.known",
    "n_replayable": "replayable.count",
    "n_simulated": "simulated.count",
    "spent_usd": "cost_usd.sum",
    "n_priced": "cost_usd.known",
    "recorded_usd": "cost_recorded_usd.sum",
    "n_recorded": "cost_recorded_usd.known",
    "tok_input_fresh": "tokens_input_fresh.sum",
    "tok_cache_read": "tokens_cache_read.sum",
    "tok_output_visible": "tokens_visible.sum",
    "tok_reasoning": "tokens_reasoning.sum",
}
_TIMED = {"n_timed": "duration_ms.known", "p50_ms": "duration_ms.p50", "p95_ms": "duration_ms.p95"}
_NOTHING = datetime(2020, 1, 1, tzinfo=UTC)
_LEAST = timedelta(hours=1)


def totals(project_id: int, wanted: EventFilter) -> dict[str, Any]:
    """Totals over current demand (not replay, not judges) in [since, until). Without data None, never 0 or NaN."""
    span = _span(project_id, wanted)
    (found,) = _asked(project_id, span, _TOTALS)
    (timed,) = _asked(project_id, span, _TIMED, filters=_OK)
    first_at, last_at = standing.ends(project_id, span) if found["n_calls"] else (None, None)
    return {**found, "n_refusals": found["n_refusals"] or 0, **timed, "first_at": first_at, "last_at": last_at}


def _asked(
    project_id: int, span: tuple[datetime, datetime], named: dict[str, str], **told: Any
) -> list[dict[str, Any]]:
    """The engine's figures under the names that pages and the API know."""
    figures = [figure for name, figure in named.items() if name != figure]
    given = {"analysis": "aggregate", "since": span[0], "until": span[1], "budget": _BUDGET, "limit": 5_000}
    answer = engine.answer(project_id, engine.parsed({**given, "figures": figures, **told}))
    return [{name: row[figure] for name, figure in named.items()} for row in answer.records()]


def _span(project_id: int, wanted: EventFilter) -> tuple[datetime, datetime]:
    """The window asked for, no wider than the log itself; times without a zone are UTC."""
    first, last = standing.whole_log(project_id) or (_NOTHING, _NOTHING + _LEAST)
    since, until = max(_aware(wanted.since or first), first), min(_aware(wanted.until or last), last)
    return (since, until) if since < until else (first - _LEAST, first)


def _aware(at: datetime) -> datetime:
    return at if at.tzinfo else at.replace(tzinfo=UTC)
