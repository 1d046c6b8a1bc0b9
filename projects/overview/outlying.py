"""Calls beyond a fence that the quartiles of their own model set: two statements over the log, within the budget."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from projects.analytics import compiler, engine, reading, standing
from projects.analytics.compiler import Ground, Statement
from projects.analytics.vocabulary import DIMENSIONS, MEASURES
from projects.overview.asking import Asked

LEAST_CALLS = 50
MOST = 20
LEAST_FACTOR = 2.0
_MODELS = 200


@dataclass(frozen=True, slots=True)
class Beyond:
    """The farthest calls, how many there are, and among how many it was looked."""

    rows: list[dict[str, Any]]
    n: int
    n_looked_at: int


def fence(low: float, high: float) -> float | None:
    """Above this a value stands out, from the quartiles; None where they do not tell."""
    if not (low > 0 and high > 0):
        return None
    return high * max((high / low) ** 3, LEAST_FACTOR)


def beyond(asked: Asked, measure: str) -> Beyond:
    """Raises TooLarge."""
    fences, n_looked_at = _fences(asked, measure)
    if not fences:
        return Beyond([], 0, n_looked_at)
    rows = _rows(asked, measure, fences)
    return Beyond(rows, rows[0]["n_all"] if rows else 0, n_looked_at)


def _fences(asked: Asked, measure: str) -> tuple[dict[str, float], int]:
    """By the model's name; calls without a name have none."""
    figures = (f"{measure}.known", f"{measure}.p25", f"{measure}.p75")
    found, n = dict[str, float](), 0
    for row in asked.ask(dimensions=("model",), figures=figures, limit=_MODELS).records():
        known, low, high = (row[name] for name in figures)
        limit = fence(float(low), float(high)) if known >= LEAST_CALLS and row["model"] is not None else None
        if limit is not None:
            found[row["model"]], n = limit, n + known
    return found, n


def _rows(asked: Asked, measure: str, fences: dict[str, float]) -> list[dict[str, Any]]:
    window = asked.window
    question = engine.parsed({"analysis": "aggregate", "since": window.since, "until": window.until})
    ground = Ground(asked.project_id, standing.has_replaced(asked.project_id, question.span))
    value = f"toFloat64({MEASURES[measure].expression})"
    names = {
        "event_id": "event_id",
        "started_at": "started_at",
        "model": DIMENSIONS["model"].expression,
        "kind": "kind",
    }
    bound, source = compiler.columns(question, ground, {**names, "value": value}, known=(MEASURES[measure].expression,))
    held = bound.bind(list(fences), "Array(String)"), bound.bind(list(fences.values()), "Array(Float64)")
    limit = f"transform(ifNull(model, ''), {held[0]}, {held[1]}, 1e300)"
    sql = (
        f"SELECT *, {limit} AS fence, count() OVER () AS n_all FROM {source} WHERE value > fence "  # noqa: S608
        f"ORDER BY value / fence DESC, event_id LIMIT {MOST}"
    )
    return reading.rows(Statement(sql, bound.values), asked.project_id, question)
