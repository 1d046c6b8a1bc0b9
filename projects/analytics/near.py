"""Latency percentiles of long windows, out of hourly counts in buckets."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from projects.analytics import buckets, reading, rolled
from projects.analytics.calls import Bound, conditions
from projects.analytics.compiler import Ground, Statement
from projects.analytics.questions import Aggregate, Window
from projects.analytics.times import micros
from projects.analytics.vocabulary import DIMENSIONS, FIGURES, MEASURES, PERCENTILES

Row = dict[str, Any]


def filled(
    project_id: int, question: Aggregate, window: Window, edges: Sequence[datetime], ground: Ground, sums: list[Row]
) -> list[Row] | None:
    """The rows of sums with `q_…`, the percentiles of each measure asked for; None when counts and calls disagree."""
    levels: dict[str, list[float]] = defaultdict(list)
    for figure in map(FIGURES.__getitem__, question.figures):
        if figure.made in PERCENTILES:
            levels[figure.of].append(PERCENTILES[figure.made])
    rows = [dict(row) for row in sums]
    for measure, wanted in levels.items():
        counts = _counts(project_id, question, window, edges, ground, measure)
        for row in rows:
            held = counts.get(_key(row), [])
            row[f"q_{measure}"] = [] if not held else buckets.percentiles(held, wanted)
            if sum(n for _, n in held) != row[f"n_{measure}"]:
                return None
    return rows


def _key(row: Row) -> tuple[Any, ...]:
    return (row.get("d0"), row.get("t"))


def _counts(
    project_id: int, question: Aggregate, window: Window, edges: Sequence[datetime], ground: Ground, measure: str
) -> dict[tuple[Any, ...], list[tuple[int, int]]]:
    bound = Bound()
    source = _source(bound, project_id, window, ground, measure, cut=(question.dimensions or ("model",))[0])
    keys = {"d0": "value"} if question.dimensions else {}
    if edges:
        listed = bound.bind([micros(edge) for edge in edges], "Array(Int64)")
        keys["t"] = f"roundDown(toInt64(toUnixTimestamp(hour)) * 1000000, {listed})"
    selected = "".join(f"{text} AS {alias}, " for alias, text in keys.items())
    by = ", ".join([*keys, "bucket"])
    sql = (
        f"SELECT {selected}bucket, sum(n) AS n_calls FROM {source} "  # noqa: S608
        f"WHERE {conditions(bound, question)} GROUP BY {by}"
    )
    found: dict[tuple[Any, ...], list[tuple[int, int]]] = defaultdict(list)
    for row in reading.rows(Statement(sql, bound.values), project_id, question):
        found[_key(row)].append((row["bucket"], row["n_calls"]))
    return found


def _source(bound: Bound, project_id: int, window: Window, ground: Ground, measure: str, *, cut: str) -> str:
    """Counts of the whole hours, and of the calls outside of them one by one."""
    assert ground.hours is not None
    counted = (
        "SELECT hour, purpose, outcome, value, bucket, n FROM latency_hours "  # noqa: S608
        f"WHERE {rolled.sound(bound, project_id, ground.hours)} AND measure = {bound.bind(measure, 'String')} "
        f"AND cut = {bound.bind(cut, 'String')}"
    )
    value, of = MEASURES[measure].expression, DIMENSIONS[cut].expression
    told = f"started_at purpose outcome {of} {value}"
    log = rolled.log_apart(bound, project_id, window.span, ground.hours, has_replaced=ground.has_replaced, told=told)
    if log is None:
        return f"({counted})"
    return (
        f"({counted} UNION ALL SELECT toStartOfHour(started_at), purpose, outcome, {of}, {buckets.SQL.format(value)}, "  # noqa: S608
        f"toUInt64(1) FROM {log} WHERE isNotNull({value}) AND isFinite({value}))"
    )
