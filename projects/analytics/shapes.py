"""How a measure is spread: exact percentiles at any level, and calls a bin."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

from projects.analytics import compiler, figures, reading
from projects.analytics.answers import Answer, Column
from projects.analytics.compiler import Ground, Statement
from projects.analytics.links import link
from projects.analytics.questions import Distribution, Percentiles
from projects.analytics.vocabulary import DIMENSIONS, MEASURES


def percentiles(ground: Ground, question: Percentiles) -> Answer:
    """Exact, linear between the two nearest calls (type 7, as in pandas)."""
    measure, by = MEASURES[question.measure], question.dimension
    value = measure.exact if measure.is_money else measure.expression
    names = {"v": f"toFloat64({value})"} | ({"d0": DIMENSIONS[by].expression} if by else {})
    bound, source = compiler.columns(question, ground, names)
    bound.values["zone"] = question.time_zone
    levels = ", ".join(repr(float(level)) for level in question.levels)
    selected = f"count(v) AS n, quantilesExactInclusiveOrNull({levels})(v) AS q"
    sql = (
        f"SELECT {'d0, ' if by else ''}{selected} FROM {source}{' GROUP BY d0' if by else ''} "  # noqa: S608
        f"ORDER BY n DESC{', d0' if by else ''} LIMIT {bound.bind(question.limit + 1, 'UInt32')}"
    )
    rows = reading.rows(Statement(sql, bound.values), ground.project_id, question)
    head = [Column(by, DIMENSIONS[by].title, "text", "dimension")] if by else []
    return Answer(
        "percentiles",
        *question.span,
        columns=(
            *head,
            Column("known", "Calls known", "calls"),
            *(Column(f"p{level * 100:g}", f"p{level * 100:g}", measure.unit) for level in question.levels),
        ),
        rows=tuple(_percentile_row(row, question) for row in rows[: question.limit]),
        is_cut=len(rows) > question.limit,
        links=tuple(link(question, question.span, {by: row["d0"]} if by else {}) for row in rows[: question.limit]),
    )


def _percentile_row(row: dict[str, Any], question: Percentiles) -> tuple[Any, ...]:
    measure, held = MEASURES[question.measure], row["q"] or [None] * len(question.levels)
    values = [figures.in_unit(measure, each) for each in held]
    return (*((row["d0"],) if question.dimension else ()), row["n"], *values)


def distribution(ground: Ground, question: Distribution) -> Answer:
    """Bins from the least to the greatest value; each holds [low, high), the last one its high end too."""
    measure = MEASURES[question.measure]
    low, high, n, n_calls, n_left = _ends(ground, question)
    edges = _edges(low, high, question) if n else []
    counts = _counted(ground, question, edges) if n else []
    notes = [f"{n_left:,} calls at or below zero have no place on a logarithmic scale."] if n_left else []
    if n_calls > n + n_left:
        notes.append(f"Of {n_calls - n - n_left:,} calls the {measure.title.lower()} is not known.")
    spans = pairwise(edges)
    return Answer(
        "distribution",
        *question.span,
        columns=(
            Column("from", "From", measure.unit, "dimension"),
            Column("to", "To", measure.unit, "dimension"),
            Column("calls", "Calls", "calls"),
            Column("share", "Share", "share"),
        ),
        rows=tuple((a, b, count, count / n) for (a, b), count in zip(spans, counts, strict=True)),
        n_calls=n_calls,
        notes=tuple(notes),
    )


def _known(question: Distribution) -> str:
    number = compiler.number(question.measure)
    return f"if({number} > 0, {number}, NULL)" if question.scale == "log" else number


def _ends(ground: Ground, question: Distribution) -> tuple[float, float, int, int, int]:
    names = {"v": _known(question), "w": compiler.number(question.measure)}
    bound, source = compiler.columns(question, ground, names)
    sql = f"SELECT min(v) AS low, max(v) AS high, count(v) AS n, count() AS of, count(w) AS w FROM {source}"  # noqa: S608
    row = reading.rows(Statement(sql, bound.values), ground.project_id, question)[0]
    return row["low"], row["high"], row["n"], row["of"], row["w"] - row["n"]


def _edges(low: float, high: float, question: Distribution) -> list[float]:
    """Equal values make one bin around them."""
    if low == high:
        return [low, high]
    if question.scale == "log":
        step = math.log(high / low) / question.bins
        inner = [low * math.exp(step * at) for at in range(1, question.bins)]
    else:
        inner = [low + (high - low) * at / question.bins for at in range(1, question.bins)]
    return [low, *inner, high]


def _counted(ground: Ground, question: Distribution, edges: list[float]) -> list[int]:
    """By the same edges that are shown, found by bisection, so no value falls between formula and label."""
    bound, source = compiler.columns(question, ground, {"v": _known(question)}, known=[_known(question)])
    lows = bound.bind(edges[:-1], "Array(Float64)")
    sql = f"SELECT roundDown(assumeNotNull(v), {lows}) AS low, count() AS n FROM {source} GROUP BY low"  # noqa: S608
    rows = reading.rows(Statement(sql, bound.values), ground.project_id, question)
    held = {row["low"]: row["n"] for row in rows}
    return [held.get(edge, 0) for edge in edges[:-1]]
