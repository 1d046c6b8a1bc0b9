"""Where the money goes: the dearest models, kinds of work, users, sessions, tags or prompt templates."""

from __future__ import annotations

from typing import Any

from projects.analytics.answers import Answer
from projects.overview.asking import Asked, ratio
from projects.overview.shapes import Choice, Head, Row, Section, Table

DRIVERS = {
    "model": "Model",
    "kind": "Kind of work",
    "user_id": "User",
    "session_id": "Session",
    "tag": "Tag",
    "prompt_template": "Prompt template",
}
MOST = 20
_FIGURES = ("cost_usd.sum", "calls", "cost_usd.known")


def drivers(asked: Asked) -> Section:
    """Sessions have no window before: each is of its own time."""
    by, compare = asked.by, None if asked.by == "session_id" else "previous"
    choices = tuple(Choice("by", name, title, name == by) for name, title in DRIVERS.items())
    whole = asked.ask(figures=_FIGURES).records()[0]["cost_usd.sum"]
    answer = asked.ask(dimensions=(by,), figures=_FIGURES, limit=MOST, compare=compare)
    rows = tuple(
        Row(_cells(row, by, whole), asked.link(**{by: row[by]})) for row in answer.records() if row["cost_usd.sum"]
    )
    heads = (
        *(Head(DRIVERS[by]), Head("Spend", "usd"), Head("Share", is_bar=True), Head("Share of spend", "share")),
        *(Head("Change", "change"), Head("Calls", "calls"), Head("A priced call", "usd")),
    )
    table = Table(heads, rows) if rows else None
    return Section("drivers", "Top cost drivers", "", None, table, _sentences(answer, table), choices=choices)


def _sentences(answer: Answer, table: Table | None) -> tuple[str, ...]:
    if table is None:
        return ("No call of this window has a known cost.",)
    return answer.notes


def _cells(row: dict[str, Any], by: str, whole: Any) -> tuple[Any, ...]:
    share = ratio(row["cost_usd.sum"], whole)
    each = ratio(row["cost_usd.sum"], row["cost_usd.known"])
    return (row[by], row["cost_usd.sum"], share, share, row.get("cost_usd.sum.ratio"), row["calls"], each)
