"""An answer as a page shows it: cells in their units, a picture where there is one, and the events behind each row."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.urls import reverse
from django.utils import timezone

from netra.templatetags import figures
from projects.analytics.answers import Answer, Column
from projects.analytics.vocabulary import MEASURES
from projects.models import Project

_WRITTEN: Mapping[str, Callable[[Any], Any]] = {
    "usd": lambda value: "≈\u202f$0" if 0 < abs(value) < 1e-6 else figures.usd(value),
    "ms": figures.ms,
    "calls": figures.count,
    "tokens": lambda value: figures.decimal(value, 0 if value == int(value) else 1),
    "measure": lambda name: MEASURES[name].title,
    "share": figures.percent,
}
WORDS = ("text", "time", "measure")
WIDEST_PICTURE = 400


def shown(project: Project, answer: Answer) -> dict[str, Any]:
    """`rows` of cells with a link where there are events behind them; `picture`: what is drawn, or None."""
    links = answer.links or ({},) * len(answer.rows)
    rows = [
        {"cells": _cells(answer.columns, row), "url": _url(project, link)}
        for row, link in zip(answer.rows, links, strict=True)
    ]
    has_links = any(row["url"] for row in rows)
    return {
        "answer": answer,
        "rows": rows,
        "has_links": has_links,
        "whole": _whole(answer),
        "words": WORDS,
        "picture": _picture(answer),
    }


def _whole(answer: Answer) -> list[dict[str, Any]]:
    """The sum of all rows, where the answer has one."""
    found = answer.more.get("whole") or answer.more.get("total")
    if not found:
        return []
    first = {answer.columns[0].name: "Together"}
    row = tuple({**found, **first}.get(column.name, "") for column in answer.columns)
    return _cells(answer.columns, row)


def _cells(columns: tuple[Column, ...], row: tuple[Any, ...]) -> list[dict[str, Any]]:
    return [
        {"text": written(value, column), "is_number": column.unit not in WORDS}
        for column, value in zip(columns, row, strict=True)
    ]


def written(value: Any, column: Column) -> Any:
    """A value in its unit; unknown is the dash that screen readers speak."""
    if value is None:
        return figures.UNKNOWN
    if isinstance(value, datetime):
        return _moment(value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if column.unit in _WRITTEN:
        return _WRITTEN[column.unit](value)
    if isinstance(value, str) or column.unit == "text":
        return value
    return figures.decimal(value, 0 if isinstance(value, int) else 3)


def _moment(at: datetime) -> str:
    """A day without its midnight."""
    local = timezone.localtime(at)
    return f"{local:%a %Y-%m-%d}" if (local.hour, local.minute) == (0, 0) else f"{local:%Y-%m-%d %H:%M %Z}"


def _url(project: Project, link: Mapping[str, str]) -> str:
    if "record_id" in link:
        return reverse("projects:event", args=[project.slug, link["record_id"]])
    return f"{reverse('projects:events', args=[project.slug])}?{urlencode(link)}" if link else ""


def _picture(answer: Answer) -> dict[str, Any] | None:
    """Columns over time or over bins; of groups there is the table."""
    names = [column.name for column in answer.columns]
    drawn = {"aggregate": answer.columns[0].role == "time", "distribution": True, "forecast": True} if names else {}
    if not drawn.get(answer.analysis) or not 2 <= len(answer.rows) <= WIDEST_PICTURE:
        return None
    figure = answer.columns[names.index("calls") if answer.analysis == "distribution" else 1]
    rows, ends = answer.records(), (answer.columns[0], answer.columns[1 if answer.analysis == "distribution" else 0])
    known = [row[figure.name] for row in rows if row[figure.name] is not None]
    return {
        "rows": rows,
        "name": figure.name,
        "label": figure.title,
        "first": written(rows[0][ends[0].name], ends[0]),
        "last": written(rows[-1][ends[1].name], ends[1]),
        "highest": written(max(known), figure) if known else "",
    }
