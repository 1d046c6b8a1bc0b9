"""A question as statements: names out of the vocabulary become text, everything that was asked is bound. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from projects.analytics import figures, rolled
from projects.analytics.calls import Bound, conditions, log_rows
from projects.analytics.questions import Aggregate, Question
from projects.analytics.rolled import Hours
from projects.analytics.times import micros
from projects.analytics.vocabulary import DIMENSIONS, MEASURES

MOST_GROUPS = 10_000
Span = tuple[datetime, datetime]


@dataclass(frozen=True, slots=True)
class Statement:
    sql: str
    values: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Ground:
    """Where a statement reads: a project's log, or its hourly roll-up where `hours` are given."""

    project_id: int
    has_replaced: bool = False
    hours: Hours | None = None

    def rows(self, bound: Bound, span: Span, told: str | None = None) -> str:
        """`told`: the text that reads them, to leave out what that does not name."""
        if self.hours is None:
            return log_rows(bound, self.project_id, span, has_replaced=self.has_replaced, told=told)
        return rolled.rows(bound, self.project_id, span, self.hours, has_replaced=self.has_replaced, told=told)


def aggregate(question: Aggregate, ground: Ground, span: Span, edges: Sequence[datetime], limit: int) -> Statement:
    """One row a group: `d0…` its dimensions, `t` its bucket's start in microseconds, then the figures' aliases."""
    bound = Bound()
    keys = {f"d{at}": _dimension(name, ground) for at, name in enumerate(question.dimensions)}
    if edges:
        keys["t"] = f"roundDown({_moment(ground)}, {bound.bind([micros(edge) for edge in edges], 'Array(Int64)')})"
    of = rolled.pieces(question.figures) if ground.hours is not None else figures.pieces(question.figures)
    selected = ", ".join(f"{text} AS {alias}" for alias, text in {**keys, **of}.items())
    asked = conditions(bound, question)
    source = ground.rows(bound, span, f"{selected} {asked}")
    by = f" GROUP BY {', '.join(keys)}" if keys else ""
    grouped = f"SELECT {selected} FROM {source} WHERE {asked}{by}"  # noqa: S608
    bound.values["zone"] = question.time_zone
    sql = f"SELECT * FROM ({grouped}) ORDER BY {_order(question, keys)} LIMIT {bound.bind(limit, 'UInt32')}"  # noqa: S608
    return Statement(sql, bound.values)


def _dimension(name: str, ground: Ground) -> str:
    dimension = DIMENSIONS[name]
    return dimension.rolled or "" if ground.hours is not None else dimension.expression


def _moment(ground: Ground) -> str:
    return "toUnixTimestamp64Micro(started_at)" if ground.hours is None else "toInt64(toUnixTimestamp(hour)) * 1000000"


def _order(question: Aggregate, keys: Mapping[str, str]) -> str:
    """By time where there is time, then by figure, then by name, so that the same question gives the same rows."""
    first = question.order_by or question.figures[0]
    way = "DESC" if question.descending else "ASC"
    by_figure = f"{figures.order(first, question.figures)} {way} NULLS LAST"
    time = ["t"] if "t" in keys else []
    return ", ".join([*time, by_figure, *(f"{key} NULLS LAST" for key in keys if key != "t")])


def columns(
    question: Question, ground: Ground, names: Mapping[str, str], *, known: Sequence[str] = ()
) -> tuple[Bound, str]:
    """A subquery of expressions under names, of calls where all of `known` are known; with what it binds."""
    bound = Bound()
    asked = conditions(bound, question)
    selected = ", ".join(f"{text} AS {alias}" for alias, text in names.items())
    full = "".join(f" AND ({text}) IS NOT NULL" for text in known)
    source = ground.rows(bound, question.span, f"{selected} {asked}{full}")
    return bound, f"(SELECT {selected} FROM {source} WHERE {asked}{full})"  # noqa: S608


def number(name: str) -> str:
    """A measure as a float, in its own unit."""
    return f"toFloat64({MEASURES[name].expression})"
