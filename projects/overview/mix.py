"""Which models answer, and for which kinds of work: over time, and beside the window before."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from netra.pictures import Picture, Series
from projects.overview.asking import Asked, day_word, ends, mark, name_of, ratio
from projects.overview.shapes import Head, Link, Row, Section, Table

MOST = 5
_SUMS = ("calls", "cost_usd.sum", "cost_usd.known", "errors.share")


def stacked(
    asked: Asked, dimension: str, word: str, filters: Sequence[dict[str, Any]] = (), narrowed: Link | None = None
) -> tuple[Picture, Table]:
    """Calls of the most frequent values over time, all others added up: a picture and the table it is drawn from.
    `narrowed`: what the filters are in the list of events."""
    more = {"filters": list(filters)}
    found = asked.ask(dimensions=(dimension,), figures=("calls",), limit=MOST, **more).records()
    most = [row[dimension] for row in found]
    whole = asked.ask(figures=("calls",), grain=asked.window.grain, **more).records()
    counts = {value: _counts(asked, dimension, value, most, filters) for value in most}
    starts, totals = [row["time"] for row in whole], [row["calls"] for row in whole]
    columns = [[counts[value].get(start, 0) for start in starts] for value in most]
    rest = [total - sum(each) for total, *each in zip(totals, *columns, strict=True)]
    if any(rest):
        columns.append(rest)
    names = [*map(name_of, most), *(["all others"] if any(rest) else [])]
    return _picture(asked, starts, names, columns, word), _table(asked, starts, names, columns, narrowed or {})


def _counts(
    asked: Asked, dimension: str, value: Any, most: Sequence[Any], filters: Sequence[dict[str, Any]]
) -> dict[datetime, int]:
    """One question for all values, which the engine keeps; here those of one."""
    among = {"dimension": dimension, "is": list(most)}
    rows = asked.ask(
        dimensions=(dimension,), figures=("calls",), grain=asked.window.grain, filters=[*filters, among], limit=5_000
    ).records()
    return {row["time"]: row["calls"] for row in rows if row[dimension] == value}


def _picture(
    asked: Asked, starts: Sequence[datetime], names: Sequence[str], columns: Sequence[Sequence[int]], word: str
) -> Picture:
    window = asked.window
    marks = tuple(mark(start, window.grain, window.zone) for start in starts)
    series = tuple(Series(name, tuple(map(float, each))) for name, each in zip(names, columns, strict=True))
    return Picture("stack", "calls", f"{word} by {window.grain}", marks, series)


def _table(
    asked: Asked, starts: Sequence[datetime], names: Sequence[str], columns: Sequence[Sequence[int]], more: Link
) -> Table:
    window = asked.window
    heads = (Head(str(window.grain).title()), *(Head(name, "calls") for name in names))
    rows = []
    for start, end, *counts in zip(starts, ends(list(starts), window), *columns, strict=True):
        link = {**asked.link_of_time(start, end), **more} if any(counts) else {}
        rows.append(Row((day_word(start, window.grain, window.zone), *counts), link))
    return Table(heads, tuple(rows))


def over_time(asked: Asked) -> Section:
    picture, table = stacked(asked, "model", "Calls by model")
    return Section("mix", f"Calls by model, by {asked.window.grain}", "", picture, table, is_folded=True)


def models(asked: Asked) -> Section:
    return _compared(asked, "model", "Models", "Model")


def kinds(asked: Asked) -> Section:
    return _compared(asked, "kind", "Kinds of work", "Kind")


def _compared(asked: Asked, dimension: str, title: str, head: str) -> Section:
    answer = asked.ask(dimensions=(dimension,), figures=_SUMS, order_by="calls", compare="previous", limit=30)
    records, (whole,) = answer.records(), asked.ask(figures=("calls",), compare="previous").records()
    now, before = whole["calls"], whole["calls.before"]
    heads = (
        *(Head(head), Head("Calls", "calls"), Head("Share", is_bar=True), Head("Share of calls", "share")),
        *(
            Head("Change of share", "points"),
            Head("Spend", "usd"),
            Head("Change of spend", "change"),
            Head("Errors", "share"),
        ),
    )
    rows = tuple(Row(_cells(row, dimension, now, before), asked.link(**{dimension: row[dimension]})) for row in records)
    return Section(f"{dimension}s", title, "", None, Table(heads, rows), answer.notes)


def _cells(row: dict[str, Any], dimension: str, now: int, before: int) -> tuple[Any, ...]:
    share, old = ratio(row["calls"], now), ratio(row["calls.before"], before)
    change = None if share is None or old is None else share - old
    spend = (row["cost_usd.sum"], row["cost_usd.sum.ratio"], row["errors.share"])
    return (row[dimension], row["calls"], share, share, change, *spend)
