"""All projects a person may read, side by side, over one window and held against the window before it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from netra.errors import TooLarge
from projects.analytics import buckets, standing
from projects.models import Project
from projects.overview import fleet_reading, windows
from projects.overview.asking import ANSWERED, Asked
from projects.overview.fleet_reading import Row
from projects.overview.windows import Window

DAY, HOUR = timedelta(days=1), timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Totals:
    """Of a window. `spent_usd` None where no call's cost is known; `n_priced` says of how many it is."""

    n_calls: int = 0
    n_errors: int = 0
    n_priced: int = 0
    spent_usd: Decimal | None = None
    p95_ms: float | None = None

    @property
    def error_share(self) -> float | None:
        return self.n_errors / self.n_calls if self.n_calls else None


@dataclass(frozen=True, slots=True)
class Line:
    """A project's figures now and before. `counts`: calls a stretch of the window. `is_refused`: over the budget."""

    project: Project
    newest_at: datetime | None
    now: Totals = Totals()
    before: Totals = Totals()
    counts: tuple[int, ...] = ()
    is_refused: bool = False

    @property
    def spend_change(self) -> float | None:
        return _ratio(self.now.spent_usd, self.before.spent_usd)

    @property
    def calls_change(self) -> float | None:
        return _ratio(self.now.n_calls, self.before.n_calls)

    @property
    def p95_change(self) -> float | None:
        return _ratio(self.now.p95_ms, self.before.p95_ms)

    @property
    def error_points(self) -> float | None:
        after, before = self.now.error_share, self.before.error_share
        return None if after is None or before is None else after - before


@dataclass(frozen=True, slots=True)
class Fleet:
    window: Window
    lines: tuple[Line, ...]
    whole: Line


def fleet(projects: Iterable[Project], name: str, zone: str) -> Fleet:
    """The dearest first. The window ends at the newest call of them all, so that sums are of the same time."""
    held = {project.pk: project for project in projects}
    with standing.moment():
        newest = fleet_reading.newest_at(held)
        window = windows.newest(name, max(newest.values(), default=None), zone)
        lines = _lines(held, newest, window)
    ordered = sorted(lines, key=lambda line: (-(line.now.spent_usd or 0), -line.now.n_calls, line.project.name))
    return Fleet(window, tuple(ordered), _together(lines))


def _lines(held: dict[int, Project], newest: dict[int, datetime], window: Window) -> list[Line]:
    span, stretch = _span(window), HOUR if window.until - window.since == DAY else DAY
    rolled = fleet_reading.sound(held, span)
    sums = fleet_reading.sums(rolled, span, stretch)
    counts = fleet_reading.latency_counts(rolled, span, window.since)
    lines = []
    for pk, project in held.items():
        rows, timed = sums.get(pk, []), [counts.get((pk, is_now), []) for is_now in (False, True)]
        n_timed = sum(n for each in timed for _, n in each)
        if pk not in rolled or n_timed != sum(row["n_timed"] for row in rows):
            lines.append(_asked(project, newest.get(pk), window))
            continue
        p95 = [buckets.percentiles(each, [0.95])[0] for each in timed]
        lines.append(_line(project, newest.get(pk), rows, p95, (window.until - window.since) // stretch))
    return lines


def _span(window: Window) -> tuple[datetime, datetime]:
    """The window and the one before it."""
    return (window.since - (window.until - window.since)).astimezone(UTC), window.until.astimezone(UTC)


def _line(
    project: Project, newest_at: datetime | None, rows: Sequence[Row], p95: Sequence[float | None], n: int
) -> Line:
    """`n` stretches a window: rows before that are of the window before."""
    before, now = ([row for row in rows if (row["place"] >= n) == is_now] for is_now in (False, True))
    places = {row["place"] - n: int(row["n"]) for row in now}
    counts = tuple(places.get(at, 0) for at in range(n))
    return Line(project, newest_at, _totals(now, p95[1]), _totals(before, p95[0]), counts)


def _totals(rows: Sequence[Row], p95_ms: float | None) -> Totals:
    n, n_errors, n_priced = (sum(int(row[name]) for row in rows) for name in ("n", "n_errors", "n_priced"))
    spent = sum((row["usd"] for row in rows), Decimal(0)) if n_priced else None
    return Totals(n, n_errors, n_priced, spent, p95_ms)


_SUMMED = ("calls", "errors.count", "cost_usd.known", "cost_usd.sum")


def _asked(project: Project, newest_at: datetime | None, window: Window) -> Line:
    """By the engine, which reads the log where the roll-up does not hold."""
    asked = Asked(project.pk, window)
    try:
        (row,) = asked.ask(
            figures=("calls", "errors.count", "cost_usd.known", "cost_usd.sum"), compare="previous"
        ).records()
        (timed,) = asked.ask(figures=("duration_ms.p95",), compare="previous", **ANSWERED).records()
    except TooLarge:
        return Line(project, newest_at, is_refused=True)
    return Line(project, newest_at, _told({**row, **timed}, ""), _told({**row, **timed}, ".before"))


def _told(row: dict[str, Any], end: str) -> Totals:
    return Totals(*(row[f"{name}{end}"] for name in (*_SUMMED, "duration_ms.p95")))


def _together(lines: Sequence[Line]) -> Line:
    """Sums over all projects; percentiles do not add up."""
    told = [line for line in lines if not line.is_refused]
    return Line(Project(), None, _added([line.now for line in told]), _added([line.before for line in told]))


def _added(each: Sequence[Totals]) -> Totals:
    n, n_errors, n_priced = (sum(getattr(one, name) for one in each) for name in ("n_calls", "n_errors", "n_priced"))
    spent = sum((one.spent_usd for one in each if one.spent_usd is not None), Decimal(0)) if n_priced else None
    return Totals(n, n_errors, n_priced, spent)


def _ratio(after: Any, before: Any) -> float | None:
    return None if after is None or not before else float((after - before) / before)
