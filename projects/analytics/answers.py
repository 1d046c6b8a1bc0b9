"""What a question is answered with: columns that say what they are, rows, and sentences on what to know. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

EXACT = "exact"
NEAR = "within 2 %, from hourly counts"


@dataclass(frozen=True, slots=True)
class Column:
    """`role`: dimension, time, figure, before, change or ratio. `unit`: usd, ms, calls, tokens, share, time, text, or
    measure (the name of one).

    A column of money holds Decimals; what is not known is None in any column.
    """

    name: str
    title: str
    unit: str = "text"
    role: str = "figure"
    method: str = EXACT


@dataclass(frozen=True, slots=True)
class Answer:
    """Rows in the order of the columns. `links`: per row, what narrows the list of events to those behind it."""

    analysis: str
    since: datetime
    until: datetime
    columns: tuple[Column, ...]
    rows: tuple[tuple[Any, ...], ...]
    n_calls: int | None = None
    before: tuple[datetime, datetime] | None = None
    notes: tuple[str, ...] = ()
    source: str = "log"
    is_cut: bool = False
    links: tuple[Mapping[str, str], ...] = ()
    more: Mapping[str, Any] = field(default_factory=dict)

    def records(self) -> list[dict[str, Any]]:
        names = [column.name for column in self.columns]
        return [dict(zip(names, row, strict=True)) for row in self.rows]

    def as_json(self) -> dict[str, Any]:
        """Money as text, so that nobody rounds it; times in ISO 8601."""
        return {
            "analysis": self.analysis,
            "since": self.since.isoformat(),
            "until": self.until.isoformat(),
            "compared_with": None if self.before is None else [at.isoformat() for at in self.before],
            "columns": [
                {"name": c.name, "title": c.title, "unit": c.unit, "role": c.role, "method": c.method}
                for c in self.columns
            ],
            "rows": [[plain(value) for value in row] for row in self.rows],
            "n_calls": self.n_calls,
            "source": self.source,
            "is_cut": self.is_cut,
            "notes": list(self.notes),
            **{name: plain(value) for name, value in self.more.items()},
        }


def plain(value: Any) -> Any:
    """The value as JSON holds it without loss."""
    if isinstance(value, Decimal):
        return format(value.normalize(), "f") if value else "0"
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {str(name): plain(each) for name, each in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [plain(each) for each in value]
    return value
