"""How measures go together, pair by pair, over the calls that have both.

Pearson's r out of sums of whole numbers, Spearman's ρ out of doubled ranks: the order of rows cannot change either.
"""

from __future__ import annotations

from decimal import Decimal, localcontext
from itertools import combinations
from typing import Any

import numpy as np

from netra.errors import TooLarge
from projects.analytics import compiler, reading
from projects.analytics.answers import Answer, Column
from projects.analytics.compiler import Ground, Statement
from projects.analytics.questions import Correlation
from projects.analytics.vocabulary import MEASURES

# Doubled ranks of so many rows, squared and summed, stay within 64 bits; and it is what sorting takes a second for.
MOST_RANKED = 1_000_000
FEWEST = 3


def correlation(ground: Ground, question: Correlation) -> Answer:
    """r in [−1, 1] and the n it is of; None below three calls, or where a measure does not vary."""
    of = _pearson if question.method == "pearson" else _spearman
    pairs = list(combinations(question.measures, 2))
    found = of(ground, question, pairs)
    return Answer(
        "correlation",
        *question.span,
        columns=(
            Column("first", "Measure", "measure", "dimension"),
            Column("second", "With", "measure", "dimension"),
            Column("r", "r" if question.method == "pearson" else "ρ", "ratio"),
            Column("n", "Calls with both", "calls"),
        ),
        rows=tuple((*pair, *value) for pair, value in zip(pairs, found, strict=True)),
        notes=("Going together is not causing.",),
    )


def _pearson(ground: Ground, question: Correlation, pairs: list[tuple[str, str]]) -> list[tuple[float | None, int]]:
    names = {f"m{at}": MEASURES[name].exact for at, name in enumerate(question.measures)}
    bound, source = compiler.columns(question, ground, names)
    sums = ", ".join(_sums(at, *(question.measures.index(name) for name in pair)) for at, pair in enumerate(pairs))
    row = reading.rows(Statement(f"SELECT {sums} FROM {source}", bound.values), ground.project_id, question)[0]  # noqa: S608
    return [_r(row, at) for at in range(len(pairs))]


def _sums(at: int, x: int, y: int) -> str:
    has_both = f"m{x} IS NOT NULL AND m{y} IS NOT NULL"
    a, b = f"toInt256(ifNull(m{x}, 0))", f"toInt256(ifNull(m{y}, 0))"
    products = {"x": a, "y": b, "xx": f"{a} * {a}", "yy": f"{b} * {b}", "xy": f"{a} * {b}"}
    summed = [f"sumIf({text}, {has_both}) AS {name}{at}" for name, text in products.items()]
    return ", ".join([f"countIf({has_both}) AS n{at}", *summed])


def _r(row: dict[str, Any], at: int) -> tuple[float | None, int]:
    n, x, y, xx, yy, xy = (int(row[f"{name}{at}"]) for name in ("n", "x", "y", "xx", "yy", "xy"))
    return _ratio(n * xy - x * y, n * xx - x * x, n * yy - y * y, n), n


def _ratio(cross: int, first: int, second: int, n: int) -> float | None:
    if n < FEWEST or not first or not second:
        return None
    with localcontext() as exact:
        exact.prec = 60
        return float(Decimal(cross) / (Decimal(first) * Decimal(second)).sqrt())


def _spearman(ground: Ground, question: Correlation, pairs: list[tuple[str, str]]) -> list[tuple[float | None, int]]:
    names = {f"m{at}": compiler.number(name) for at, name in enumerate(question.measures)}
    bound, source = compiler.columns(question, ground, names)
    sql = f"SELECT * FROM {source} LIMIT {MOST_RANKED + 1}"  # noqa: S608
    table = reading.table(Statement(sql, bound.values), ground.project_id, question)
    if table.num_rows > MOST_RANKED:
        raise TooLarge(f"Ranks are taken of at most {MOST_RANKED:,} calls; narrow the window.", code="over_budget")
    columns = [np.asarray(table.column(f"m{at}").to_numpy(zero_copy_only=False), float) for at in range(len(names))]
    return [_rho(*(columns[question.measures.index(name)] for name in pair)) for pair in pairs]


def _rho(x: np.ndarray, y: np.ndarray) -> tuple[float | None, int]:
    both = np.isfinite(x) & np.isfinite(y)
    a, b = _doubled_ranks(x[both]), _doubled_ranks(y[both])
    n = len(a)
    return _ratio(int(a @ b), int(a @ a), int(b @ b), n), n


def _doubled_ranks(values: np.ndarray) -> np.ndarray:
    """Twice the mean rank, less their mean, so that ties stay whole numbers and the sum is nought."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    upto = np.cumsum(counts)
    return (2 * upto - counts + 1)[place] - (len(values) + 1)
