"""Spend of a window held against another, cell by cell: the stage that feeds the decomposition."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from netra.errors import TooLarge
from projects.analytics import aggregates, compiler, reading, standing, times
from projects.analytics.answers import Answer, Column
from projects.analytics.compiler import MOST_GROUPS, Ground, Statement
from projects.analytics.decomposition import FACTORS, Cell, Parts, decompose
from projects.analytics.links import link
from projects.analytics.questions import Aggregate, SpendChange, Window
from projects.analytics.vocabulary import DIMENSIONS, MEASURES

_KNOWN = ("calls", "cost_usd.sum", "cost_usd.known", "tokens_input.sum", "tokens_input.known", "tokens_output.sum")
Cells = dict[tuple[Any, ...], Cell]


def spend_change(project_id: int, question: SpendChange) -> Answer:
    """One row a cell, the largest change first; unpriced calls stay out on both sides and are counted.

    Raises TooLarge past 10,000 cells.
    """
    window = times.compared(question, question.compare)
    (before, n_before), (after, n_after) = (_cells(project_id, question, each) for each in (window, question))
    change = decompose(before, after)
    ordered = sorted(change.cells.items(), key=lambda each: (-abs(each[1].change_usd), str(each[0])))
    notes = ["Price is dollars a token, input and output together; a cell new or gone is volume and mix."]
    if n_before or n_after:
        notes.append(f"Left out, since unpriced: {n_before:,} calls of the earlier window, {n_after:,} of this one.")
    return Answer(
        "spend_change",
        *question.span,
        columns=(*_heads(question), *_figures()),
        rows=tuple((*key[: len(question.by)], *_row(parts)) for key, parts in ordered),
        before=window.span,
        notes=tuple(notes),
        links=tuple(link(question, question.span, dict(zip(question.by, key, strict=False))) for key, _ in ordered),
        more={"whole": dict(zip((column.name for column in _figures()), _row(change.whole), strict=True))},
    )


def _heads(question: SpendChange) -> list[Column]:
    return [Column(name, DIMENSIONS[name].title, "text", "dimension") for name in question.by]


def _figures() -> list[Column]:
    named = {"before": "Before", "after": "After", "change": "Change"}
    named |= {name: f"… by {name}" for name in FACTORS}
    roles = {"before": "before", "after": "figure"}
    return [Column(name, title, "usd", roles.get(name, "change")) for name, title in named.items()]


def _row(parts: Parts) -> tuple[Any, ...]:
    return (parts.before_usd, parts.after_usd, parts.change_usd, *(getattr(parts, name) for name in FACTORS))


def _cells(project_id: int, question: SpendChange, window: Window) -> tuple[Cells, int]:
    """Cells of a window, and how many of its calls have no known cost. The roll-up does where each of its groups is
    priced as a whole or not at all: calls that failed mostly have no cost, so outcomes are read apart."""
    outcome = () if "outcome" in question.by or len(question.by) > 2 else ("outcome",)
    asked = Aggregate(
        **{name: getattr(question, name) for name in ("purposes", "filters", "budget")},
        since=window.since,
        until=window.until,
        figures=_KNOWN,
        dimensions=(*question.by, *outcome),
        limit=5_000,
    )
    answer = aggregates.answer(project_id, asked)
    rows = answer.records()
    if answer.source != "log" and not answer.is_cut and all(map(_is_whole, rows)):
        return _gathered(rows, question), sum(row["calls"] for row in rows if not row["cost_usd.known"])
    return _from_log(project_id, question, window)


def _is_whole(row: dict[str, Any]) -> bool:
    """Whether of all its calls the cost and the tokens are known, or of none the cost."""
    known = row["cost_usd.known"]
    return not known or row["calls"] == known == row["tokens_input.known"]


def _gathered(rows: list[dict[str, Any]], question: SpendChange) -> Cells:
    cells: Cells = {}
    for row in rows:
        if row["cost_usd.known"]:
            key = (*(row[name] for name in question.by), True)
            cells[key] = _cell(row, cells.get(key, Cell(0, 0, Decimal(0))))
    return cells


def _cell(row: dict[str, Any], more: Cell) -> Cell:
    tokens = row["tokens_input.sum"] + (row["tokens_output.sum"] or 0) + (more.tokens or 0)
    return Cell(row["calls"] + more.n_calls, tokens, row["cost_usd.sum"] + more.spent_usd)


def _from_log(project_id: int, question: SpendChange, window: Window) -> tuple[Cells, int]:
    """Priced calls only; those whose tokens are not known are cells of their own."""
    ground = Ground(project_id, standing.has_replaced(project_id, window.span))
    tokens = f"{MEASURES['tokens_input'].expression} + ifNull({MEASURES['tokens_output'].expression}, 0)"
    names = {f"d{at}": DIMENSIONS[name].expression for at, name in enumerate(question.by)}
    asked = question.model_copy(update={"since": window.since, "until": window.until})
    bound, source = compiler.columns(asked, ground, {**names, "tokens": tokens, "spent": "cost_usd"})
    by = ", ".join(names)
    sql = (
        f"SELECT {by}, tokens IS NOT NULL AS has_tokens, countIf(spent IS NOT NULL) AS n, "  # noqa: S608
        "sumIf(ifNull(tokens, 0), spent IS NOT NULL) AS tokens, sum(spent) AS usd, "
        "countIf(spent IS NULL) AS n_unpriced "
        f"FROM {source} GROUP BY {by}, has_tokens ORDER BY {by}, has_tokens LIMIT {MOST_GROUPS + 1}"
    )
    bound.values["zone"] = "UTC"
    rows = reading.rows(Statement(sql, bound.values), project_id, asked)
    if len(rows) > MOST_GROUPS:
        raise TooLarge(f"More than {MOST_GROUPS:,} cells; cut by fewer or coarser dimensions.", code="over_budget")
    cells = {
        (*(row[name] for name in names), bool(row["has_tokens"])): Cell(
            row["n"], int(row["tokens"]) if row["has_tokens"] else None, row["usd"]
        )
        for row in rows
        if row["n"]
    }
    return cells, sum(row["n_unpriced"] for row in rows)
