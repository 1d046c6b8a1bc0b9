"""The forecast of a project's calls or spend: its days out of the log, and what may be said of the coming ones."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from projects.analytics import aggregates, forecasting, times
from projects.analytics.answers import Answer, Column
from projects.analytics.forecasting import Outlook, Silence
from projects.analytics.questions import Aggregate, Forecast, Grain, Window
from projects.analytics.vocabulary import FIGURES

# Spend of days on which more calls than this have no price says too little.
MOST_UNPRICED = 0.05
METHOD = "weekday means of four weeks; conformal interval from past errors"


def forecast(project_id: int, question: Forecast) -> Answer:
    """One row a coming day; no rows and the reason in the notes where there is too little to go by."""
    days = _whole_days(project_id, question)
    found = _outlook(days, question)
    figure = FIGURES[question.figure]
    columns = (
        Column("time", "Day", "time", "time"),
        Column("expected", figure.title, figure.unit, "figure", METHOD),
        Column("low", "at least", figure.unit, "figure", METHOD),
        Column("high", "at most", figure.unit, "figure", METHOD),
    )
    if isinstance(found, Silence):
        return Answer("forecast", *question.span, columns=columns, rows=(), notes=(found.sentence,))
    starts = _starts(days[-1]["until"], len(found.days), question)
    kind = _money if figure.unit == "usd" else round
    rows = zip(starts, *(map(kind, each) for each in (found.days, found.low, found.high)), strict=True)
    total = {"expected": kind(found.total), "low": kind(found.total_low), "high": kind(found.total_high)}
    sentence = (
        f"{question.coverage:.0%} interval from {found.n_errors} earlier forecasts of as many days, made from "
        f"{len(days)} days of history."
    )
    return Answer(
        "forecast",
        *question.span,
        columns=columns,
        rows=tuple(rows),
        notes=(sentence,),
        more={"total": total, "coverage": question.coverage, "method": METHOD},
    )


def _money(value: float) -> Decimal:
    """An estimate needs no more digits than a millionth."""
    return Decimal(f"{value:.6f}")


def _outlook(days: list[dict[str, Any]], question: Forecast) -> Outlook | Silence:
    if not days:
        return Silence("There is no whole day with calls in this window.")
    n_calls, n_priced = (sum(day[name] for day in days) for name in ("calls", "cost_usd.known"))
    if question.figure != "calls" and n_priced < (1 - MOST_UNPRICED) * n_calls:
        n_unknown = n_calls - n_priced
        return Silence(f"The cost of {n_unknown:,} of {n_calls:,} calls is not known; too many to forecast spend.")
    # A day without calls costs nothing, and that is known.
    history = [float(day[question.figure] or 0) for day in days]
    carried = max(1, forecasting.longest(len(history), question.coverage))
    ahead = min(question.days, carried) if question.or_fewer else question.days
    return forecasting.outlook(history, ahead, question.coverage)


def _whole_days(project_id: int, question: Forecast) -> list[dict[str, Any]]:
    """Local days that lie wholly in the window, from the first with calls on."""
    asked = Aggregate(
        **{name: getattr(question, name) for name in ("since", "until", "purposes", "filters", "budget", "time_zone")},
        figures=("calls", "cost_usd.sum", "cost_usd.known"),
        grain=Grain.DAY,
        limit=5_000,
    )
    rows = aggregates.answer(project_id, asked).records()
    ends = [row["time"] for row in rows[1:]] + [_next(rows[-1]["time"], question)]
    whole = [
        {**row, "until": end}
        for row, end in zip(rows, ends, strict=True)
        if row["time"] >= question.since and end <= question.until
    ]
    first = next((at for at, row in enumerate(whole) if row["calls"]), len(whole))
    return whole[first:]


def _next(day: datetime, question: Forecast) -> datetime:
    return _starts(day, 2, question)[1]


def _starts(first: datetime, n: int, question: Forecast) -> list[datetime]:
    window = Window(since=first, until=first.astimezone(UTC) + timedelta(days=n + 1))
    return times.buckets(window, Grain.DAY, question.time_zone)[:n]
