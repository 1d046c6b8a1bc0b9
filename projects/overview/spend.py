"""Spend over time and what is to come, from the hourly roll-up."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

from netra.pictures import Picture, Series
from projects.analytics.answers import Answer
from projects.analytics.questions import Grain
from projects.overview import headline
from projects.overview.asking import Asked, day_word, ends, is_cut, mark, number
from projects.overview.shapes import Head, Row, Section, Table

SERIES = ("calls", "cost_usd.sum", "cost_usd.known", "tokens_input.sum", "tokens_output.sum", "errors.count")
CUT = "The window begins or ends within a day, so the first and the last column can be of a part of one."


def series(asked: Asked) -> Answer:
    """Sums over time: one question that several sections share."""
    return asked.ask(figures=SERIES, grain=asked.window.grain)


def spent(row: dict[str, Any]) -> Any:
    """What a stretch of time cost: where nothing was called, nothing."""
    return row["cost_usd.sum"] if row["calls"] else Decimal(0)


def spend(asked: Asked) -> Section:
    answer, coming = series(asked), _coming(asked)
    window, rows = asked.window, answer.records()
    heads = (
        Head(str(window.grain).title()),
        Head("Spend", "usd"),
        Head("Calls", "calls"),
        Head("Cost known", "calls"),
        Head("Input tokens", "tokens"),
        Head("Output tokens", "tokens"),
    )
    starts = [row["time"] for row in rows]
    table = Table(heads, tuple(_row(asked, row, end) for row, end in zip(rows, ends(starts, window), strict=True)))
    return Section(
        "spend",
        f"Spend by {window.grain}",
        "US dollars, at each call's own price",
        _picture(asked, rows, coming),
        table,
        (*([CUT] if is_cut(window) else []), *answer.notes),
        is_folded=True,
    )


def _row(asked: Asked, row: dict[str, Any], end: datetime) -> Row:
    names = ("calls", "cost_usd.known", "tokens_input.sum", "tokens_output.sum")
    told = day_word(row["time"], asked.window.grain, asked.window.zone)
    link = asked.link_of_time(row["time"], end) if row["calls"] else {}
    return Row((told, spent(row), *(row[name] for name in names)), link)


def _coming(asked: Asked) -> list[dict[str, Any]]:
    """Days ahead, drawn only beside days, and no more of them than days seen."""
    if asked.window.grain != Grain.DAY:
        return []
    records = [row for row in headline.outlook(asked).records() if row["time"] >= asked.window.until]
    days = (asked.window.until - asked.window.since).days
    return records[: max(7, days // 2)]


def _picture(asked: Asked, rows: list[dict[str, Any]], coming: list[dict[str, Any]]) -> Picture:
    window = asked.window
    marks = [mark(row["time"], window.grain, window.zone) for row in (*rows, *coming)]
    unknown = (None,) * len(rows)
    return Picture(
        "columns",
        "usd",
        f"Spend by {window.grain}, in US dollars",
        tuple(marks),
        (Series("Spend", (*map(number, map(spent, rows)), *(number(row["expected"]) for row in coming))),),
        low=(*unknown, *(number(row["low"]) for row in coming)),
        high=(*unknown, *(number(row["high"]) for row in coming)),
        n_ahead=len(coming),
    )


def forecast(asked: Asked) -> Section:
    answer = headline.outlook(asked)
    heads = (Head("Day"), Head("Expected", "usd"), Head("At least", "usd"), Head("At most", "usd"))
    rows = tuple(
        Row((day_word(row["time"], Grain.DAY, asked.window.zone), row["expected"], row["low"], row["high"]))
        for row in answer.records()
    )
    total = answer.more.get("total")
    whole = Row((f"{len(rows)} days", total["expected"], total["low"], total["high"])) if total else None
    table = Table(heads, rows, whole) if rows else None
    note = "Weekday means of four weeks; the interval comes from the errors the same forecast would have made before."
    return Section("forecast", "Forecast of spend", note, None, table, answer.notes, is_folded=True)
