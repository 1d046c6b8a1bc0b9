"""Figures as pieces of a statement, and their values out of the rows that come back. Pure.

Sums are of whole numbers or decimals, never of floats, so they do not depend on the order in which rows are read.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from projects.analytics.vocabulary import CONDITIONS, FIGURES, MEASURES, PERCENTILES, Figure, Measure

PICO = Decimal("1e-12")
N_CALLS = "n_calls"


def pieces(names: Iterable[str]) -> dict[str, str]:
    """Aggregates over the log by alias, each once; `n_calls` is always there."""
    found = {N_CALLS: "count()"}
    for figure in map(FIGURES.__getitem__, names):
        found |= _of_condition(figure) if figure.of in CONDITIONS else _of_measure(figure)
    return found | _percentiles(names)


def _of_measure(figure: Figure) -> dict[str, str]:
    if figure.of == "calls" or figure.made in PERCENTILES:
        return {}
    measure = MEASURES[figure.of]
    summed = measure.expression if measure.is_money else measure.exact
    made = {
        "sum": {f"sum_{figure.of}": f"sum({summed})"},
        "known": {f"n_{figure.of}": f"count({measure.expression})"},
        "min": {f"min_{figure.of}": f"min({measure.expression})"},
        "max": {f"max_{figure.of}": f"max({measure.expression})"},
    }
    return made["sum"] | made["known"] if figure.made == "mean" else made[figure.made]


def _of_condition(figure: Figure) -> dict[str, str]:
    condition = CONDITIONS[figure.of]
    return {
        f"n_{figure.of}": f"countIf({condition.expression})",
        f"known_{figure.of}": f"countIf({condition.known})",
    }


def _percentiles(names: Iterable[str]) -> dict[str, str]:
    """All levels of a measure in one pass; linear between the two nearest values (type 7)."""
    levels: dict[str, list[str]] = {}
    for figure in map(FIGURES.__getitem__, names):
        if figure.made in PERCENTILES:
            levels.setdefault(figure.of, []).append(repr(PERCENTILES[figure.made]))
    return {
        f"q_{of}": f"quantilesExactInclusiveOrNull({', '.join(wanted)})({_ordinal(MEASURES[of])})"
        for of, wanted in levels.items()
    }


def _ordinal(measure: Measure) -> str:
    """Money in whole picodollars: a float holds these exactly up to 9,007 dollars a call."""
    return f"toFloat64({measure.exact if measure.is_money else measure.expression})"


def order(name: str, names: Sequence[str]) -> str:
    """What to sort by for a figure, over the aliases of `pieces(names)`."""
    figure = FIGURES[name]
    of = figure.of
    if of == "calls":
        return N_CALLS
    if figure.made in PERCENTILES:
        same = [each for each in names if FIGURES[each].of == of and FIGURES[each].made in PERCENTILES]
        return f"if(empty(q_{of}), NULL, q_{of}[{same.index(name) + 1}])"
    if figure.made in ("mean", "share"):
        above, below = ("sum", "n") if figure.made == "mean" else ("n", "known")
        return f"toFloat64({above}_{of}) / nullIf({below}_{of}, 0)"
    if of in CONDITIONS:
        return f"known_{of}" if figure.made == "known" else f"if(known_{of} = 0, NULL, n_{of})"
    return f"{'n' if figure.made == 'known' else figure.made}_{of}"


def values(row: Mapping[str, Any], names: Sequence[str]) -> list[Any]:
    """The figures of one row; None where nothing is known, Decimals for money."""
    at: dict[str, int] = {}
    found = []
    for figure in map(FIGURES.__getitem__, names):
        if figure.made in PERCENTILES:
            place = at[figure.of] = at.get(figure.of, -1) + 1
            levels = row[f"q_{figure.of}"]
            found.append(in_unit(MEASURES[figure.of], levels[place]) if levels else None)
        else:
            found.append(_value(row, figure))
    return found


def in_unit(measure: Measure, ordinal: float | None) -> Any:
    """A percentile of `_ordinal` values in the measure's own unit."""
    if ordinal is None or ordinal != ordinal:
        return None
    return (Decimal(ordinal) * PICO).quantize(PICO) if measure.is_money else float(ordinal)


def _value(row: Mapping[str, Any], figure: Figure) -> Any:
    if figure.of == "calls":
        return row[N_CALLS]
    if figure.of in CONDITIONS:
        return _share(row, figure)
    measure = MEASURES[figure.of]
    if figure.made in ("min", "max", "known"):
        return row[f"{'n' if figure.made == 'known' else figure.made}_{figure.of}"]
    total = _total(row[f"sum_{figure.of}"], measure)
    return total if figure.made == "sum" else _mean(total, row[f"n_{figure.of}"], measure)


def _share(row: Mapping[str, Any], figure: Figure) -> int | float | None:
    n, known = row[f"n_{figure.of}"], row[f"known_{figure.of}"]
    if figure.made == "known":
        return int(known)
    if not known:
        return None if figure.made == "share" or CONDITIONS[figure.of].known != "true" else 0
    return n / known if figure.made == "share" else int(n)


def _total(total: Any, measure: Measure) -> Any:
    if total is None or measure.is_money:
        return total
    return total / measure.scale if measure.scale != 1 else int(total)


def _mean(total: Any, n: int, measure: Measure) -> Any:
    if not n or total is None:
        return None
    return (total / n).quantize(PICO) if measure.is_money else total / n
