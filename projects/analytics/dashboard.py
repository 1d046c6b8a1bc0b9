"""What a dashboard shows of a window: each part an answer of the engine, so that every number has its question."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from netra.errors import TooLarge
from projects.analytics import engine, standing
from projects.analytics.answers import Answer, Column
from projects.analytics.questions import Question

HISTORY = timedelta(days=120)
_TOTALS = (
    *("calls", "cost_usd.sum", "cost_usd.known", "errors.count", "errors.share", "refusals.count", "refusals.share"),
    *("tokens_input.sum", "tokens_cache_read.sum", "tokens_output.sum", "replayable.share"),
)
_LATENCY = ("calls", "duration_ms.p50", "duration_ms.p95", "duration_ms.p99", "ttft_ms.p50", "ttft_ms.p95")
_ANSWERED: dict[str, Any] = {"filters": [{"dimension": "outcome", "is": ["ok"]}]}
_SPENT = ("cost_usd.sum", "calls", "errors.count")


def questions(since: datetime, until: datetime, zone: str) -> dict[str, Question]:
    """The parts by name. Latency is that of answered calls."""
    window = {"analysis": "aggregate", "since": since, "until": until}
    dearest = {"order_by": "cost_usd.sum", "figures": _SPENT, "limit": 10}
    asked: dict[str, dict[str, Any]] = {
        "totals": {"figures": _TOTALS, "compare": "previous"},
        "latency": {"figures": _LATENCY, **_ANSWERED},
        "days": {"figures": ("calls", "cost_usd.sum", "errors.count"), "grain": "day", "time_zone": zone},
        "latency_days": {"figures": _LATENCY, "grain": "day", "time_zone": zone, **_ANSWERED},
        "models": {**dearest, "dimensions": ("model",)},
        "kinds": {**dearest, "dimensions": ("kind",)},
        "users": {**dearest, "dimensions": ("user_id",)},
        "prompt_templates": {**dearest, "dimensions": ("prompt_template",)},
        "errors": {"dimensions": ("error_type",), "filters": [{"dimension": "outcome", "is_not": ["ok", "cached"]}]},
        "finish_reasons": {"dimensions": ("finish_reason",)},
        "spend_change": {"analysis": "spend_change"},
        "forecast": {"analysis": "forecast", "since": until - HISTORY, "time_zone": zone},
    }
    return {name: engine.parsed({**window, **told}) for name, told in asked.items()}


def summary(project_id: int, since: datetime, until: datetime, zone: str = "UTC") -> dict[str, Answer]:
    """A part that does not fit its budget has no rows, and the reason in its notes."""
    with standing.moment():
        return {name: _answered(project_id, question) for name, question in questions(since, until, zone).items()}


def _answered(project_id: int, question: Question) -> Answer:
    try:
        return engine.answer(project_id, question)
    except TooLarge as refused:
        columns: tuple[Column, ...] = ()
        return Answer(type(question).__name__.lower(), *question.span, columns=columns, rows=(), notes=(str(refused),))
