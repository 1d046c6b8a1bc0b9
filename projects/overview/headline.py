"""The figures a page begins with, each beside the window before."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from projects.analytics.answers import Answer
from projects.overview.asking import ANSWERED, Asked

FIGURES = (
    *("calls", "cost_usd.sum", "cost_usd.known", "errors.count", "errors.share", "refusals.count", "refusals.share"),
    *("refusals.known", "tokens_input.sum", "tokens_output.sum", "replayable.share", "simulated.count"),
)
TIMED = ("duration_ms.known", "duration_ms.p50", "duration_ms.p95")
# The forecast is made from this much before the end of the window, however short that is.
HISTORY = timedelta(days=120)


def headline(asked: Asked) -> dict[str, Any]:
    """Names without their dots, so that a template can say them; `…_before` and `…_ratio` beside each."""
    totals = _row(asked.ask(figures=FIGURES, compare="previous"))
    timed = _row(asked.ask(figures=TIMED, compare="previous", **ANSWERED))
    return {**totals, **timed, "error_points": _difference(totals, "errors_share")}


def _row(answer: Answer) -> dict[str, Any]:
    return {name.replace(".", "_"): value for name, value in answer.records()[0].items()}


def _difference(row: dict[str, Any], name: str) -> float | None:
    before, after = row[f"{name}_before"], row[name]
    return None if before is None or after is None else after - before


def outlook(asked: Asked) -> Answer:
    """Spend of the coming thirty days, or of as many as the history carries; no rows if of none."""
    return asked.ask(analysis="forecast", since=asked.window.until - HISTORY, days=30, or_fewer=True)
