"""What the API gives of overviews: tables as they stand on the pages, unrounded. Money as text; None = not known."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from ninja import Schema

from projects.analytics.answers import plain
from projects.overview.fleet import Fleet, Line, Totals
from projects.overview.shapes import Row, Section, Told
from projects.overview.windows import Window


class HeadOut(Schema):
    title: str
    unit: str


class SectionOut(Schema):
    """`units` of a row where a column holds several; `events`: parameters of `GET /logs/{project}` and of the page."""

    name: str
    title: str
    note: str
    since: datetime
    until: datetime
    columns: list[HeadOut]
    rows: list[list[Any]]
    units: list[list[str]]
    events: list[dict[str, str]]
    total: list[Any] | None
    sentences: list[str]

    @classmethod
    def of(cls, section: Section, window: Window) -> SectionOut:
        table = section.table
        heads = [] if table is None else [HeadOut(title=head.title, unit=head.unit) for head in table.heads]
        rows = () if table is None else table.rows
        return cls(
            **{name: getattr(section, name) for name in ("name", "title", "note")},
            since=window.since,
            until=window.until,
            columns=heads,
            rows=[_cells(row) for row in rows],
            units=[_units(row, heads) for row in rows],
            events=[dict(row.link) for row in rows],
            total=None if table is None or table.total is None else _cells(table.total),
            sentences=list(section.sentences),
        )


def _cells(row: Row) -> list[Any]:
    return [plain(cell.value if isinstance(cell, Told) else cell) for cell in row.cells]


def _units(row: Row, heads: list[HeadOut]) -> list[str]:
    return [cell.unit if isinstance(cell, Told) else head.unit for head, cell in zip(heads, row.cells, strict=True)]


class TotalsOut(Schema):
    calls: int
    errors: int
    priced: int
    spent_usd: str | None
    p95_ms: float | None

    @classmethod
    def of(cls, told: Totals) -> TotalsOut:
        return cls(
            calls=told.n_calls,
            errors=told.n_errors,
            priced=told.n_priced,
            spent_usd=plain(told.spent_usd),
            p95_ms=told.p95_ms,
        )


class LineOut(Schema):
    """`project` None for all together. `refused`: too many calls to read anew just now."""

    project: str | None
    newest_at: datetime | None
    now: TotalsOut
    before: TotalsOut
    refused: bool

    @classmethod
    def of(cls, line: Line) -> LineOut:
        return cls(
            project=line.project.slug or None,
            newest_at=line.newest_at,
            now=TotalsOut.of(line.now),
            before=TotalsOut.of(line.before),
            refused=line.is_refused,
        )


class FleetOut(Schema):
    since: datetime
    until: datetime
    projects: list[LineOut]
    together: LineOut

    @classmethod
    def of(cls, fleet: Fleet) -> FleetOut:
        lines = [LineOut.of(line) for line in fleet.lines]
        return cls(since=fleet.window.since, until=fleet.window.until, projects=lines, together=LineOut.of(fleet.whole))
