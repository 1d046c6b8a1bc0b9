"""Figures by dimensions and time, over the hourly roll-up where that holds them and over the log where not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from projects.analytics import compiler, figures, near, reading, rolled, standing, times
from projects.analytics.answers import EXACT, NEAR, Answer, Column
from projects.analytics.compiler import MOST_GROUPS, Ground
from projects.analytics.links import link
from projects.analytics.questions import Aggregate, Window
from projects.analytics.times import from_micros
from projects.analytics.vocabulary import CONDITIONS, DIMENSIONS, FIGURES, PERCENTILES, Figure

# Up to here percentiles are read exactly, even where counts in buckets would do.
EXACT_UP_TO = 1_000_000
Key = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Groups:
    """Figures by key: the dimensions' values, and the bucket's number where there is a grain."""

    by_key: Mapping[Key, list[Any]]
    edges: Sequence[datetime]
    source: str
    method: str
    is_cut: bool


def answer(project_id: int, question: Aggregate) -> Answer:
    """Raises TooLarge when the budget does not suffice."""
    now = _groups(project_id, question, question, question.limit)
    if question.compare is None:
        return _answer(question, now, None, None)
    window = times.compared(question, question.compare)
    before = _groups(project_id, question, window, MOST_GROUPS)
    return _answer(question, now, before, window)


def _groups(project_id: int, question: Aggregate, window: Window, limit: int) -> Groups:
    edges = times.buckets(window, question.grain, question.time_zone) if question.grain else []
    ground, is_near = _ground(project_id, question, window, edges)
    found = _read(project_id, question, window, edges, ground, limit)
    method = NEAR if is_near else EXACT
    if is_near:
        filled = near.filled(project_id, question, window, edges, ground, found)
        if filled is None:  # the counts do not agree with the sums: the log itself decides
            ground, method = _log(project_id, window), EXACT
            filled = _read(project_id, question, window, edges, ground, limit)
        found = filled
    kept = found[:limit]
    keyed = {_key(row, question, edges): figures.values(row, question.figures) for row in kept}
    if edges and not question.dimensions:
        empty = _nothing(question)
        keyed = {(at,): keyed.get((at,), empty) for at in range(len(edges))}
    source = "log" if ground.hours is None else "hourly roll-up"
    return Groups(keyed, edges, source, method, len(found) > limit)


def _read(
    project_id: int, question: Aggregate, window: Window, edges: Sequence[datetime], ground: Ground, limit: int
) -> list[dict[str, Any]]:
    statement = compiler.aggregate(question, ground, window.span, edges, limit + 1)
    return reading.rows(statement, project_id, question)


def _log(project_id: int, window: Window) -> Ground:
    return Ground(project_id, standing.has_replaced(project_id, window.span))


def _ground(project_id: int, question: Aggregate, window: Window, edges: Sequence[datetime]) -> tuple[Ground, bool]:
    """Where to read, and whether percentiles come from counts in buckets."""
    log = _log(project_id, window)
    has_percentiles = any(FIGURES[name].made in PERCENTILES for name in question.figures)
    if not rolled.covers(question, edges) or (has_percentiles and question.accuracy == "exact"):
        return log, False
    hours = standing.hours(project_id, window.span)
    ground = Ground(project_id, log.has_replaced, hours)
    if hours.since >= hours.until or len(hours.apart(window.span)) > rolled.MOST_APART:
        return log, False
    if not has_percentiles:
        return ground, False
    if not rolled.covers_percentiles(question, edges):
        return log, False
    is_long = standing.has_more(project_id, (hours.since, hours.until), EXACT_UP_TO)
    return (ground, True) if is_long else (log, False)


def _key(row: Mapping[str, Any], question: Aggregate, edges: Sequence[datetime]) -> Key:
    dimensions = tuple(_plain(name, row[f"d{at}"]) for at, name in enumerate(question.dimensions))
    return (*dimensions, edges.index(from_micros(row["t"]))) if edges else dimensions


def _plain(name: str, value: Any) -> Any:
    return bool(value) if value is not None and DIMENSIONS[name].kind == "Bool" else value


def _nothing(question: Aggregate) -> list[Any]:
    """The figures of no calls at all: none were made, and nothing else is known of them."""
    return [0 if _is_count(FIGURES[name]) else None for name in question.figures]


def _is_count(figure: Figure) -> bool:
    """Whether no calls make this nought: not so for what cannot be told of every call."""
    return figure.made == "known" or (
        figure.made == "count" and (figure.of == "calls" or CONDITIONS[figure.of].known == "true")
    )


def _answer(question: Aggregate, now: Groups, before: Groups | None, window: Window | None) -> Answer:
    keys = list(now.by_key)
    if before is not None and not now.is_cut and not before.is_cut:
        keys += [key for key in before.by_key if key not in now.by_key]
    rows = tuple((*_shown(key, now, before), *_figures(key, question, now, before)) for key in keys)
    has_all = not now.is_cut and not any(DIMENSIONS[name].is_many for name in question.dimensions)
    return Answer(
        analysis="aggregate",
        since=question.since,
        until=question.until,
        columns=tuple(_columns(question, now, before)),
        rows=rows,
        n_calls=sum(each[0] for each in _calls(question, now)) if has_all and "calls" in question.figures else None,
        before=window.span if window is not None else None,
        notes=tuple(_notes(question, now, before)),
        source=now.source,
        is_cut=now.is_cut,
        links=tuple(_link(question, key, now) for key in keys),
    )


def _calls(question: Aggregate, now: Groups) -> list[tuple[int]]:
    place = question.figures.index("calls")
    return [(values[place],) for values in now.by_key.values()]


def _shown(key: Key, now: Groups, before: Groups | None) -> Key:
    """The key as it is shown: a bucket by its start."""
    if not now.edges:
        return key
    edges = now.edges if key[-1] < len(now.edges) or before is None else before.edges
    return (*key[:-1], edges[key[-1]])


def _figures(key: Key, question: Aggregate, now: Groups, before: Groups | None) -> list[Any]:
    held = now.by_key.get(key) or _nothing(question)
    if before is None:
        return list(held)
    earlier = before.by_key.get(key) or (_nothing(question) if not before.is_cut else [None] * len(held))
    found: list[Any] = []
    for value, old in zip(held, earlier, strict=True):
        change = None if value is None or old is None else value - old
        found += [value, old, change, None if change is None or not old else float(change / old)]
    return found


def _columns(question: Aggregate, now: Groups, before: Groups | None) -> list[Column]:
    found = [Column(name, DIMENSIONS[name].title, "text", "dimension") for name in question.dimensions]
    if question.grain:
        found.append(Column("time", str(question.grain).title(), "time", "time"))
    for name in question.figures:
        figure = FIGURES[name]
        method = now.method if figure.made in PERCENTILES else EXACT
        found.append(Column(name, figure.title, figure.unit, "figure", method))
        if before is not None:
            found.append(Column(f"{name}.before", f"{figure.title}, before", figure.unit, "before", before.method))
            found.append(Column(f"{name}.change", f"{figure.title}, change", figure.unit, "change"))
            found.append(Column(f"{name}.ratio", f"{figure.title}, change in %", "share", "ratio"))
    return found


def _notes(question: Aggregate, now: Groups, before: Groups | None) -> list[str]:
    found = []
    if now.is_cut:
        found.append(f"Only the first {question.limit:,} groups are shown; there are more.")
    if before is not None and before.is_cut:
        found.append(f"The earlier window has more than {MOST_GROUPS:,} groups; where one was not read, it is unknown.")
    many = [name for name in question.dimensions if DIMENSIONS[name].is_many]
    if many:
        found.append(f"A call can have several values of {many[0]} and counts under each, so groups add up to more.")
    if now.method == NEAR:
        found.append("Percentiles are within 2 % of the exact ones; ask with accuracy “exact” for these.")
    return found


def _link(question: Aggregate, key: Key, now: Groups) -> Mapping[str, str]:
    since, until = question.span
    if now.edges:
        at = key[-1]
        if at >= len(now.edges):
            return {}
        since = max(since, now.edges[at])
        until = min(until, now.edges[at + 1]) if at + 1 < len(now.edges) else until
        key = key[:-1]
    return link(question, (since, until), dict(zip(question.dimensions, key, strict=True)))
